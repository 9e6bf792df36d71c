-- What the application itself remembers; its sessions are another part, maybe in another database.
-- Times are milliseconds since 1970, UTC. STRICT: a text in a number's place would compare as greater than every time.

-- At most one row: how this server is registered at its identity provider.
CREATE TABLE bodhi_instance (
    one           INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    client_id     TEXT    NOT NULL,
    client_secret BLOB    NOT NULL, -- encrypted
    scope         TEXT    NOT NULL,
    status        TEXT    NOT NULL CHECK (status IN ('resource-admin', 'ready')),
    -- who is being made the first administrator: a process that dies over it leaves the rest to the next
    admin_id      TEXT,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT;

-- What one process may do at a time, such as asking the provider for something that must happen once.
CREATE TABLE bodhi_lease (
    name       TEXT    NOT NULL PRIMARY KEY,
    holder     TEXT    NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

-- Everybody who logged in, with the role they had last: what their API tokens may do at most.
CREATE TABLE bodhi_person (
    user_id    TEXT    NOT NULL PRIMARY KEY,
    username   TEXT    NOT NULL,
    role       TEXT,
    removed    INTEGER NOT NULL DEFAULT 0 CHECK (removed IN (0, 1)),
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE bodhi_api_token (
    id           TEXT    NOT NULL PRIMARY KEY,
    user_id      TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    token_prefix TEXT    NOT NULL UNIQUE,
    token_hash   TEXT    NOT NULL, -- SHA-256 in hex of the whole token
    scopes       TEXT    NOT NULL,
    status       TEXT    NOT NULL CHECK (status IN ('active', 'inactive')),
    expires_at   INTEGER,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
) STRICT;

CREATE INDEX bodhi_api_token_user ON bodhi_api_token (user_id, created_at, id);

-- People who ask for a role.
CREATE TABLE bodhi_access_request (
    id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    username   TEXT    NOT NULL,
    user_id    TEXT    NOT NULL,
    reviewer   TEXT,
    status     TEXT    NOT NULL CHECK (status IN ('pending', 'approved', 'rejected')),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX bodhi_access_request_pending ON bodhi_access_request (user_id) WHERE status = 'pending';

CREATE INDEX bodhi_access_request_age ON bodhi_access_request (created_at, id);

-- Applications that ask a person to act for them.
CREATE TABLE bodhi_app_access_request (
    id                   TEXT    NOT NULL PRIMARY KEY,
    app_client_id        TEXT    NOT NULL,
    app_name             TEXT,
    app_description      TEXT,
    flow_type            TEXT    NOT NULL CHECK (flow_type IN ('redirect', 'popup')),
    redirect_uri         TEXT,
    status               TEXT    NOT NULL CHECK (status IN ('draft', 'approved', 'denied', 'failed', 'withdrawn')),
    requested            TEXT    NOT NULL, -- JSON
    approved             TEXT,            -- JSON
    user_id              TEXT,
    resource_scope       TEXT,
    access_request_scope TEXT    UNIQUE,
    error_message        TEXT,
    source               TEXT    NOT NULL, -- the address that asked: what the number of open drafts is counted by
    claimed_until        INTEGER,         -- somebody decides it, until then
    expires_at           INTEGER NOT NULL,
    created_at           INTEGER NOT NULL,
    updated_at           INTEGER NOT NULL
) STRICT;

CREATE INDEX bodhi_app_access_request_source ON bodhi_app_access_request (source) WHERE user_id IS NULL;

CREATE INDEX bodhi_app_access_request_expiry ON bodhi_app_access_request (expires_at) WHERE user_id IS NULL;

CREATE INDEX bodhi_app_access_request_user ON bodhi_app_access_request (user_id) WHERE user_id IS NOT NULL;

CREATE TABLE bodhi_setting (
    key        TEXT    NOT NULL PRIMARY KEY,
    value      TEXT    NOT NULL,
    type       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- Which session belongs to which session at the identity provider, so that the provider can end it.
CREATE TABLE bodhi_provider_session (
    sid        TEXT    NOT NULL,
    handle     TEXT    NOT NULL,
    user_id    TEXT    NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (sid, handle)
) STRICT;

CREATE INDEX bodhi_provider_session_expiry ON bodhi_provider_session (expires_at);

-- Logout tokens that were heeded already.
CREATE TABLE bodhi_logout_token (
    jti        TEXT    NOT NULL PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT;
