-- Open app access requests are limited by network and in all, too: one index answers every count of them.

-- The IPv4 /24 or IPv6 /48 that the source is in. NULL where a node of the version before added the row.
ALTER TABLE bodhi_app_access_request ADD COLUMN network text;

-- All columns that are counted by, so that no row is read: `requested` makes rows long.
CREATE INDEX bodhi_app_access_request_undecided
    ON bodhi_app_access_request (expires_at, network, source, app_client_id, user_id)
 WHERE user_id IS NULL;

DROP INDEX bodhi_app_access_request_source;

DROP INDEX bodhi_app_access_request_expiry;
