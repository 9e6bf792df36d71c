-- name: read_beginning(now) -> maybe, read only
-- The time and the data format that a new session is encrypted for.
SELECT now_ms($1) AS now, (SELECT max(written) FROM bodhi_session_format) AS data_format;

-- name: create_session(digest, data, user_id, ip, user_agent, idle_ms, longest_ms, max_age, now) -> maybe
-- INSERT, never upsert: a taken digest has to fail rather than hand over a stranger's session.
INSERT INTO bodhi_session (digest, data, user_id, version, created_at, last_seen_at, expires_at, ends_at, ip, user_agent, max_age)
SELECT $1, $2, $3, 1, clock.now, clock.now, clock.now + min($6, $7), clock.now + $7, $4, $5, $8
  FROM (SELECT now_ms($9) AS now) AS clock
RETURNING digest, data, user_id, version, created_at, last_seen_at, expires_at, ends_at, ip, user_agent, max_age, last_seen_at AS now;

-- name: load_session(digest, now) -> maybe, read only
-- An expired row reads as absent, whether or not it has been swept yet.
SELECT digest, data, user_id, version, created_at, last_seen_at, expires_at, ends_at, ip, user_agent, max_age, now_ms($2) AS now
  FROM bodhi_session
 WHERE digest = $1
   AND expires_at > now_ms($2);

-- name: lock_session(digest, now) -> maybe
-- The session as it is now; no other transaction changes it before this one ends: BEGIN IMMEDIATE sees to it.
SELECT digest, data, user_id, version, created_at, last_seen_at, expires_at, ends_at, ip, user_agent, max_age, now_ms($2) AS now
  FROM bodhi_session
 WHERE digest = $1
   AND expires_at > now_ms($2);

-- name: save_session(digest, version, data, user_id, now) -> maybe
-- Never an upsert: of a session that is gone, or that another request changed meanwhile, no row is touched.
UPDATE bodhi_session
   SET data = $3,
       user_id = $4,
       version = version + 1
 WHERE digest = $1
   AND version = $2
   AND expires_at > now_ms($5)
RETURNING digest, version;

-- name: save_session_ages(digest, version, data, user_id, idle_ms, ends_at, max_age, now) -> maybe
-- The same with new times, and the max_age that the application chose.
UPDATE bodhi_session
   SET data = $3,
       user_id = $4,
       version = version + 1,
       ends_at = $6,
       max_age = $7,
       expires_at = min(last_seen_at + $5, $6)
 WHERE digest = $1
   AND version = $2
   AND expires_at > now_ms($8)
RETURNING digest, version;

-- name: rotate_session(digest, version, new_digest, data, user_id, ip, user_agent, idle_ms, created_at, ends_at, max_age, now) -> maybe
-- The row moves to its new id in one statement, so that there is no moment with two of it or none.
UPDATE bodhi_session
   SET digest = $3,
       data = $4,
       user_id = $5,
       version = version + 1,
       ip = $6,
       user_agent = $7,
       created_at = $9,
       last_seen_at = max(last_seen_at, now_ms($12)),
       ends_at = $10,
       max_age = $11,
       expires_at = min(now_ms($12) + $8, $10)
 WHERE digest = $1
   AND version = $2
   AND expires_at > now_ms($12)
RETURNING digest, data, user_id, version, created_at, last_seen_at, expires_at, ends_at, ip, user_agent, max_age, now_ms($12) AS now;

-- name: touch_session(digest, seen_at, idle_ms, interval_ms, now) -> maybe
-- Times only move forward: a touch that comes late or twice changes nothing, and an expired session stays expired.
UPDATE bodhi_session
   SET last_seen_at = $2,
       expires_at = max(expires_at, min($2 + $3, ends_at))
 WHERE digest = $1
   AND last_seen_at <= $2 - $4
   AND expires_at > now_ms($5)
RETURNING digest;

-- name: delete_session(digest, now) -> maybe
-- Answers whether what was deleted was still live. A trigger deletes a session whose end is recorded, with the time of
-- the end, or 0 where it had expired before.
INSERT OR REPLACE INTO bodhi_session_ended (digest, ended_at)
SELECT digest, iif(expires_at > now_ms($2), now_ms($2), 0)
  FROM bodhi_session
 WHERE digest = $1
RETURNING ended_at > 0 AS live;

-- name: revoke_session(low, high, user_id, now) -> many
-- A handle is the beginning of a digest, hence the range. Somebody else's session reads as unknown.
-- What RETURNING gives is computed before the trigger deletes the session.
INSERT OR REPLACE INTO bodhi_session_ended (digest, ended_at)
SELECT digest, iif(expires_at > now_ms($4), now_ms($4), 0)
  FROM bodhi_session
 WHERE digest BETWEEN $1 AND $2
   AND ($3 IS NULL OR user_id = $3)
RETURNING (SELECT user_id FROM bodhi_session WHERE digest = bodhi_session_ended.digest) AS user_id, ended_at > 0 AS live;

-- name: clear_user(user_id, keep_low, keep_high, batch, now) -> many
-- Everything of one user but the kept range of digests (NULL keeps nothing).
-- In batches, since every other save waits for this writer.
INSERT OR REPLACE INTO bodhi_session_ended (digest, ended_at)
SELECT digest, iif(expires_at > now_ms($5), now_ms($5), 0)
  FROM bodhi_session
 WHERE user_id = $1
   AND ($2 IS NULL OR digest NOT BETWEEN $2 AND $3)
 LIMIT $4
RETURNING ended_at > 0 AS live, 1 AS ended;

-- name: clear_some(batch, now) -> many
-- Some of all sessions, since every other save waits for this writer.
INSERT OR REPLACE INTO bodhi_session_ended (digest, ended_at)
SELECT digest, iif(expires_at > now_ms($2), now_ms($2), 0)
  FROM bodhi_session
 LIMIT $1
RETURNING ended_at > 0 AS live, 1 AS ended;

-- name: clear_all(now) -> many
-- The sessions that clear_some has left, and those made since.
INSERT OR REPLACE INTO bodhi_session_ended (digest, ended_at)
SELECT digest, iif(expires_at > now_ms($1), now_ms($1), 0)
  FROM bodhi_session
 WHERE true
RETURNING ended_at > 0 AS live, 1 AS ended;

-- name: lock_user(user_id) -> maybe
-- Logins of one user run one after the other, so that each counts the sessions that the others left: BEGIN IMMEDIATE sees to it.
SELECT $1 AS locked;

-- name: trim_user(user_id, keep, cap, now) -> many
-- The user's oldest sessions beyond the cap; never the one that logs in.
INSERT OR REPLACE INTO bodhi_session_ended (digest, ended_at)
SELECT digest, now_ms($4)
  FROM bodhi_session
 WHERE user_id = $1
   AND digest <> $2
   AND expires_at > now_ms($4)
 ORDER BY created_at DESC, digest DESC
 LIMIT -1 OFFSET $3 - 1
RETURNING digest;

-- name: count_user(user_id, now) -> maybe, read only
SELECT count(*) AS sessions
  FROM bodhi_session
 WHERE user_id = $1
   AND expires_at > now_ms($2);

-- name: count_sessions(now) -> maybe, read only
-- By the index of coarse steps alone, and exactly in the step that is now: the table may have tens of gigabytes.
SELECT (SELECT count(*)
          FROM bodhi_session
         WHERE expires_step > now_ms($1) / 300000)
     + (SELECT count(*)
          FROM bodhi_session
         WHERE expires_step = now_ms($1) / 300000
           AND expires_at > now_ms($1)) AS sessions;

-- name: list_user(user_id, after_created_at, after_digest, batch, now) -> many, read only
-- A keyset page of a user's live sessions, oldest first.
SELECT digest, user_id, created_at, last_seen_at, expires_at, ip, user_agent
  FROM bodhi_session
 WHERE user_id = $1
   AND (created_at, digest) > ($2, $3)
   AND expires_at > now_ms($5)
 ORDER BY created_at, digest
 LIMIT $4;

-- name: list_sessions(after, batch, now) -> many, read only
-- A keyset page of all live sessions, by digest.
SELECT digest, user_id, created_at, last_seen_at, expires_at, ip, user_agent
  FROM bodhi_session
 WHERE digest > $1
   AND expires_at > now_ms($3)
 ORDER BY digest
 LIMIT $2;

-- name: list_sessions_before(before, batch, now) -> many, read only
-- The keyset page that ends before a digest, by digest, backwards.
SELECT digest, user_id, created_at, last_seen_at, expires_at, ip, user_agent
  FROM bodhi_session
 WHERE digest < $1
   AND expires_at > now_ms($3)
 ORDER BY digest DESC
 LIMIT $2;

-- name: user_activity(user_ids, now) -> many, read only
-- The number of live sessions and the last use of each of these users (a JSON array) who has any.
SELECT user_id, count(*) AS sessions, max(last_seen_at) AS last_seen_at
  FROM bodhi_session
 WHERE user_id IN (SELECT value FROM json_each($1))
   AND expires_at > now_ms($2)
 GROUP BY user_id;

-- name: list_data(after, batch, now) -> many, read only
-- A keyset page of all live sessions with their data, for re-encrypting.
SELECT digest, data, version, user_id, created_at, ends_at
  FROM bodhi_session
 WHERE digest > $1
   AND expires_at > now_ms($3)
 ORDER BY digest
 LIMIT $2;

-- name: sample_data(most, now) -> many, read only
-- Some live sessions with their data. Reads a fixed number of rows, however many have expired since the last sweep.
SELECT digest, data, version, user_id, created_at, ends_at
  FROM (SELECT digest, data, version, user_id, created_at, ends_at, expires_at
          FROM bodhi_session
         WHERE digest > x''
         ORDER BY digest
         LIMIT 1000) AS first_rows
 WHERE expires_at > now_ms($2)
 ORDER BY digest
 LIMIT $1;

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

-- name: remove_unreadable(digest) -> maybe
-- The second step. Nobody ended the session: its visitor may begin another at once.
DELETE FROM bodhi_session
 WHERE digest = $1
RETURNING digest;

-- name: lock_sweep() -> maybe
-- One sweeper in a cluster: a process that does not get the lock skips this sweep: BEGIN IMMEDIATE sees to it.
SELECT 1 AS mine;

-- name: sweep_sessions(batch, now) -> count
-- By the index of coarse steps, then exactly. There is one writer: nothing to skip.
DELETE FROM bodhi_session
 WHERE rowid IN (
           SELECT rowid
             FROM bodhi_session
            WHERE expires_step <= now_ms($2) / 300000
              AND expires_at <= now_ms($2)
            ORDER BY expires_step
            LIMIT $1
       );

-- name: sweep_set_aside(keep_ms, now) -> count
DELETE FROM bodhi_session_set_aside
 WHERE set_aside_at <= now_ms($2) - $1;

-- name: recent_end(digest, now) -> maybe, read only
SELECT now_ms($2) - ended_at AS ago_ms, moved
  FROM bodhi_session_ended
 WHERE digest = $1
   AND ended_at > 0;

-- name: sweep_ended(keep_ms, most, batch, now) -> count
-- What is older than any request under way, and the oldest of more than $2.
DELETE FROM bodhi_session_ended
 WHERE rowid IN (
           SELECT rowid
             FROM bodhi_session_ended
            WHERE ended_at <= now_ms($4) - $1
               OR ended_at <= (SELECT ended_at FROM bodhi_session_ended ORDER BY ended_at DESC LIMIT 1 OFFSET $2)
            LIMIT $3
       );
