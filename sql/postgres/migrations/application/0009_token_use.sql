-- When API tokens were last used. The previous version runs on this schema, and records no use.

-- Milliseconds since 1970, recorded at most once in five minutes; NULL where the token was not used since this migration.
ALTER TABLE bodhi_api_token ADD COLUMN last_used_at bigint;
