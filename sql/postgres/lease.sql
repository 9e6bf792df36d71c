-- name: take_lease(name, holder, hold_ms, now) -> maybe
-- Take the lease if it is free or has expired; no row while it is held.
INSERT INTO bodhi_lease AS lease (name, holder, expires_at)
VALUES ($1, $2, now_ms($4) + $3::bigint)
    ON CONFLICT (name) DO UPDATE
   SET holder = excluded.holder,
       expires_at = excluded.expires_at
 WHERE lease.expires_at <= now_ms($4)
RETURNING holder;

-- name: give_back_lease(name, holder) -> count
-- Only the holder's own: a holder whose lease expired must not release the next one's.
DELETE FROM bodhi_lease
 WHERE name = $1
   AND holder = $2;
