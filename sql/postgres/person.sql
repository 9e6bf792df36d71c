-- name: find_person(user_id) -> maybe
SELECT username, role, removed
  FROM bodhi_person
 WHERE user_id = $1;

-- name: note_person(user_id, username, role, now) -> count
-- Who was removed and logs in again is there again.
INSERT INTO bodhi_person (user_id, username, role, removed, updated_at)
VALUES ($1, $2, $3, 0, now_ms($4))
    ON CONFLICT (user_id) DO UPDATE
   SET username = excluded.username,
       role = excluded.role,
       removed = 0,
       updated_at = excluded.updated_at;

-- name: change_person_role(user_id, role, now) -> count
UPDATE bodhi_person
   SET role = $2,
       updated_at = now_ms($3)
 WHERE user_id = $1
   AND removed = 0;

-- name: remove_person(user_id, now) -> count
-- The row stays, also of somebody who never logged in: a removal that is repeated finds that it was begun.
INSERT INTO bodhi_person (user_id, username, role, removed, updated_at)
VALUES ($1, '', NULL, 1, now_ms($2))
    ON CONFLICT (user_id) DO UPDATE
   SET role = NULL,
       removed = 1,
       updated_at = excluded.updated_at;

-- name: list_people(after, size) -> many
-- A keyset page of everybody who was seen, by user id.
SELECT user_id, username, role, removed, updated_at
  FROM bodhi_person
 WHERE user_id > $1
 ORDER BY user_id
 LIMIT $2;
