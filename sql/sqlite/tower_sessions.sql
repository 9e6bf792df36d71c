-- name: find_tower_sessions() -> maybe, read only
-- Where the table of tower-sessions is. SQLite has one place for it.
SELECT 'here' AS place
  FROM sqlite_master
 WHERE type = 'table'
   AND name = 'tower_sessions';

-- name: list_tower_sessions(after, batch) -> many, read only
-- A keyset page, from the beginning after NULL. By rowid, since an id that is not UTF-8 cannot be given back as a text.
-- The column expiry_date is as its writer left it: text or seconds.
SELECT id, data, expiry_date, rowid AS reached
  FROM tower_sessions
 WHERE rowid > coalesce($1, -9223372036854775808)
 ORDER BY rowid
 LIMIT $2;

-- name: list_tower_sessions_in_schema(after, batch) -> many, read only
-- The same in a schema named tower_sessions: the same table, since SQLite has no schemas.
SELECT id, data, expiry_date, rowid AS reached
  FROM tower_sessions
 WHERE rowid > coalesce($1, -9223372036854775808)
 ORDER BY rowid
 LIMIT $2;

-- name: list_tower_sessions_by_default(after, batch) -> many, read only
-- The same by the names that tower-sessions itself gives on PostgreSQL: here they are those above.
SELECT id, data, expiry_date, rowid AS reached
  FROM tower_sessions
 WHERE rowid > coalesce($1, -9223372036854775808)
 ORDER BY rowid
 LIMIT $2;

-- name: read_clock(now) -> maybe, read only
SELECT now_ms($1) AS now;

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
