-- A login under way must not outlive a change of what its person may do, and a role is believed for a limited time only.

-- The number of the last change of this person's authority (a role given, an access request approved, a removal, a role
-- that the provider took away), counted over all people; 0 where there was none.
ALTER TABLE bodhi_person ADD COLUMN authority_seq bigint NOT NULL DEFAULT 0;

-- When the provider last confirmed the role, to the hour. NULL where a node of the version before added the row: then
-- seen_at counts.
ALTER TABLE bodhi_person ADD COLUMN confirmed_at bigint;

-- Not the time when somebody was seen last: an upgrade would stop the API tokens of everybody who was away for long.
UPDATE bodhi_person
   SET confirmed_at = now_ms(NULL);

CREATE INDEX bodhi_person_authority ON bodhi_person (authority_seq) WHERE authority_seq > 0;
