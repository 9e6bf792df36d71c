-- Which sessions came here from another database, and how they were then: so that a copy that runs again carries on
-- what happened there, and never brings back what ended here.
CREATE TABLE bodhi_session_copied (
    digest       bytea  NOT NULL PRIMARY KEY CHECK (octet_length(digest) = 32),
    version      bigint NOT NULL,
    last_seen_at bigint NOT NULL,
    -- long after the session's own end
    kept_until   bigint NOT NULL
);

CREATE INDEX bodhi_session_copied_age ON bodhi_session_copied (kept_until);
