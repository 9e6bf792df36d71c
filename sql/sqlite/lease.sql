-- name: take_lease(name, holder, hold_ms, now) -> maybe
-- Nobody's, or left behind by a holder whose time is up: it is taken. Somebody's: no row.
INSERT INTO bodhi_lease AS lease (name, holder, expires_at)
VALUES ($1, $2, now_ms($4) + $3)
    ON CONFLICT (name) DO UPDATE
   SET holder = excluded.holder,
       expires_at = excluded.expires_at
 WHERE lease.expires_at <= now_ms($4)
RETURNING holder;

-- name: give_back_lease(name, holder) -> count
-- Only one's own: who was too slow must not end the next holder's turn.
DELETE FROM bodhi_lease
 WHERE name = $1
   AND holder = $2;
