-- name: remember_provider_session(sid, handle, user_id, lifetime_ms, now) -> count
INSERT INTO bodhi_provider_session (sid, handle, user_id, expires_at)
VALUES ($1, $2, $3, now_ms($5) + $4)
    ON CONFLICT (sid, handle) DO UPDATE
   SET user_id = excluded.user_id,
       expires_at = excluded.expires_at;

-- name: list_provider_sessions(sid, now) -> many, read only
SELECT handle, user_id
  FROM bodhi_provider_session
 WHERE sid = $1
   AND expires_at > now_ms($2)
 ORDER BY handle;

-- name: forget_provider_session(sid) -> count
DELETE FROM bodhi_provider_session
 WHERE sid = $1;

-- name: heed_logout_token(jti, expires_at) -> count
-- No row where the same token was heeded before, swept or not.
INSERT INTO bodhi_logout_token (jti, expires_at)
VALUES ($1, $2)
    ON CONFLICT (jti) DO NOTHING;

-- name: forget_logout_token(jti) -> count
DELETE FROM bodhi_logout_token
 WHERE jti = $1;

-- name: sweep_provider_sessions(batch, now) -> count
DELETE FROM bodhi_provider_session
 WHERE rowid IN (
           SELECT rowid
             FROM bodhi_provider_session
            WHERE expires_at <= now_ms($2)
            ORDER BY expires_at
            LIMIT $1
       );

-- name: sweep_logout_tokens(batch, now) -> count
DELETE FROM bodhi_logout_token
 WHERE rowid IN (
           SELECT rowid
             FROM bodhi_logout_token
            WHERE expires_at <= now_ms($2)
            ORDER BY expires_at
            LIMIT $1
       );
