-- name: find_person(user_id, now) -> maybe
SELECT username, role, removed, sought, seen_at, now_ms($2) AS now
  FROM bodhi_person
 WHERE user_id = $1;

-- name: note_person(user_id, username, role, sought, now) -> count
-- Who was removed and logs in again is there again.
INSERT INTO bodhi_person (user_id, username, role, removed, updated_at, sought, seen_at)
VALUES ($1, $2, $3, 0, now_ms($5), $4, now_ms($5))
    ON CONFLICT (user_id) DO UPDATE
   SET username = excluded.username,
       role = excluded.role,
       removed = 0,
       updated_at = excluded.updated_at,
       sought = excluded.sought,
       seen_at = excluded.seen_at;

-- name: see_person(user_id, sought, now) -> count
UPDATE bodhi_person
   SET seen_at = now_ms($3),
       sought = $2
 WHERE user_id = $1
   AND removed = 0;

-- name: change_person_role(user_id, role, now) -> count
UPDATE bodhi_person
   SET role = $2,
       updated_at = now_ms($3)
 WHERE user_id = $1
   AND removed = 0;

-- name: remove_person(user_id, sought, now) -> count
-- The row stays, also of somebody who never logged in: a removal that is repeated finds that it was begun.
INSERT INTO bodhi_person (user_id, username, role, removed, updated_at, sought)
VALUES ($1, '', NULL, 1, now_ms($3), $2)
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

-- name: search_people(text, after, after_user_id, size) -> many
-- A keyset page of those whose name or user id holds the text, by name. Of the empty text the index gives the page as
-- it is; of another one all who come next are looked at until the page is full.
SELECT user_id, username, role, removed, seen_at
  FROM bodhi_person
 WHERE strpos(sought, $1) > 0
   AND (sought, user_id) > ($2, $3)
 ORDER BY sought, user_id
 LIMIT $4;
