-- People are listed by name and looked for by a part of it, or of their user id.

-- What one looks in: name and user id, folded to small letters by the program, since the two databases would not fold the
-- same ones. These here are replaced when their people are seen again.
ALTER TABLE bodhi_person ADD COLUMN sought TEXT NOT NULL DEFAULT '';

-- To the hour; NULL for who was removed without ever having been here.
ALTER TABLE bodhi_person ADD COLUMN seen_at INTEGER;

UPDATE bodhi_person
   SET sought = lower(substr(username, 1, 100)) || char(10) || lower(substr(user_id, 1, 255)),
       seen_at = CASE WHEN username <> '' THEN updated_at END;

CREATE INDEX bodhi_person_sought ON bodhi_person (sought, user_id);
