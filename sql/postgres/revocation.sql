-- name: live_among(digests, now) -> many, read only
-- Which of these sessions have not ended: 32 bytes each, one behind the other.
SELECT digest
  FROM bodhi_session
 WHERE digest IN (
           SELECT substring($1::bytea FROM place FOR 32)
             FROM generate_series(1, length($1::bytea), 32) AS place
       )
   AND expires_at > now_ms($2);
