-- Which sessions ended, or moved to a new id, a short time ago. A request that was sent before that begins no session in
-- the place of the one that the browser holds by now. Version 0.1.0 runs on this schema, and records nothing here.
CREATE TABLE bodhi_session_ended (
    digest   BLOB    NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    -- 0 where it had expired before: recorded only to be deleted
    ended_at INTEGER NOT NULL,
    -- whether it lives on under another id
    moved    INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX bodhi_session_ended_age ON bodhi_session_ended (ended_at);

-- A DELETE cannot insert what it deletes into another table, and a trigger on it does not know the statement's time. So
-- a session is ended by recording its end, which deletes it.
CREATE TRIGGER bodhi_session_end
    AFTER INSERT ON bodhi_session_ended
BEGIN
    DELETE FROM bodhi_session WHERE digest = NEW.digest;
END;

CREATE TRIGGER bodhi_session_moved
    AFTER UPDATE OF digest ON bodhi_session
    WHEN OLD.digest <> NEW.digest
BEGIN
    INSERT OR REPLACE INTO bodhi_session_ended (digest, ended_at, moved) VALUES (OLD.digest, NEW.last_seen_at, 1);
END;
