-- name: find_tower_sessions() -> maybe, read only
-- Where the table of tower-sessions is: where the connection looks first, or in a schema of that name.
SELECT CASE
           WHEN to_regclass('tower_sessions') IS NOT NULL THEN 'here'
           WHEN to_regclass('tower_sessions.tower_sessions') IS NOT NULL THEN 'schema'
           ELSE 'default'
       END AS place
 WHERE coalesce(
           to_regclass('tower_sessions'),
           to_regclass('tower_sessions.tower_sessions'),
           to_regclass('tower_sessions.session')
       ) IS NOT NULL;

-- name: list_tower_sessions(after, batch) -> many, read only
-- A keyset page by id, from the beginning after NULL; expiry_date as text, UTC.
-- Not id > '': the empty text is an id, and has to be reported.
SELECT id, data, to_char(expiry_date AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS') AS expiry_date,
       id AS reached
  FROM tower_sessions
 WHERE id >= coalesce($1, '')
   AND id IS DISTINCT FROM $1
 ORDER BY id
 LIMIT $2;

-- name: list_tower_sessions_in_schema(after, batch) -> many, read only
-- The same in a schema named tower_sessions.
SELECT id, data, to_char(expiry_date AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS') AS expiry_date,
       id AS reached
  FROM tower_sessions.tower_sessions
 WHERE id >= coalesce($1, '')
   AND id IS DISTINCT FROM $1
 ORDER BY id
 LIMIT $2;

-- name: list_tower_sessions_by_default(after, batch) -> many, read only
-- The same by the names that tower-sessions itself gives on PostgreSQL.
SELECT id, data, to_char(expiry_date AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS') AS expiry_date,
       id AS reached
  FROM tower_sessions.session
 WHERE id >= coalesce($1, '')
   AND id IS DISTINCT FROM $1
 ORDER BY id
 LIMIT $2;

-- name: read_clock(now) -> maybe, read only
-- Not now_ms, which a database without bodhi's tables has not.
SELECT coalesce($1::bigint, (extract(epoch FROM statement_timestamp()) * 1000)::bigint) AS now;

-- name: find_imported(digest) -> maybe, read only
-- What is remembered of a session that came here, and what has become of it.
SELECT copied.digest, copied.version, copied.last_seen_at, copied.kept_until, held.data, held.user_id, held.created_at, held.ends_at,
       held.version AS held_version, held.last_seen_at AS held_last_seen_at
  FROM bodhi_session_copied AS copied
  LEFT JOIN bodhi_session AS held
    ON held.digest = copied.digest
 WHERE copied.digest = $1;

-- name: import_session(digest, data, user_id, version, created_at, last_seen_at, expires_at, ends_at, ip, user_agent, max_age) -> maybe
-- What has this digest already stays as it is.
INSERT INTO bodhi_session (digest, data, user_id, version, created_at, last_seen_at, expires_at, ends_at, ip, user_agent, max_age)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (digest) DO NOTHING
RETURNING digest;
