-- name: limit_transaction(milliseconds) -> maybe
-- For this transaction alone: wait for a lock no longer than the caller does, and end when the caller has disappeared.
SELECT set_config('lock_timeout', $1, true) AS locks,
       set_config('idle_in_transaction_session_timeout', $1, true) AS silence;

-- name: probe_connection() -> maybe, read only
-- Whether the server still answers on a connection that is silent otherwise.
SELECT 1 AS answer;

-- name: describe_connection() -> maybe, read only
-- What is in effect on the connection, whatever was asked for.
SELECT current_setting('search_path')                 AS search_path,
       pg_encoding_to_char(encoding)                  AS encoding,
       current_setting('transaction_read_only')::bool AS is_read_only,
       pg_is_in_recovery()                            AS is_standby
  FROM pg_database
 WHERE datname = current_database();

-- name: list_tables() -> many, read only
SELECT relname AS name
  FROM pg_class
 WHERE relkind IN ('r', 'p')
   AND pg_table_is_visible(oid);

-- name: find_version_table() -> maybe, read only
SELECT to_regclass('bodhi_schema') AS found
 WHERE to_regclass('bodhi_schema') IS NOT NULL;

-- name: lock_schema() -> maybe
-- Of several processes that start at once, one migrates; the lock ends with its transaction.
SELECT pg_advisory_xact_lock(hashtextextended('bodhi schema', 0));

-- name: create_schema() -> maybe
-- Only where the search_path is a single identifier, quoted or not, and that schema does not exist yet.
DO $$
BEGIN
    IF current_setting('search_path') = '"$user"' AND current_schema() IS NULL THEN
        RAISE invalid_parameter_value;
    ELSIF current_schema() IS NULL THEN
        EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I', (parse_ident(current_setting('search_path')))[1]);
    END IF;
EXCEPTION
    WHEN invalid_parameter_value THEN
        RAISE invalid_schema_name USING MESSAGE = 'no schema of the search_path exists: ' || current_setting('search_path');
END
$$;

-- name: create_version_table() -> maybe
CREATE TABLE IF NOT EXISTS bodhi_schema (
    part       text   NOT NULL,
    version    bigint NOT NULL,
    name       text   NOT NULL,
    applied_at bigint NOT NULL,
    PRIMARY KEY (part, version)
);

-- name: find_version(part) -> maybe, read only
SELECT max(version) AS version
  FROM bodhi_schema
 WHERE part = $1;

-- name: record_version(part, version, name) -> count
INSERT INTO bodhi_schema (part, version, name, applied_at)
VALUES ($1, $2, $3, (extract(epoch FROM clock_timestamp()) * 1000)::bigint);

-- name: write_data_format(data_format) -> count
-- Forward only: what is written already stays readable, but older nodes do not read a newer format.
UPDATE bodhi_session_format
   SET written = $1
 WHERE written < $1;
