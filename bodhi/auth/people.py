"""Everybody who logged in, with the role they had last: what their API tokens may do at most."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bodhi.auth.scopes import Role, role_named
from bodhi.auth.store_errors import own_errors
from bodhi.auth.times import time_of
from bodhi.database import Database


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who was seen here; ``role`` is None for who has none, and for who was removed."""

    username: str
    role: Role | None
    is_removed: bool = False


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """Somebody who was seen here, as a list of them tells; ``role`` as it is stored."""

    user_id: str
    username: str
    role: str | None
    is_removed: bool
    seen_at: datetime  # when any of it changed last


class People:
    """The people this server has seen. The provider decides about roles; this is what it said last."""

    def __init__(self, database: Database, *, clock: Callable[[], int | None] = lambda: None) -> None:
        self._database = database
        self._clock = clock

    async def find(self, user_id: str) -> Person | None:
        """The person as seen last, or None for who was never seen."""
        with own_errors():
            row = await self._database.maybe("find_person", user_id=user_id)
        if row is None:
            return None
        role = None if row["role"] is None else role_named(row["role"])
        return Person(row["username"], role, bool(row["removed"]))

    async def list_page(self, *, after: str = "", size: int) -> Sequence[KnownPerson]:
        """At most *size* people, by user id; *after* is the last one's."""
        with own_errors():
            rows = await self._database.many("list_people", after=after, size=size)
        return [
            KnownPerson(row["user_id"], row["username"], row["role"], bool(row["removed"]), time_of(row["updated_at"]))
            for row in rows
        ]

    async def role_of(self, user_id: str) -> Role | None:
        """The role that a person had last; None for who has none, was removed, or was never seen."""
        person = await self.find(user_id)
        return None if person is None else person.role

    async def note(self, user_id: str, username: str, role: Role | None) -> None:
        """Remember somebody who logged in or whose tokens were refreshed; writes only when something changed."""
        if await self.find(user_id) == Person(username, role):
            return
        name = None if role is None else str(role)
        with own_errors():
            await self._database.count("note_person", user_id=user_id, username=username, role=name, now=self._clock())

    async def set_role(self, user_id: str, role: Role) -> None:
        """Remember the role that the provider has just given somebody; nothing for who was never seen."""
        with own_errors():
            await self._database.count("change_person_role", user_id=user_id, role=str(role), now=self._clock())

    async def remove(self, user_id: str) -> None:
        """Remember that somebody was removed: they have no role until they log in again."""
        with own_errors():
            await self._database.count("remove_person", user_id=user_id, now=self._clock())
