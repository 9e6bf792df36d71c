-- name: live_among(digests, now) -> many, read only
-- Which of these sessions have not ended: 32 bytes each, one behind the other.
SELECT digest
  FROM bodhi_session
 WHERE digest IN (
           WITH RECURSIVE asked (place) AS (
               SELECT 1
                UNION ALL
               SELECT place + 32
                 FROM asked
                WHERE place + 32 <= length($1)
           )
           SELECT substr($1, place, 32)
             FROM asked
       )
   AND expires_at > now_ms($2);
