-- Times are milliseconds since 1970, UTC: no time zone of a connection can bend them.

-- What time is it: what a test says, else this server's clock.
CREATE OR REPLACE FUNCTION now_ms(fixed bigint) RETURNS bigint
    LANGUAGE sql STABLE
    RETURN coalesce(fixed, (extract(epoch FROM statement_timestamp()) * 1000)::bigint);

CREATE TABLE bodhi_session (
    digest       bytea  NOT NULL PRIMARY KEY CHECK (octet_length(digest) = 32),
    data         bytea  NOT NULL,
    user_id      text,
    version      bigint NOT NULL,
    created_at   bigint NOT NULL,
    last_seen_at bigint NOT NULL,
    -- the end by the idle timeout, never after ends_at
    expires_at   bigint NOT NULL,
    -- the end by the absolute timeout
    ends_at      bigint NOT NULL,
    ip           text,
    user_agent   text,
    -- What the index below holds: a step of five minutes, so that most touches change no index (a HOT update).
    expires_step bigint GENERATED ALWAYS AS (expires_at / 300000) STORED,
    CHECK (expires_at <= ends_at)
) WITH (fillfactor = 70);

-- Ciphertext does not compress: do not try.
ALTER TABLE bodhi_session ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE INDEX bodhi_session_expiry ON bodhi_session (expires_step);

CREATE INDEX bodhi_session_user ON bodhi_session (user_id, created_at, digest) WHERE user_id IS NOT NULL;

-- Rows whose data nobody can read, kept for a look at what happened; nothing here is a session.
CREATE TABLE bodhi_session_set_aside (
    digest       bytea  NOT NULL PRIMARY KEY,
    data         bytea  NOT NULL,
    user_id      text,
    reason       text   NOT NULL,
    set_aside_at bigint NOT NULL
);
