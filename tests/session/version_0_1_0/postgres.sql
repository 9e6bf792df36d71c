-- name: create_session(digest, data, user_id, ip, user_agent, idle_ms, lifetime_ms, max_age_ms, now) -> maybe
-- INSERT, never upsert: a taken digest has to fail rather than hand over a stranger's session.
INSERT INTO bodhi_session (digest, data, user_id, version, created_at, last_seen_at, expires_at, ends_at, ip, user_agent)
SELECT $1, $2, $3, 1, clock.now, clock.now, clock.now + least($6::bigint, clock.longest), clock.now + clock.longest, $4, $5
  FROM (SELECT now_ms($9) AS now, least($7::bigint, coalesce($8::bigint, $7::bigint)) AS longest) AS clock
RETURNING digest, data, user_id, version, created_at, last_seen_at, expires_at, ends_at, ip, user_agent, last_seen_at AS now;

-- name: load_session(digest, now) -> maybe
-- An expired row reads as absent, whether or not it has been swept yet.
SELECT digest, data, user_id, version, created_at, last_seen_at, expires_at, ends_at, ip, user_agent, now_ms($2) AS now
  FROM bodhi_session
 WHERE digest = $1
   AND expires_at > now_ms($2);

-- name: lock_session(digest, now) -> maybe
-- The session as it is now, and nobody else changes it before this transaction ends.
SELECT digest, data, user_id, version, created_at, last_seen_at, expires_at, ends_at, ip, user_agent, now_ms($2) AS now
  FROM bodhi_session
 WHERE digest = $1
   AND expires_at > now_ms($2)
   FOR UPDATE;

-- name: save_session(digest, version, data, user_id, now) -> maybe
-- Never an upsert: of a session that is gone, or that another request changed meanwhile, no row is touched.
-- A row that somebody holds is passed over like a changed one: the saves that share the trip do not wait for it.
UPDATE bodhi_session
   SET data = $3,
       user_id = $4,
       version = version + 1
 WHERE digest = (
           SELECT digest
             FROM bodhi_session
            WHERE digest = $1
              AND version = $2
              AND expires_at > now_ms($5)
              FOR UPDATE SKIP LOCKED
       )
RETURNING digest, version;

-- name: save_session_ages(digest, version, data, user_id, idle_ms, lifetime_ms, max_age_ms, now) -> maybe
-- The same with new times, for applications that use max_age: counted from this save, within the two timeouts.
UPDATE bodhi_session
   SET data = $3,
       user_id = $4,
       version = version + 1,
       ends_at = least(created_at + $6::bigint, now_ms($8) + $7::bigint),
       expires_at = least(last_seen_at + $5::bigint, created_at + $6::bigint, now_ms($8) + $7::bigint)
 WHERE digest = $1
   AND version = $2
   AND expires_at > now_ms($8)
RETURNING digest, version;

-- name: rotate_session(digest, version, new_digest, data, user_id, ip, user_agent, idle_ms, created_at, ends_at, now) -> maybe
-- The row moves to its new id in one statement, so that there is no moment with two of it or none.
-- Every statement that ends sessions notifies: with the handle, or with nothing where it ends many.
WITH moved AS (
    UPDATE bodhi_session
       SET digest = $3,
           data = $4,
           user_id = $5,
           version = version + 1,
           ip = $6,
           user_agent = $7,
           created_at = $9,
           last_seen_at = greatest(last_seen_at, now_ms($11)),
           ends_at = $10,
           expires_at = least(now_ms($11) + $8::bigint, $10::bigint)
     WHERE digest = $1
       AND version = $2
       AND expires_at > now_ms($11)
    RETURNING digest, data, user_id, version, created_at, last_seen_at, expires_at, ends_at, ip, user_agent, now_ms($11) AS now
)
SELECT moved.*
  FROM moved
 CROSS JOIN LATERAL pg_notify('bodhi_session_ended', translate(encode(substring($1::bytea FOR 12), 'base64'), '+/', '-_'));

-- name: touch_session(digest, seen_at, idle_ms, interval_ms, now) -> maybe
-- Times only move forward: a touch that comes late or twice changes nothing, and an expired session stays expired.
-- A row that somebody holds is passed over: its next request touches it again.
UPDATE bodhi_session
   SET last_seen_at = $2,
       expires_at = greatest(expires_at, least($2::bigint + $3::bigint, ends_at))
 WHERE digest = (
           SELECT digest
             FROM bodhi_session
            WHERE digest = $1
              AND last_seen_at <= $2 - $4::bigint
              AND expires_at > now_ms($5)
              FOR UPDATE SKIP LOCKED
       )
RETURNING digest;

-- name: delete_session(digest, now) -> maybe
-- Answers whether what was deleted was still live.
WITH gone AS (
    DELETE FROM bodhi_session
     WHERE digest = $1
    RETURNING digest, expires_at
)
SELECT expires_at > now_ms($2) AS live
  FROM gone
 CROSS JOIN LATERAL pg_notify('bodhi_session_ended', translate(encode(substring(gone.digest FOR 12), 'base64'), '+/', '-_'));

-- name: list_data(after, batch, now) -> many
-- A keyset page of all live sessions with their data, for re-encrypting.
SELECT digest, data, version
  FROM bodhi_session
 WHERE digest > $1
   AND expires_at > now_ms($3)
 ORDER BY digest
 LIMIT $2;

-- name: rekey_session(digest, version, data) -> maybe
-- The same content under another key: no new version, since no request need notice.
UPDATE bodhi_session
   SET data = $3
 WHERE digest = $1
   AND version = $2
RETURNING digest;

-- name: set_aside_session(digest, version, reason, now) -> count
-- The first of two steps (the second deletes the row), in one transaction.
INSERT INTO bodhi_session_set_aside (digest, data, user_id, reason, set_aside_at)
SELECT digest, data, user_id, $3, now_ms($4)
  FROM bodhi_session
 WHERE digest = $1
   AND version = $2
    ON CONFLICT (digest) DO UPDATE
   SET data = excluded.data,
       user_id = excluded.user_id,
       reason = excluded.reason,
       set_aside_at = excluded.set_aside_at;
