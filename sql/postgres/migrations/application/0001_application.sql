-- What the application itself remembers; its sessions are another part, maybe in another database.
-- Times are milliseconds since 1970, UTC.

-- The same function as the sessions have, since both parts may share a database, or not.
CREATE OR REPLACE FUNCTION now_ms(fixed bigint) RETURNS bigint
    LANGUAGE sql STABLE
    RETURN coalesce(fixed, (extract(epoch FROM statement_timestamp()) * 1000)::bigint);

-- At most one row: how this server is registered at its identity provider.
CREATE TABLE bodhi_instance (
    one           bigint NOT NULL PRIMARY KEY CHECK (one = 1),
    client_id     text   NOT NULL,
    client_secret bytea  NOT NULL, -- encrypted
    scope         text   NOT NULL,
    status        text   NOT NULL CHECK (status IN ('resource-admin', 'ready')),
    -- who is being made the first administrator: a process that dies over it leaves the rest to the next
    admin_id      text,
    created_at    bigint NOT NULL,
    updated_at    bigint NOT NULL
);

-- What one process may do at a time, such as asking the provider for something that must happen once.
CREATE TABLE bodhi_lease (
    name       text   NOT NULL PRIMARY KEY,
    holder     text   NOT NULL,
    expires_at bigint NOT NULL
);

-- Everybody who logged in, with the role they had last: what their API tokens may do at most.
CREATE TABLE bodhi_person (
    user_id    text   NOT NULL PRIMARY KEY,
    username   text   NOT NULL,
    role       text,
    removed    bigint NOT NULL DEFAULT 0 CHECK (removed IN (0, 1)),
    updated_at bigint NOT NULL
);

CREATE TABLE bodhi_api_token (
    id           text   NOT NULL PRIMARY KEY,
    user_id      text   NOT NULL,
    name         text   NOT NULL,
    token_prefix text   NOT NULL UNIQUE,
    token_hash   text   NOT NULL, -- SHA-256 in hex of the whole token
    scopes       text   NOT NULL,
    status       text   NOT NULL CHECK (status IN ('active', 'inactive')),
    expires_at   bigint,
    created_at   bigint NOT NULL,
    updated_at   bigint NOT NULL
);

CREATE INDEX bodhi_api_token_user ON bodhi_api_token (user_id, created_at, id);

-- People who ask for a role.
CREATE TABLE bodhi_access_request (
    id         bigint NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    username   text   NOT NULL,
    user_id    text   NOT NULL,
    reviewer   text,
    status     text   NOT NULL CHECK (status IN ('pending', 'approved', 'rejected')),
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);

CREATE UNIQUE INDEX bodhi_access_request_pending ON bodhi_access_request (user_id) WHERE status = 'pending';

CREATE INDEX bodhi_access_request_age ON bodhi_access_request (created_at, id);

-- Applications that ask a person to act for them.
CREATE TABLE bodhi_app_access_request (
    id                   text   NOT NULL PRIMARY KEY,
    app_client_id        text   NOT NULL,
    app_name             text,
    app_description      text,
    flow_type            text   NOT NULL CHECK (flow_type IN ('redirect', 'popup')),
    redirect_uri         text,
    status               text   NOT NULL CHECK (status IN ('draft', 'approved', 'denied', 'failed', 'withdrawn')),
    requested            text   NOT NULL, -- JSON
    approved             text,            -- JSON
    user_id              text,
    resource_scope       text,
    access_request_scope text   UNIQUE,
    error_message        text,
    source               text   NOT NULL, -- the address that asked: what the number of open drafts is counted by
    claimed_until        bigint,          -- somebody decides it, until then
    expires_at           bigint NOT NULL,
    created_at           bigint NOT NULL,
    updated_at           bigint NOT NULL
);

CREATE INDEX bodhi_app_access_request_source ON bodhi_app_access_request (source) WHERE user_id IS NULL;

CREATE INDEX bodhi_app_access_request_expiry ON bodhi_app_access_request (expires_at) WHERE user_id IS NULL;

CREATE INDEX bodhi_app_access_request_user ON bodhi_app_access_request (user_id) WHERE user_id IS NOT NULL;

CREATE TABLE bodhi_setting (
    key        text   NOT NULL PRIMARY KEY,
    value      text   NOT NULL,
    type       text   NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);

-- Which session belongs to which session at the identity provider, so that the provider can end it.
CREATE TABLE bodhi_provider_session (
    sid        text   NOT NULL,
    handle     text   NOT NULL,
    user_id    text   NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (sid, handle)
);

CREATE INDEX bodhi_provider_session_expiry ON bodhi_provider_session (expires_at);

-- Logout tokens that were heeded already.
CREATE TABLE bodhi_logout_token (
    jti        text   NOT NULL PRIMARY KEY,
    expires_at bigint NOT NULL
);
