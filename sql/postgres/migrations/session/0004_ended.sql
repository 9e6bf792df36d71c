-- Which sessions ended, or moved to a new id, a short time ago. A request that was sent before that begins no session in
-- the place of the one that the browser holds by now. Version 0.1.0 runs on this schema, and records nothing here.
CREATE TABLE bodhi_session_ended (
    digest   bytea  NOT NULL PRIMARY KEY CHECK (octet_length(digest) = 32),
    ended_at bigint NOT NULL,
    -- whether it lives on under another id
    moved    boolean NOT NULL
);

CREATE INDEX bodhi_session_ended_age ON bodhi_session_ended (ended_at);
