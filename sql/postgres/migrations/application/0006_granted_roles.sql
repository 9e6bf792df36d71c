-- Where the provider has no management calls, managers give roles here. The previous version runs on this schema, without
-- heeding such roles.

-- The role that was given here, which comes before what the provider says; empty where it was taken away; NULL where
-- nobody decided.
ALTER TABLE bodhi_person ADD COLUMN granted_role text;

-- 1 from a change of the role until the sessions with the old one have ended: a repeated change ends them.
ALTER TABLE bodhi_person ADD COLUMN change_open bigint NOT NULL DEFAULT 0;

CREATE INDEX bodhi_person_role ON bodhi_person (role, user_id) WHERE role IS NOT NULL;
