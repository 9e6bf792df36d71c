-- name: list_settings() -> many, read only
SELECT key, value, type, updated_at,
       CASE WHEN changed_at = updated_at THEN changed_by END AS changed_by
  FROM bodhi_setting
 ORDER BY key;

-- name: put_setting(key, value, type, by, now) -> count
INSERT INTO bodhi_setting (key, value, type, created_at, updated_at, changed_by, changed_at)
SELECT $1, $2, $3, clock.now, clock.now, $4, clock.now
  FROM (SELECT now_ms($5) AS now) AS clock
 WHERE true -- so that ON CONFLICT is not read as a join's
    ON CONFLICT (key) DO UPDATE
   SET value = excluded.value,
       type = excluded.type,
       updated_at = excluded.updated_at,
       changed_by = excluded.changed_by,
       changed_at = excluded.changed_at;

-- name: remove_setting(key) -> count
DELETE FROM bodhi_setting
 WHERE key = $1;
