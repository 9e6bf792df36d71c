-- name: count_partitions() -> maybe, read only
-- 0 where the table is not divided.
SELECT count(*) AS partitions
  FROM pg_inherits
 WHERE inhparent = 'bodhi_session'::regclass;

-- name: begin_partitions(partitions) -> maybe
-- From here on the new table follows all changes. What an earlier run left is removed.
SELECT bodhi_begin_partitions($1::integer)::bigint AS next;

-- name: copy_partitions(beyond, batch) -> maybe
SELECT reached, copied
  FROM bodhi_copy_partitions($1, $2);

-- name: compare_partitions() -> maybe
SELECT bodhi_compare_partitions() AS difference;

-- name: end_partitions(next) -> maybe
SELECT bodhi_end_partitions($1::bigint::oid) AS done;

-- name: abandon_partitions() -> maybe
SELECT bodhi_abandon_partitions() AS done;
