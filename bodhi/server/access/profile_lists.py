"""Lists of the stored profiles: searched, filtered, by user id, or by name."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from bodhi.database import Database, Row
from bodhi.server.access.scopes import Role, parse_role
from bodhi.server.access.times import time_of

# The search key is indexed, and the length of index entries is limited.
_MAX_NAME_CHARACTERS = 100
_MAX_ID_CHARACTERS = 255
_MAX_FULL_NAME_CHARACTERS = 50

Position = tuple[str, str]  # of a profile in lists by name: search key and user id

NO_ROLE, REMOVED = "none", "removed"  # in place of a role's name, in filters


@dataclass(frozen=True, slots=True)
class StoredProfile:
    """Profile in a list of all users; ``role`` as stored, however old."""

    user_id: str
    username: str
    role: str | None
    is_removed: bool
    changed_at: datetime  # of any of these fields
    full_name: str = ""


@dataclass(frozen=True, slots=True)
class ProfileSummary:
    """Profile in search results."""

    user_id: str
    username: str  # empty for a user who was removed or given a role without ever logging in
    role: Role | None
    is_removed: bool
    seen_at: datetime | None  # last login or token refresh, to the hour
    full_name: str = ""  # first and last name; empty if the provider gave none
    sort_key: str = field(default="", compare=False)

    @property
    def position(self) -> Position:
        """Return the position in lists by name."""
        return self.sort_key, self.user_id


class ProfileLists:
    """Reads many profiles at once."""

    _database: Database

    async def search(
        self,
        text: str = "",
        *,
        role: str = "",
        after: Position | None = None,
        before: Position | None = None,
        size: int,
    ) -> Sequence[ProfileSummary]:
        """Return at most *size* profiles whose names or user id contain *text*, by username.

        *role* is a role's name, :data:`NO_ROLE` or :data:`REMOVED`, or empty. Case and the amount of white space are
        ignored; *text* contains no wildcards. With *before* it is the page that ends before that position. Without
        text and role the cost is independent of the number of users; otherwise rows are scanned until *size* match.
        """
        values = {"text": fold_case(text), "role": role, "size": size}
        if before is not None:
            key, user_id = before
            rows = await self._database.many("search_users_before", **values, before=key, before_user_id=user_id)
            return [summary_of(row) for row in reversed(rows)]
        key, user_id = after or ("", "")
        rows = await self._database.many("search_users", **values, after=key, after_user_id=user_id)
        return [summary_of(row) for row in rows]

    async def count(self, text: str = "", *, role: str = "", most: int) -> int:
        """Return how many profiles :meth:`search` finds, up to *most*."""
        row = await self._database.maybe("count_users", text=fold_case(text), role=role, most=most)
        return int(row["users"]) if row else 0

    async def find_many(self, user_ids: Iterable[str]) -> Mapping[str, ProfileSummary]:
        """Return the profiles of those of *user_ids* who are known, by user id, in one query."""
        # PostgreSQL has no text with NUL, so nobody of that name either.
        known = sorted({user_id for user_id in user_ids if "\x00" not in user_id})
        if not known:
            return {}
        rows = await self._database.many("find_users", user_ids=msgspec.json.encode(known).decode())
        return {row["user_id"]: summary_of(row) for row in rows}

    async def display_names(self, user_ids: Iterable[str | None]) -> Mapping[str | None, str | None]:
        """Return display names by user id; the id itself if the user is unknown or has no name. None maps to None."""
        asked = {user_id for user_id in user_ids if user_id is not None}
        profiles = await self.find_many(asked)
        names: dict[str | None, str | None] = {user_id: user_id for user_id in asked} | {None: None}
        return names | {user_id: one.username for user_id, one in profiles.items() if one.username}

    async def list_page(self, *, after: str = "", size: int) -> Sequence[StoredProfile]:
        """Return at most *size* profiles, by user id; *after* is the user id of the previous page's last profile."""
        rows = await self._database.many("list_users", after=after, size=size)
        return [
            StoredProfile(
                row["user_id"],
                row["username"],
                row["role"],
                bool(row["removed"]),
                time_of(row["updated_at"]),
                row["full_name"],
            )
            for row in rows
        ]


class KnownProfiles:
    """Reads the profiles of users, each once."""

    def __init__(self, lists: ProfileLists) -> None:
        self._lists = lists
        self._known: dict[str, ProfileSummary] = {}
        self._asked: set[str] = set()

    async def read(self, user_ids: Iterable[str | None]) -> Mapping[str, ProfileSummary]:
        """Return the profiles read so far, those of *user_ids* included, by user id."""
        new = {user_id for user_id in user_ids if user_id is not None} - self._asked
        self._known |= await self._lists.find_many(new)
        self._asked |= new
        return self._known


def user_key(user_id: str, profile: ProfileSummary | None) -> str:
    """Return the text that a user is searched and sorted by, by their id without a username."""
    return profile.sort_key if profile and profile.username else fold_case(user_id)


def summary_of(row: Row, user_id: str | None = None) -> ProfileSummary:
    """Return the profile in *row*, which has no user id if that was the query's."""
    seen_at = None if row["seen_at"] is None else time_of(row["seen_at"])
    return ProfileSummary(
        row["user_id"] if user_id is None else user_id,
        row["username"],
        role_in(row),
        bool(row["removed"]),
        seen_at,
        row["full_name"],
        row["sought"],
    )


def role_in(row: Row) -> Role | None:
    """Return the stored role in *row*, or None."""
    return None if row["role"] is None else parse_role(row["role"])


def search_key(username: str, user_id: str, full_name: str = "") -> str:
    """Return the text that is searched and sorted by. No search text matches across the line feeds."""
    names = fold_case(username)[:_MAX_NAME_CHARACTERS], fold_case(full_name)[:_MAX_FULL_NAME_CHARACTERS]
    return "\n".join((*names, fold_case(user_id)[:_MAX_ID_CHARACTERS]))


def fold_case(text: str) -> str:
    """Return *text* with case, Unicode composition and white space normalized."""
    return " ".join(unicodedata.normalize("NFC", text.casefold()).split())
