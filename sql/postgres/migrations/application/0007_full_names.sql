-- The names of users, as the provider gives them. The previous version runs on this schema, and leaves them as they are.

-- First and last name; empty where the provider gave none, or where the user has not been here since.
ALTER TABLE bodhi_person ADD COLUMN full_name text NOT NULL DEFAULT '';
