-- name: find_instance() -> maybe, read only
SELECT client_id, client_secret, scope, status
  FROM bodhi_instance;

-- name: create_instance(client_id, client_secret, scope, now) -> count
-- The primary key allows one row: of two setups at once, one makes it.
INSERT INTO bodhi_instance (one, client_id, client_secret, scope, status, created_at, updated_at)
VALUES (1, $1, $2, $3, 'resource-admin', now_ms($4), now_ms($4))
    ON CONFLICT (one) DO NOTHING;

-- name: reseal_instance(client_secret, resealed) -> count
-- The same secret under another key.
UPDATE bodhi_instance
   SET client_secret = $2
 WHERE client_secret = $1;

-- name: appoint_administrator(client_id, user_id, now) -> maybe
-- Whom the provider has to make the administrator: this user, or the one that a process which died left over.
UPDATE bodhi_instance
   SET admin_id = coalesce(admin_id, $2),
       updated_at = now_ms($3)
 WHERE client_id = $1
   AND status = 'resource-admin'
RETURNING admin_id;

-- name: dismiss_administrator(client_id, now) -> count
-- The provider did not: the next to log in counts as the first.
UPDATE bodhi_instance
   SET admin_id = NULL,
       updated_at = now_ms($2)
 WHERE client_id = $1
   AND status = 'resource-admin';

-- name: make_instance_ready(client_id, now) -> count
UPDATE bodhi_instance
   SET status = 'ready',
       updated_at = now_ms($2)
 WHERE client_id = $1
   AND status = 'resource-admin';
