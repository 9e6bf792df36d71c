-- name: lock_app_access_requests() -> maybe
-- New requests take turns, so that each counts what the others made: BEGIN IMMEDIATE sees to it.
SELECT 1 AS locked;

-- name: count_open_app_access_requests(source, app_client_id, network, now) -> maybe, read only
-- Open requests: in all, of the network, of the source, and of the source for this client.
SELECT count(*) AS of_all,
       count(*) FILTER (WHERE network = $3) AS of_network,
       count(*) FILTER (WHERE source = $1) AS of_source,
       count(*) FILTER (WHERE source = $1 AND app_client_id = $2) AS of_client,
       now_ms($4) AS now
  FROM bodhi_app_access_request
 WHERE user_id IS NULL
   AND expires_at > now_ms($4);

-- name: create_app_access_request(id, app_client_id, flow_type, redirect_uri, requested, source, network, draft_ms, claim_ms, now) -> maybe
-- A draft; with claim_ms, its creator has claimed it already.
INSERT INTO bodhi_app_access_request (id, app_client_id, flow_type, redirect_uri, status, requested, source, network,
                                      claimed_until, expires_at, created_at, updated_at)
SELECT $1, $2, $3, $4, 'draft', $5, $6, $7, clock.now + $9, clock.now + $8, clock.now, clock.now
  FROM (SELECT now_ms($10) AS now) AS clock
RETURNING id, app_client_id, app_name, app_description, flow_type, redirect_uri, status, requested, approved, user_id,
          resource_scope, access_request_scope, claimed_until, expires_at, created_at, updated_at;

-- name: find_app_access_request(id, now) -> maybe, read only
SELECT id, app_client_id, app_name, app_description, flow_type, redirect_uri, status, requested, approved, user_id,
       resource_scope, access_request_scope, claimed_until, expires_at, created_at, updated_at,
       now_ms($2) AS now
  FROM bodhi_app_access_request
 WHERE id = $1;

-- name: find_app_access_request_by_scope(access_request_scope, now) -> maybe, read only
SELECT id, app_client_id, app_name, app_description, flow_type, redirect_uri, status, requested, approved, user_id,
       resource_scope, access_request_scope, claimed_until, expires_at, created_at, updated_at,
       now_ms($2) AS now
  FROM bodhi_app_access_request
 WHERE access_request_scope = $1;

-- name: name_app(id, app_name, app_description) -> count
UPDATE bodhi_app_access_request
   SET app_name = $2,
       app_description = $3
 WHERE id = $1;

-- name: claim_app_access_request(id, claim_ms, now) -> maybe
-- Only the holder of the claim may decide the draft, until the claim expires: a call to the provider happens meanwhile.
UPDATE bodhi_app_access_request
   SET claimed_until = now_ms($3) + $2
 WHERE id = $1
   AND status = 'draft'
   AND expires_at > now_ms($3)
   AND coalesce(claimed_until, 0) <= now_ms($3)
RETURNING id, app_client_id, app_name, app_description, flow_type, redirect_uri, status, requested, approved, user_id,
          resource_scope, access_request_scope, claimed_until, expires_at, created_at, updated_at;

-- name: release_app_access_request(id, claimed_until) -> count
UPDATE bodhi_app_access_request
   SET claimed_until = NULL
 WHERE id = $1
   AND status = 'draft'
   AND claimed_until = $2;

-- name: finish_app_access_request(id, claimed_until, status, approved, user_id, resource_scope, access_request_scope, error_message, now) -> maybe
-- Only for the present holder of the claim.
UPDATE bodhi_app_access_request
   SET status = $3,
       approved = $4,
       user_id = $5,
       resource_scope = $6,
       access_request_scope = $7,
       error_message = $8,
       claimed_until = NULL,
       updated_at = now_ms($9)
 WHERE id = $1
   AND status = 'draft'
   AND claimed_until = $2
RETURNING id, app_client_id, app_name, app_description, flow_type, redirect_uri, status, requested, approved, user_id,
          resource_scope, access_request_scope, claimed_until, expires_at, created_at, updated_at;

-- name: deny_app_access_request(id, user_id, now) -> maybe
UPDATE bodhi_app_access_request
   SET status = 'denied',
       user_id = $2,
       updated_at = now_ms($3)
 WHERE id = $1
   AND status = 'draft'
   AND expires_at > now_ms($3)
   AND coalesce(claimed_until, 0) <= now_ms($3)
RETURNING id, app_client_id, app_name, app_description, flow_type, redirect_uri, status, requested, approved, user_id,
          resource_scope, access_request_scope, claimed_until, expires_at, created_at, updated_at;

-- name: withdraw_app_access_request(id, user_id, now) -> maybe
-- The scope stays in the row: a token with it finds out that it is no longer approved.
UPDATE bodhi_app_access_request
   SET status = 'withdrawn',
       updated_at = now_ms($3)
 WHERE id = $1
   AND user_id = $2
   AND status = 'approved'
RETURNING id, app_client_id, app_name, app_description, flow_type, redirect_uri, status, requested, approved, user_id,
          resource_scope, access_request_scope, claimed_until, expires_at, created_at, updated_at;

-- name: withdraw_app_access_requests_of(user_id, now) -> many
UPDATE bodhi_app_access_request
   SET status = 'withdrawn',
       updated_at = now_ms($2)
 WHERE user_id = $1
   AND status = 'approved'
RETURNING id, app_client_id, app_name, app_description, flow_type, redirect_uri, status, requested, approved, user_id,
          resource_scope, access_request_scope, claimed_until, expires_at, created_at, updated_at;

-- name: list_app_access_requests(user_id, size, skip) -> many, read only
-- What the user approved and did not withdraw, newest first.
SELECT id, app_client_id, app_name, app_description, flow_type, redirect_uri, status, requested, approved, user_id,
       resource_scope, access_request_scope, claimed_until, expires_at, created_at, updated_at
  FROM bodhi_app_access_request
 WHERE user_id = $1
   AND status = 'approved'
 ORDER BY updated_at DESC, id DESC
 LIMIT $2 OFFSET $3;

-- name: count_app_access_requests(user_id) -> maybe, read only
SELECT count(*) AS requests
  FROM bodhi_app_access_request
 WHERE user_id = $1
   AND status = 'approved';

-- name: sweep_app_access_requests(batch, keep_ms, now) -> count
-- Undecided requests some time after they expired: until then, a status request returns "expired".
DELETE FROM bodhi_app_access_request
 WHERE rowid IN (
           SELECT rowid
             FROM bodhi_app_access_request
            WHERE user_id IS NULL
              AND expires_at <= now_ms($3) - $2
            ORDER BY expires_at
            LIMIT $1
       );
