-- name: drop_test_schema() -> maybe
-- Only a schema that the pytest plugin named, whatever else the connection's search_path leads to.
DO $$
BEGIN
    IF current_schema() LIKE 'bodhi\_test\_%' THEN
        EXECUTE format('DROP SCHEMA %I CASCADE', current_schema());
    END IF;
END
$$;
