-- name: create_api_token(id, user_id, name, token_prefix, token_hash, scopes, expires_at, lifetime_ms, now) -> maybe
-- No row if the expiry has passed or the owner was removed.
INSERT INTO bodhi_api_token (id, user_id, name, token_prefix, token_hash, scopes, status, expires_at, created_at, updated_at)
SELECT $1, $2, $3, $4, $5, $6, 'active', coalesce($7, clock.now + $8), clock.now, clock.now
  FROM (SELECT now_ms($9) AS now) AS clock
 WHERE ($7 IS NULL OR $7 > clock.now)
   AND NOT EXISTS (SELECT 1 FROM bodhi_person WHERE user_id = $2 AND removed = 1)
RETURNING id, user_id, name, token_prefix, scopes, status, expires_at, created_at, updated_at, last_used_at;

-- name: find_api_token(token_prefix, now) -> maybe, read only
-- With the owner's role as last known; an unknown owner has none.
SELECT token.id, token.user_id, token.token_hash, token.scopes, token.status, token.expires_at, token.last_used_at,
       person.role, person.removed, coalesce(person.confirmed_at, person.seen_at) AS confirmed_at,
       now_ms($2) AS now
  FROM bodhi_api_token AS token
  LEFT JOIN bodhi_person AS person
    ON person.user_id = token.user_id
 WHERE token.token_prefix = $1;

-- name: list_api_tokens(user_id, size, skip) -> many, read only
SELECT id, user_id, name, token_prefix, scopes, status, expires_at, created_at, updated_at, last_used_at
  FROM bodhi_api_token
 WHERE user_id = $1
 ORDER BY created_at DESC, id DESC
 LIMIT $2 OFFSET $3;

-- name: count_api_tokens(user_id) -> maybe, read only
SELECT count(*) AS tokens
  FROM bodhi_api_token
 WHERE user_id = $1;

-- name: update_api_token(id, user_id, name, status, may_enable, now) -> maybe
-- NULL leaves the name or the status as it is. Another user's token reads as unknown, here and below, and so does an
-- inactive one that may not be made active.
UPDATE bodhi_api_token
   SET name = coalesce($3, name),
       status = coalesce($4, status),
       updated_at = now_ms($6)
 WHERE id = $1
   AND user_id = $2
   AND ($5 = 1 OR status = 'active' OR coalesce($4, status) <> 'active')
RETURNING id, user_id, name, token_prefix, scopes, status, expires_at, created_at, updated_at, last_used_at;

-- name: delete_api_token(id, user_id) -> count
DELETE FROM bodhi_api_token
 WHERE id = $1
   AND user_id = $2;

-- name: disable_api_tokens(user_id, now) -> count
-- For good: what has expired is not made active again.
UPDATE bodhi_api_token
   SET status = 'inactive',
       expires_at = min(coalesce(expires_at, now_ms($2)), now_ms($2)),
       updated_at = now_ms($2)
 WHERE user_id = $1
   AND status = 'active';

-- name: list_tokens_of_all(user_id, after, size) -> many, read only
-- A keyset page of all tokens, or of a user's, in the order in which they were made: their ids are made in that order.
SELECT id, user_id, name, token_prefix, scopes, status, expires_at, created_at, updated_at, last_used_at
  FROM bodhi_api_token
 WHERE id > $2
   AND ($1 IS NULL OR user_id = $1)
 ORDER BY id
 LIMIT $3;

-- name: list_tokens_of_all_before(user_id, before, size) -> many, read only
-- The same backwards, from before a token.
SELECT id, user_id, name, token_prefix, scopes, status, expires_at, created_at, updated_at, last_used_at
  FROM bodhi_api_token
 WHERE id < $2
   AND ($1 IS NULL OR user_id = $1)
 ORDER BY id DESC
 LIMIT $3;

-- name: count_tokens_of_all(user_id, most) -> maybe, read only
-- Their number, counted up to $2.
SELECT count(*) AS tokens
  FROM (SELECT id
          FROM bodhi_api_token
         WHERE $1 IS NULL OR user_id = $1
         ORDER BY id
         LIMIT $2) AS matching;

-- name: disable_api_token(id, user_id, is_final, now) -> maybe
-- NULL as the user: any owner's. The owner may reactivate it, unless this is final: then it has expired as well.
UPDATE bodhi_api_token
   SET status = 'inactive',
       expires_at = CASE $3 WHEN 1 THEN min(coalesce(expires_at, now_ms($4)), now_ms($4)) ELSE expires_at END,
       updated_at = now_ms($4)
 WHERE id = $1
   AND ($2 IS NULL OR user_id = $2)
   AND status = 'active'
RETURNING id, user_id, name, token_prefix, scopes, status, expires_at, created_at, updated_at, last_used_at;

-- name: note_api_token_use(id, interval_ms, now) -> count
-- Not again within the interval, also when other processes use the token.
UPDATE bodhi_api_token
   SET last_used_at = now_ms($3)
 WHERE id = $1
   AND (last_used_at IS NULL OR last_used_at <= now_ms($3) - $2);
