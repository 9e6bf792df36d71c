-- name: count_partitions() -> maybe, read only
-- A file has none: nothing of this runs here.
SELECT 0 AS partitions;

-- name: begin_partitions(partitions) -> maybe
SELECT $1 AS next;

-- name: copy_partitions(beyond, batch) -> maybe
SELECT $1 AS reached, $2 AS copied;

-- name: compare_partitions() -> maybe
SELECT 0 AS difference;

-- name: end_partitions(next) -> maybe
SELECT $1 AS done;

-- name: abandon_partitions() -> maybe
SELECT 0 AS done;
