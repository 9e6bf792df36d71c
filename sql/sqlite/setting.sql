-- name: list_settings() -> many, read only
SELECT key, value, type
  FROM bodhi_setting
 ORDER BY key;

-- name: put_setting(key, value, type, now) -> count
INSERT INTO bodhi_setting (key, value, type, created_at, updated_at)
SELECT $1, $2, $3, clock.now, clock.now
  FROM (SELECT now_ms($4) AS now) AS clock
 WHERE true -- so that ON CONFLICT is not read as a join's
    ON CONFLICT (key) DO UPDATE
   SET value = excluded.value,
       type = excluded.type,
       updated_at = excluded.updated_at;

-- name: remove_setting(key) -> count
DELETE FROM bodhi_setting
 WHERE key = $1;
