-- name: list_versions(after, batch, now) -> many, read only
-- A keyset page of all live sessions, by digest, as far as a copy compares them: the format and the key that encrypted a row too.
SELECT digest, version, last_seen_at, substr(data, 1, 5) AS header
  FROM bodhi_session
 WHERE digest > $1
   AND expires_at > now_ms($3)
 ORDER BY digest
 LIMIT $2;

-- name: list_held(after, batch, now) -> many, read only
-- The same of the other side: expired rows too, since the other side may know of a later use.
SELECT digest, version, last_seen_at, substr(data, 1, 5) AS header, expires_at > now_ms($3) AS live
  FROM bodhi_session
 WHERE digest > $1
 ORDER BY digest
 LIMIT $2;

-- name: list_copied(after, batch) -> many, read only
SELECT digest, version, last_seen_at, kept_until
  FROM bodhi_session_copied
 WHERE digest > $1
 ORDER BY digest
 LIMIT $2;

-- name: read_sessions(low, high, now) -> many, read only
-- Whole rows, live, of a range of digests.
SELECT digest, data, user_id, version, created_at, last_seen_at, expires_at, ends_at, ip, user_agent, max_age
  FROM bodhi_session
 WHERE digest BETWEEN $1 AND $2
   AND expires_at > now_ms($3)
 ORDER BY digest;

-- name: update_copied(digest, data, user_id, version, created_at, last_seen_at, expires_at, ends_at, ip, user_agent, max_age) -> maybe
-- A newer row stays; times only move forward.
UPDATE bodhi_session
   SET data = $2,
       user_id = $3,
       version = $4,
       created_at = $5,
       last_seen_at = greatest(last_seen_at, $6::bigint),
       expires_at = least(greatest(expires_at, $7::bigint), $8::bigint),
       ends_at = $8,
       ip = $9,
       user_agent = $10,
       max_age = coalesce($11, max_age)
 WHERE digest = $1
   AND version <= $4
RETURNING digest;

-- name: remember_copied(digest, version, last_seen_at, kept_until) -> maybe
INSERT INTO bodhi_session_copied (digest, version, last_seen_at, kept_until)
VALUES ($1, $2, $3, $4)
    ON CONFLICT (digest) DO UPDATE
   SET version = excluded.version,
       last_seen_at = excluded.last_seen_at,
       kept_until = excluded.kept_until
RETURNING digest;

-- name: end_copied(digest, version, last_seen_at) -> maybe
-- Ends here what ended there, unless it was used here meanwhile.
DELETE FROM bodhi_session
 WHERE digest = $1
   AND version = $2
   AND last_seen_at = $3
RETURNING digest;

-- name: sweep_copied(batch, now) -> count
DELETE FROM bodhi_session_copied
 WHERE ctid = ANY (ARRAY(
           SELECT ctid
             FROM bodhi_session_copied
            WHERE kept_until <= now_ms($2)
            LIMIT $1
              FOR UPDATE SKIP LOCKED
       ));

-- name: find_user_index() -> maybe, read only
-- It is never dropped here.
SELECT 1 AS found;

-- name: drop_user_index() -> maybe
-- Here rows may come in any order at little cost, and only the owner of a table may do that.
SELECT 1 AS dropped;

-- name: make_user_index() -> maybe
SELECT 1 AS made;
