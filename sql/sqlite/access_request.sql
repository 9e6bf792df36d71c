-- name: create_access_request(user_id, username, now) -> maybe
-- No row where one of this user is pending: the index sees to it.
INSERT INTO bodhi_access_request (user_id, username, status, created_at, updated_at)
VALUES ($1, $2, 'pending', now_ms($3), now_ms($3))
    ON CONFLICT (user_id) WHERE status = 'pending' DO NOTHING
RETURNING id, username, user_id, reviewer, status, created_at, updated_at;

-- name: find_access_request(id) -> maybe, read only
SELECT id, username, user_id, reviewer, status, created_at, updated_at
  FROM bodhi_access_request
 WHERE id = $1;

-- name: find_pending_access_request(user_id) -> maybe, read only
SELECT id, username, user_id, reviewer, status, created_at, updated_at
  FROM bodhi_access_request
 WHERE user_id = $1
   AND status = 'pending';

-- name: list_access_requests(status, batch, skip) -> many, read only
-- A page, oldest first; a status of NULL is any.
SELECT id, username, user_id, reviewer, status, created_at, updated_at
  FROM bodhi_access_request
 WHERE ($1 IS NULL OR status = $1)
 ORDER BY created_at, id
 LIMIT $2
OFFSET $3;

-- name: count_access_requests(status) -> maybe, read only
SELECT count(*) AS requests
  FROM bodhi_access_request
 WHERE ($1 IS NULL OR status = $1);

-- name: approve_access_request(id, reviewer, now) -> count
UPDATE bodhi_access_request
   SET status = 'approved',
       reviewer = $2,
       updated_at = now_ms($3)
 WHERE id = $1
   AND status = 'pending';

-- name: reject_access_request(id, reviewer, now) -> count
UPDATE bodhi_access_request
   SET status = 'rejected',
       reviewer = $2,
       updated_at = now_ms($3)
 WHERE id = $1
   AND status = 'pending';
