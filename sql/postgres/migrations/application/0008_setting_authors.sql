-- Who changed a setting. The previous version runs on this schema; it replaces a value without naming anybody, so the
-- name counts only where changed_at = updated_at.

-- The id of the user.
ALTER TABLE bodhi_setting ADD COLUMN changed_by text;

ALTER TABLE bodhi_setting ADD COLUMN changed_at bigint;
