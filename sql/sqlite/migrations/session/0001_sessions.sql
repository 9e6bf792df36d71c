-- Times are milliseconds since 1970, UTC. now_ms() is given to SQLite by the driver.
-- STRICT: a text in a number's place would compare as greater than every time, and never expire.

CREATE TABLE bodhi_session (
    digest       BLOB    NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    data         BLOB    NOT NULL,
    user_id      TEXT,
    version      INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    -- the end by the idle timeout, never after ends_at
    expires_at   INTEGER NOT NULL,
    -- the end by the absolute timeout
    ends_at      INTEGER NOT NULL,
    ip           TEXT,
    user_agent   TEXT,
    -- What the index below holds, in steps of five minutes as on PostgreSQL.
    expires_step INTEGER GENERATED ALWAYS AS (expires_at / 300000) STORED,
    CHECK (expires_at <= ends_at)
) STRICT;

CREATE INDEX bodhi_session_expiry ON bodhi_session (expires_step);

CREATE INDEX bodhi_session_user ON bodhi_session (user_id, created_at, digest) WHERE user_id IS NOT NULL;

-- Rows whose data nobody can read, kept for a look at what happened; nothing here is a session.
CREATE TABLE bodhi_session_set_aside (
    digest       BLOB    NOT NULL PRIMARY KEY,
    data         BLOB    NOT NULL,
    user_id      TEXT,
    reason       TEXT    NOT NULL,
    set_aside_at INTEGER NOT NULL
) STRICT;
