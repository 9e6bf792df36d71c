-- name: find_person(user_id, now) -> maybe, read only
SELECT username, full_name, role, removed, sought, seen_at, authority_seq, coalesce(confirmed_at, seen_at) AS confirmed_at,
       granted_role, change_open, now_ms($2) AS now
  FROM bodhi_person
 WHERE user_id = $1;

-- name: last_authority_change() -> maybe, read only
SELECT coalesce(max(authority_seq), 0) AS number
  FROM bodhi_person
 WHERE authority_seq > 0;

-- name: note_person(user_id, username, full_name, role, sought, since, is_loss, is_login, now) -> count
-- Nothing if the user's authority changed after change $6: then these values are older. A lost role is such a change
-- itself. A login restores a removed user, a refresh does not.
INSERT INTO bodhi_person (user_id, username, full_name, role, removed, updated_at, sought, seen_at, confirmed_at)
VALUES ($1, $2, $3, $4, 0, now_ms($9), $5, now_ms($9), now_ms($9))
    ON CONFLICT (user_id) DO UPDATE
   SET username = excluded.username,
       full_name = excluded.full_name,
       role = excluded.role,
       removed = 0,
       updated_at = excluded.updated_at,
       sought = excluded.sought,
       seen_at = excluded.seen_at,
       confirmed_at = excluded.confirmed_at,
       authority_seq = CASE $7
           WHEN 1 THEN (SELECT coalesce(max(authority_seq), 0) + 1 FROM bodhi_person WHERE authority_seq > 0)
           ELSE bodhi_person.authority_seq
       END
 WHERE bodhi_person.authority_seq <= coalesce($6, bodhi_person.authority_seq)
   AND (bodhi_person.removed = 0 OR $8 = 1);

-- name: see_person(user_id, sought, now) -> count
UPDATE bodhi_person
   SET seen_at = now_ms($3),
       confirmed_at = now_ms($3),
       sought = $2
 WHERE user_id = $1
   AND removed = 0;

-- name: change_person_role(user_id, role, sought, now) -> count
-- For a user who never logged in, only the change is stored, for a login that may be in progress. A number that was
-- drawn before a wait for the row must not replace a higher one.
INSERT INTO bodhi_person (user_id, username, role, removed, updated_at, sought, change_open, authority_seq)
VALUES ($1, '', NULL, 0, now_ms($4), $3, 1,
        (SELECT coalesce(max(authority_seq), 0) + 1 FROM bodhi_person WHERE authority_seq > 0))
    ON CONFLICT (user_id) DO UPDATE
   SET role = CASE WHEN bodhi_person.removed = 0 AND bodhi_person.seen_at IS NOT NULL THEN $2 END,
       confirmed_at = now_ms($4),
       change_open = 1,
       updated_at = excluded.updated_at,
       authority_seq = max(excluded.authority_seq, bodhi_person.authority_seq);

-- name: finish_role_change(user_id) -> count
-- The sessions with the old role have ended.
UPDATE bodhi_person
   SET change_open = 0
 WHERE user_id = $1
   AND change_open = 1;

-- name: grant_role(user_id, role) -> count
-- Of a user who is known here; an empty role takes away what the provider gives, too.
UPDATE bodhi_person
   SET granted_role = $2
 WHERE user_id = $1;

-- name: grant_first_administrator(user_id, role, sought, now) -> count
-- Before the user's first login is complete: there may be no row yet.
INSERT INTO bodhi_person (user_id, username, role, removed, updated_at, sought, granted_role)
VALUES ($1, '', NULL, 0, now_ms($4), $3, $2)
    ON CONFLICT (user_id) DO UPDATE
   SET granted_role = excluded.granted_role;

-- name: list_role_holders(size, skip) -> many, read only
SELECT user_id, username, role
  FROM bodhi_person
 WHERE role > ''
 ORDER BY role, user_id
 LIMIT $1
OFFSET $2;

-- name: count_role_holders() -> maybe, read only
SELECT count(*) AS holders
  FROM bodhi_person
 WHERE role > '';

-- name: find_other_role_holder(role, user_id, max_age, now) -> maybe, read only
-- Somebody whose role was given here, or confirmed by the provider not too long ago.
SELECT user_id
  FROM bodhi_person
 WHERE role = $1
   AND user_id <> $2
   AND (granted_role = $1 OR coalesce(confirmed_at, seen_at) > now_ms($4) - $3)
 LIMIT 1;

-- name: lower_person_role(user_id, role, since, now) -> count
-- As the provider lists the user; nothing if the user's authority changed since the request.
UPDATE bodhi_person
   SET role = $2,
       updated_at = now_ms($4),
       authority_seq = (SELECT coalesce(max(authority_seq), 0) + 1 FROM bodhi_person WHERE authority_seq > 0)
 WHERE user_id = $1
   AND removed = 0
   AND authority_seq <= $3;

-- name: remove_person(user_id, sought, now) -> count
-- The row stays, even of a user who never logged in: a repeated removal finds that it was begun.
INSERT INTO bodhi_person (user_id, username, role, removed, updated_at, sought, authority_seq)
VALUES ($1, '', NULL, 1, now_ms($3), $2,
        (SELECT coalesce(max(authority_seq), 0) + 1 FROM bodhi_person WHERE authority_seq > 0))
    ON CONFLICT (user_id) DO UPDATE
   SET role = NULL,
       removed = 1,
       updated_at = excluded.updated_at,
       authority_seq = max(excluded.authority_seq, bodhi_person.authority_seq);

-- name: list_users(after, size) -> many, read only
-- A keyset page of all known users, by user id.
SELECT user_id, username, full_name, role, removed, updated_at
  FROM bodhi_person
 WHERE user_id > $1
 ORDER BY user_id
 LIMIT $2;

-- name: search_users(text, role, after, after_user_id, size) -> many, read only
-- A keyset page of those whose names or user id hold the text, by username. The role is a name, 'none' or 'removed', or
-- empty. Without a text and a role the index gives the page as it is; else rows are examined until the page is full.
SELECT user_id, username, full_name, role, removed, seen_at, sought
  FROM bodhi_person
 WHERE instr(sought, $1) > 0
   AND ($2 = '' OR $2 = CASE removed WHEN 1 THEN 'removed' ELSE coalesce(role, 'none') END)
   AND (sought, user_id) > ($3, $4)
 ORDER BY sought, user_id
 LIMIT $5;

-- name: search_users_before(text, role, before, before_user_id, size) -> many, read only
-- The same backwards, from before a user.
SELECT user_id, username, full_name, role, removed, seen_at, sought
  FROM bodhi_person
 WHERE instr(sought, $1) > 0
   AND ($2 = '' OR $2 = CASE removed WHEN 1 THEN 'removed' ELSE coalesce(role, 'none') END)
   AND (sought, user_id) < ($3, $4)
 ORDER BY sought DESC, user_id DESC
 LIMIT $5;

-- name: count_users(text, role, most) -> maybe, read only
-- Their number, counted up to $3.
SELECT count(*) AS users
  FROM (SELECT user_id
          FROM bodhi_person
         WHERE instr(sought, $1) > 0
           AND ($2 = '' OR $2 = CASE removed WHEN 1 THEN 'removed' ELSE coalesce(role, 'none') END)
         ORDER BY sought, user_id
         LIMIT $3) AS matching;

-- name: find_users(user_ids) -> many, read only
-- Those of these users (a JSON array) who are known here.
SELECT user_id, username, full_name, role, removed, seen_at, sought
  FROM bodhi_person
 WHERE user_id IN (SELECT value FROM json_each($1));
