-- name: limit_transaction(milliseconds) -> maybe
-- Every wait on SQLite is in its caller's own process, and bounded there.
SELECT $1 AS locks, $1 AS silence;

-- name: probe_connection() -> maybe, read only
-- A file always answers.
SELECT 1 AS answer;

-- name: describe_connection() -> maybe, read only
-- SQLite has no search_path, every encoding of a file holds all of Unicode, and opening looks whether it is writable.
SELECT NULL AS search_path, 'UTF8' AS encoding, FALSE AS is_read_only, FALSE AS is_standby;

-- name: list_tables() -> many, read only
SELECT name
  FROM sqlite_master
 WHERE type = 'table';

-- name: find_version_table() -> maybe, read only
SELECT name AS found
  FROM sqlite_master
 WHERE name = 'bodhi_schema';

-- name: lock_schema() -> maybe
-- BEGIN IMMEDIATE holds the only write lock already.
SELECT 1 AS locked;

-- name: create_schema() -> maybe
-- SQLite has one schema in a file.
SELECT 1 AS created;

-- name: create_version_table() -> maybe
CREATE TABLE IF NOT EXISTS bodhi_schema (
    part       TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    applied_at INTEGER NOT NULL,
    PRIMARY KEY (part, version)
) STRICT;

-- name: find_version(part) -> maybe, read only
SELECT max(version) AS version
  FROM bodhi_schema
 WHERE part = $1;

-- name: record_version(part, version, name) -> count
INSERT INTO bodhi_schema (part, version, name, applied_at)
VALUES ($1, $2, $3, now_ms(NULL));

-- name: write_data_format(data_format) -> count
-- Forward only: what is written already stays readable, but older nodes do not read a newer format.
UPDATE bodhi_session_format
   SET written = $1
 WHERE written < $1;
