-- The max_age that the application chose for a session, in seconds; 0 where its cookie ends with the browser, and NULL
-- where nothing was chosen. Version 0.1.0 runs on this schema: it leaves the column as it is.
ALTER TABLE bodhi_session ADD COLUMN max_age INTEGER;
