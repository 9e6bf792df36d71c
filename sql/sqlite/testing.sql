-- name: drop_test_schema() -> maybe
-- A database in memory is gone when its last connection closes.
SELECT 1 AS dropped;
