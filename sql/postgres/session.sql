-- name: read_beginning(now) -> maybe, read only
-- The time and the data format that a new session is encrypted for.
SELECT now_ms($1) AS now, (SELECT max(written) FROM bodhi_session_format) AS data_format;

-- name: create_session(digest, data, user_id, ip, user_agent, idle_ms, longest_ms, max_age, now) -> maybe
-- INSERT, never upsert: a taken digest has to fail rather than hand over a stranger's session.
INSERT INTO bodhi_session (digest, data, user_id, version, created_at, last_seen_at, expires_at, ends_at, ip, user_agent, max_age)
SELECT $1, $2, $3, 1, clock.now, clock.now, clock.now + least($6::bigint, $7::bigint), clock.now + $7::bigint, $4, $5, $8
  FROM (SELECT now_ms($9) AS now) AS clock
RETURNING digest, data, user_id, version, created_at, last_seen_at, expires_at, ends_at, ip, user_agent, max_age, last_seen_at AS now;

-- name: load_session(digest, now) -> maybe, read only
-- An expired row reads as absent, whether or not it has been swept yet.
SELECT digest, data, user_id, version, created_at, last_seen_at, expires_at, ends_at, ip, user_agent, max_age, now_ms($2) AS now
  FROM bodhi_session
 WHERE digest = $1
   AND expires_at > now_ms($2);

-- name: lock_session(digest, now) -> maybe
-- The session as it is now; no other transaction changes it before this one ends.
SELECT digest, data, user_id, version, created_at, last_seen_at, expires_at, ends_at, ip, user_agent, max_age, now_ms($2) AS now
  FROM bodhi_session
 WHERE digest = $1
   AND expires_at > now_ms($2)
   FOR UPDATE;

-- name: save_session(digest, version, data, user_id, now) -> maybe
-- Never an upsert: of a session that is gone, or that another request changed meanwhile, no row is touched.
-- A locked row is skipped like a changed one: the other saves of the batch do not wait for it.
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

-- name: save_session_ages(digest, version, data, user_id, idle_ms, ends_at, max_age, now) -> maybe
-- The same with new times, and the max_age that the application chose.
UPDATE bodhi_session
   SET data = $3,
       user_id = $4,
       version = version + 1,
       ends_at = $6,
       max_age = $7,
       expires_at = least(last_seen_at + $5::bigint, $6::bigint)
 WHERE digest = $1
   AND version = $2
   AND expires_at > now_ms($8)
RETURNING digest, version;

-- name: rotate_session(digest, version, new_digest, data, user_id, ip, user_agent, idle_ms, created_at, ends_at, max_age, now) -> maybe
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
           last_seen_at = greatest(last_seen_at, now_ms($12)),
           ends_at = $10,
       max_age = $11,
           expires_at = least(now_ms($12) + $8::bigint, $10::bigint)
     WHERE digest = $1
       AND version = $2
       AND expires_at > now_ms($12)
    RETURNING digest, data, user_id, version, created_at, last_seen_at, expires_at, ends_at, ip, user_agent, max_age, now_ms($12) AS now
), recorded AS (
    INSERT INTO bodhi_session_ended (digest, ended_at, moved)
    SELECT $1::bytea, now, true
      FROM moved
        ON CONFLICT (digest) DO UPDATE SET ended_at = excluded.ended_at, moved = excluded.moved
)
SELECT moved.*
  FROM moved
 CROSS JOIN LATERAL pg_notify('bodhi_session_ended', translate(encode(substring($1::bytea FOR 12), 'base64'), '+/', '-_'));

-- name: touch_session(digest, seen_at, idle_ms, interval_ms, now) -> maybe
-- Times only move forward: a touch that comes late or twice changes nothing, and an expired session stays expired.
-- A locked row is skipped: the next request of the session touches it again.
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
-- What finds nothing to end may find what another try has ended, and no standby has confirmed yet. Only a commit that
-- wrote something waits for a synchronous standby: so it writes an empty message, in each statement that ends sessions.
WITH gone AS (
    DELETE FROM bodhi_session
     WHERE digest = $1
    RETURNING digest, expires_at
), recorded AS (
    INSERT INTO bodhi_session_ended (digest, ended_at, moved)
    SELECT digest, now_ms($2), false
      FROM gone
     WHERE expires_at > now_ms($2)
        ON CONFLICT (digest) DO UPDATE SET ended_at = excluded.ended_at, moved = excluded.moved
)
SELECT expires_at > now_ms($2) AS live
  FROM gone
 CROSS JOIN LATERAL pg_notify('bodhi_session_ended', translate(encode(substring(gone.digest FOR 12), 'base64'), '+/', '-_'))
 UNION ALL
SELECT false AS live
 WHERE CASE WHEN EXISTS (SELECT FROM gone) OR current_setting('synchronous_standby_names') = ''
              OR NOT EXISTS (SELECT FROM bodhi_session_ended WHERE digest = $1) THEN false
            ELSE pg_logical_emit_message(true, 'bodhi', '') IS NOT NULL END;

-- name: revoke_session(low, high, user_id, now) -> many
-- A handle is the beginning of a digest, hence the range. Somebody else's session reads as unknown.
WITH gone AS (
    DELETE FROM bodhi_session
     WHERE digest BETWEEN $1 AND $2
       AND ($3::text IS NULL OR user_id = $3)
    RETURNING digest, user_id, expires_at
), recorded AS (
    INSERT INTO bodhi_session_ended (digest, ended_at, moved)
    SELECT digest, now_ms($4), false
      FROM gone
     WHERE expires_at > now_ms($4)
        ON CONFLICT (digest) DO UPDATE SET ended_at = excluded.ended_at, moved = excluded.moved
)
SELECT user_id, expires_at > now_ms($4) AS live
  FROM gone
 CROSS JOIN LATERAL pg_notify('bodhi_session_ended', translate(encode(substring(gone.digest FOR 12), 'base64'), '+/', '-_'))
 UNION ALL
SELECT NULL AS user_id, false AS live
 WHERE CASE WHEN EXISTS (SELECT FROM gone) OR current_setting('synchronous_standby_names') = ''
              OR NOT EXISTS (SELECT FROM bodhi_session_ended WHERE digest BETWEEN $1 AND $2) THEN false
            ELSE pg_logical_emit_message(true, 'bodhi', '') IS NOT NULL END;

-- name: clear_user(user_id, keep_low, keep_high, batch, now) -> many
-- Everything of one user but the kept range of digests (NULL keeps nothing).
-- Not in batches of $4: here a DELETE holds up nobody else, and only a plain one follows a row to the id
-- that a rotation gives it meanwhile.
WITH gone AS (
    DELETE FROM bodhi_session
     WHERE user_id = $1
       AND ($2::bytea IS NULL OR digest NOT BETWEEN $2 AND $3)
       AND $4::bigint > 0
    RETURNING digest, expires_at
), recorded AS (
    INSERT INTO bodhi_session_ended (digest, ended_at, moved)
    SELECT digest, now_ms($5), false
      FROM gone
     WHERE expires_at > now_ms($5)
        ON CONFLICT (digest) DO UPDATE SET ended_at = excluded.ended_at, moved = excluded.moved
)
-- The conditions always hold: they are there to notify, once, where anything is gone, and to wait where nothing is.
SELECT count(*) FILTER (WHERE expires_at > now_ms($5)) AS live, count(*) AS ended
  FROM gone
HAVING (SELECT count(*) FROM (SELECT pg_notify('bodhi_session_ended', '') FROM gone LIMIT 1) AS notified) >= 0
   AND CASE WHEN count(*) > 0 OR current_setting('synchronous_standby_names') = '' THEN true
            ELSE pg_logical_emit_message(true, 'bodhi', '') IS NOT NULL END;

-- name: clear_some(batch, now) -> many
-- Some of all sessions: to delete millions at once takes longer than a call may. Locked rows are skipped.
-- Where the table has partitions, each of them has a row in the same place.
WITH found AS MATERIALIZED (
    SELECT tableoid AS part, ctid AS place
      FROM bodhi_session
     LIMIT $1
       FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM bodhi_session
     WHERE ctid = ANY (ARRAY(SELECT place FROM found))
       AND (tableoid, ctid) IN (SELECT part, place FROM found)
    RETURNING digest, expires_at
), recorded AS (
    INSERT INTO bodhi_session_ended (digest, ended_at, moved)
    SELECT digest, now_ms($2), false
      FROM gone
     WHERE expires_at > now_ms($2)
        ON CONFLICT (digest) DO UPDATE SET ended_at = excluded.ended_at, moved = excluded.moved
)
SELECT count(*) FILTER (WHERE expires_at > now_ms($2)) AS live, count(*) AS ended
  FROM gone
HAVING (SELECT count(*) FROM (SELECT pg_notify('bodhi_session_ended', '') FROM gone LIMIT 1) AS notified) >= 0;

-- name: clear_all(now) -> many
-- What clear_some has left: a plain DELETE waits for rows that are held, and follows them to their new ids.
WITH gone AS (
    DELETE FROM bodhi_session
    RETURNING digest, expires_at
), recorded AS (
    INSERT INTO bodhi_session_ended (digest, ended_at, moved)
    SELECT digest, now_ms($1), false
      FROM gone
     WHERE expires_at > now_ms($1)
        ON CONFLICT (digest) DO UPDATE SET ended_at = excluded.ended_at, moved = excluded.moved
)
SELECT count(*) FILTER (WHERE expires_at > now_ms($1)) AS live, count(*) AS ended
  FROM gone
HAVING (SELECT count(*) FROM (SELECT pg_notify('bodhi_session_ended', '') FROM gone LIMIT 1) AS notified) >= 0
   AND CASE WHEN count(*) > 0 OR current_setting('synchronous_standby_names') = '' THEN true
            ELSE pg_logical_emit_message(true, 'bodhi', '') IS NOT NULL END;

-- name: lock_user(user_id) -> maybe
-- Logins of one user run one after the other, so that each counts the sessions that the others left.
SELECT pg_advisory_xact_lock(hashtextextended('bodhi user ' || $1, 0));

-- name: trim_user(user_id, keep, cap, now) -> many
-- The user's oldest sessions beyond the cap; never the one that logs in.
WITH gone AS (
    DELETE FROM bodhi_session
     WHERE digest IN (
               SELECT digest
                 FROM bodhi_session
                WHERE user_id = $1
                  AND digest <> $2
                  AND expires_at > now_ms($4)
                ORDER BY created_at DESC, digest DESC
                LIMIT ALL OFFSET $3::bigint - 1
           )
    RETURNING digest
), recorded AS (
    INSERT INTO bodhi_session_ended (digest, ended_at, moved)
    SELECT digest, now_ms($4), false
      FROM gone
        ON CONFLICT (digest) DO UPDATE SET ended_at = excluded.ended_at, moved = excluded.moved
)
SELECT gone.digest
  FROM gone
 CROSS JOIN LATERAL pg_notify('bodhi_session_ended', translate(encode(substring(gone.digest FOR 12), 'base64'), '+/', '-_'));

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
   AND (created_at, digest) > ($2::bigint, $3::bytea)
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
 WHERE user_id = ANY (ARRAY(SELECT json_array_elements_text($1::json)))
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
         WHERE digest > ''::bytea
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
WITH gone AS (
    DELETE FROM bodhi_session
     WHERE digest = $1
    RETURNING digest
)
SELECT gone.digest
  FROM gone
 CROSS JOIN LATERAL pg_notify('bodhi_session_ended', translate(encode(substring(gone.digest FOR 12), 'base64'), '+/', '-_'));

-- name: lock_sweep() -> maybe
-- One sweeper in a cluster: a process that does not get the lock skips this sweep.
SELECT pg_try_advisory_xact_lock(hashtextextended('bodhi sweep', 0)) AS mine;

-- name: sweep_sessions(batch, now) -> count
-- By the index of coarse steps, then exactly. A row that a save has locked is left for the next sweep.
-- Where the table has partitions, each of them has a row in the same place.
WITH expired AS MATERIALIZED (
    SELECT tableoid AS part, ctid AS place
      FROM bodhi_session
     WHERE expires_step <= now_ms($2) / 300000
       AND expires_at <= now_ms($2)
     ORDER BY expires_step
     LIMIT $1
       FOR UPDATE SKIP LOCKED
)
DELETE FROM bodhi_session
 WHERE ctid = ANY (ARRAY(SELECT place FROM expired))
   AND (tableoid, ctid) IN (SELECT part, place FROM expired);

-- name: sweep_set_aside(keep_ms, now) -> count
DELETE FROM bodhi_session_set_aside
 WHERE set_aside_at <= now_ms($2) - $1::bigint;

-- name: recent_end(digest, now) -> maybe, read only
SELECT now_ms($2) - ended_at AS ago_ms, moved
  FROM bodhi_session_ended
 WHERE digest = $1;

-- name: sweep_ended(keep_ms, most, batch, now) -> count
-- What is older than any request under way, and the oldest of more than $2.
DELETE FROM bodhi_session_ended
 WHERE ctid = ANY (ARRAY(
           SELECT ctid
             FROM bodhi_session_ended
            WHERE ended_at <= now_ms($4) - $1::bigint
               OR ended_at <= (SELECT ended_at FROM bodhi_session_ended ORDER BY ended_at DESC LIMIT 1 OFFSET $2::bigint)
            LIMIT $3
       ));
