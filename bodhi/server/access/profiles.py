"""Everybody who logged in, with the role they had last: what their API tokens may do at most."""

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from bodhi.database import Database, Row
from bodhi.server.access.scopes import Role, parse_role
from bodhi.server.access.times import time_of

SEEN_TO_MS = 3_600_000  # how exactly it is known when somebody was here last
ROLE_MAX_AGE_SECONDS = 2_592_000

# What is looked in has an index, and no database takes entries of any length there.
_MOST_OF_NAME = 100
_MOST_OF_ID = 255


@dataclass(frozen=True, slots=True)
class Profile:
    """Somebody who was seen here.

    ``role`` is None for who has none, for who was removed, and where the provider did not confirm it for too long.
    """

    username: str
    role: Role | None
    is_removed: bool = False


@dataclass(frozen=True, slots=True)
class StoredProfile:
    """Somebody who was seen here, as a list of them tells; ``role`` as it is stored."""

    user_id: str
    username: str
    role: str | None
    is_removed: bool
    changed_at: datetime  # when any of it changed last


@dataclass(frozen=True, slots=True)
class ProfileSummary:
    """Somebody who was seen here, as one who looks for people is told."""

    user_id: str
    username: str  # empty for who was removed, or given a role, without ever having logged in
    role: Role | None
    is_removed: bool
    seen_at: datetime | None  # at a login or a refresh of its tokens, to the hour


class Profiles:
    """The people this server has seen. The provider decides about roles; this is what it said last.

    Changes of what people may do (a role given or taken away, a removal) are numbered over all people: an answer of the
    provider is compared with the number read before the provider was asked, so that an older answer changes nothing.
    """

    def __init__(
        self,
        database: Database,
        *,
        role_max_age_seconds: int = ROLE_MAX_AGE_SECONDS,
        clock: Callable[[], int | None] = lambda: None,
    ) -> None:
        """A role counts for *role_max_age_seconds* since the provider last confirmed it."""
        self._database = database
        self._role_max_age_ms = role_max_age_seconds * 1000
        self._clock = clock
        # Called with a user id when the user's role became lower: what was remembered of their tokens is outdated.
        self.forget_user: list[Callable[[str], object]] = []

    async def find(self, user_id: str) -> Profile | None:
        """The person as seen last, or None for who was never seen."""
        row = await self._row(user_id)
        if row is None:
            return None
        return Profile(row["username"], confirmed_role(row, self._role_max_age_ms), bool(row["removed"]))

    async def look_up(self, user_id: str) -> ProfileSummary | None:
        """The same, with when they were seen."""
        row = await self._row(user_id)
        return None if row is None else _found(user_id, row)

    async def search(self, text: str = "", *, after: str | None = None, size: int) -> Sequence[ProfileSummary]:
        """At most *size* people whose name or user id holds *text*, by name; *after* is the last one's user id.

        Letters count as the same whether they are small or capital, and spaces however many they are; nothing in *text*
        has another meaning than itself. Without a text the cost does not depend on how many people there are; with one,
        all who come next are looked at until *size* are found.
        """
        last = None if after is None else await self._row(after)
        place = ("", "") if last is None else (last["sought"], after)
        rows = await self._database.many(
            "search_people", text=_fold_case(text), after=place[0], after_user_id=place[1], size=size
        )
        return [_found(row["user_id"], row) for row in rows]

    async def _row(self, user_id: str) -> Row | None:
        return await self._database.maybe("find_person", user_id=user_id, now=self._clock())

    async def list_page(self, *, after: str = "", size: int) -> Sequence[StoredProfile]:
        """At most *size* people, by user id; *after* is the last one's."""
        rows = await self._database.many("list_people", after=after, size=size)
        return [
            StoredProfile(
                row["user_id"], row["username"], row["role"], bool(row["removed"]), time_of(row["updated_at"])
            )
            for row in rows
        ]

    async def display_names(self, user_ids: Iterable[str | None]) -> Mapping[str | None, str | None]:
        """Display names by user id; the id itself if the user is unknown or has no name. None maps to None."""
        names: dict[str | None, str | None] = {None: None}
        for user_id in {one for one in user_ids if one is not None}:
            person = await self.find(user_id)
            names[user_id] = person.username if person and person.username else user_id
        return names

    async def role_of(self, user_id: str) -> Role | None:
        """The role that a person has; None for who has none, was removed or never seen, or was not confirmed lately.

        It is for what somebody may do. Who may act on them is decided by :meth:`last_role_of`.
        """
        person = await self.find(user_id)
        return None if person is None else person.role

    async def last_role_of(self, user_id: str) -> Role | None:
        """The role that a person had last, however long ago that was confirmed."""
        row = await self._row(user_id)
        return None if row is None else _role_in(row)

    async def last_change(self) -> int:
        """The number of the last change of anybody's authority, to be read before the provider is asked."""
        row = await self._database.maybe("last_authority_change")
        return 0 if row is None else int(row["number"])

    async def note(
        self, user_id: str, username: str, role: Role | None, *, since: int | None = None, is_login: bool = True
    ) -> bool:
        """Remember somebody who logged in or whose tokens were refreshed; False where that is outdated.

        It is when their authority changed after the change *since* (:meth:`last_change`; None: compare nothing), and
        for a refresh (*is_login* False) of somebody who was removed. Writes when something changed, and else once an
        hour.
        """
        row = await self._row(user_id)
        if row is not None and since is not None and row["authority_seq"] > since:
            return False
        if row is not None and row["removed"] and not is_login:
            return False
        sought = _search_key(username, user_id)
        if row is None or row["removed"] or (row["username"], _role_in(row)) != (username, role):
            is_loss = row is not None and _is_lower(role, _role_in(row))
            noted = await self._database.count(
                "note_person",
                user_id=user_id,
                username=username,
                role=None if role is None else str(role),
                sought=sought,
                since=since,
                is_loss=int(is_loss),
                is_login=int(is_login),
                now=self._clock(),
            )
            if is_loss:
                self.forget(user_id)
            return noted == 1
        if _is_due(row["seen_at"], row["now"]) or _is_due(row["confirmed_at"], row["now"]):
            await self._database.count("see_person", user_id=user_id, sought=sought, now=self._clock())
        return True

    async def set_role(self, user_id: str, role: Role) -> None:
        """Remember the role that the provider has just given somebody; of who was never seen, that it was changed."""
        sought = _search_key("", user_id)
        await self._change("change_person_role", user_id, role=str(role), sought=sought)

    async def lower_role(self, user_id: str, role: Role | None, *, since: int) -> bool:
        """Remember that somebody has lost their role, as the provider's list says; False where that is outdated."""
        name = None if role is None else str(role)
        return await self._change("lower_person_role", user_id, role=name, since=since) == 1

    async def remove(self, user_id: str) -> None:
        """Remember that somebody was removed: they have no role until they log in again."""
        await self._change("remove_person", user_id, sought=_search_key("", user_id))

    async def _change(self, statement: str, user_id: str, **values: object) -> int:
        try:
            return await self._database.count(statement, user_id=user_id, **values, now=self._clock())
        finally:
            self.forget(user_id)

    def forget(self, user_id: str) -> None:
        """Forget what is remembered of the user's tokens in this process."""
        for forget in self.forget_user:
            forget(user_id)


def confirmed_role(row: Row, max_age_ms: int) -> Role | None:
    """The role in *row* (``role``, ``removed``, ``confirmed_at``, ``now``); None if it was confirmed too long ago."""
    if row["removed"] or row["confirmed_at"] is None or row["now"] - row["confirmed_at"] >= max_age_ms:
        return None
    return _role_in(row)


def _is_lower(role: Role | None, before: Role | None) -> bool:
    return before is not None and (role is None or role.rank < before.rank)


def _is_due(noted_at: int | None, now: int) -> bool:
    return noted_at is None or now - noted_at >= SEEN_TO_MS


def _role_in(row: Row) -> Role | None:
    return None if row["role"] is None else parse_role(row["role"])


def _found(user_id: str, row: Row) -> ProfileSummary:
    seen_at = None if row["seen_at"] is None else time_of(row["seen_at"])
    return ProfileSummary(user_id, row["username"], _role_in(row), bool(row["removed"]), seen_at)


def _search_key(username: str, user_id: str) -> str:
    """What one looks in for a person, and what they are listed by; no text that is looked for reaches over the line."""
    return f"{_fold_case(username)[:_MOST_OF_NAME]}\n{_fold_case(user_id)[:_MOST_OF_ID]}"


def _fold_case(text: str) -> str:
    """*text* without the difference of small and capital letters, composed and decomposed ones, and kinds of spaces."""
    return " ".join(unicodedata.normalize("NFC", text.casefold()).split())


PROFILES = web.AppKey("PROFILES", Profiles)
