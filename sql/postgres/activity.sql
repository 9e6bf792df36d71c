-- name: add_activity(name, value, now) -> count
-- Processes add what happened in each of them, within this minute's row.
INSERT INTO bodhi_activity AS activity (name, minute, value)
VALUES ($1, now_ms($3) / 60000 * 60000, $2)
    ON CONFLICT (name, minute) DO UPDATE
   SET value = activity.value + excluded.value;

-- name: put_activity(name, value, now) -> count
-- A level rather than an amount: of several processes that looked, the first one's word stays.
INSERT INTO bodhi_activity (name, minute, value)
VALUES ($1, now_ms($3) / 60000 * 60000, $2)
    ON CONFLICT (name, minute) DO NOTHING;

-- name: find_activity(name, now) -> maybe, read only
SELECT value
  FROM bodhi_activity
 WHERE name = $1
   AND minute = now_ms($2) / 60000 * 60000;

-- name: list_activity(name, span_ms, now) -> many, read only
-- Every row carries the present time and the first recorded minute of any name (before it, nothing was recorded);
-- without data there is one row, without a minute.
SELECT clock.now AS now, activity.minute AS minute, activity.value AS value,
       (SELECT min(minute) FROM bodhi_activity) AS first
  FROM (SELECT now_ms($3) AS now) AS clock
  LEFT JOIN bodhi_activity AS activity
    ON activity.name = $1
   AND activity.minute > clock.now - $2::bigint
 ORDER BY activity.minute;

-- name: sum_activity(first, last, span_ms, now) -> many, read only
-- The sum of each name from *first* up to *last*, without that one. "C": other collations may ignore punctuation.
SELECT name, sum(value) AS value
  FROM bodhi_activity
 WHERE name COLLATE "C" >= $1
   AND name COLLATE "C" < $2
   AND minute > now_ms($4) - $3::bigint
 GROUP BY name;

-- name: first_activity() -> maybe, read only
-- NULL without data.
SELECT min(minute) AS minute
  FROM bodhi_activity;

-- name: sweep_activity(name, keep_ms, now) -> count
DELETE FROM bodhi_activity
 WHERE name = $1
   AND minute < now_ms($3) - $2::bigint;
