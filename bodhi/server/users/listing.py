"""The users known to this server with their activity: searched, filtered, sorted, page by page."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from aiohttp import web

from bodhi.server.access.profile_lists import NO_ROLE, REMOVED, Position, ProfileLists, ProfileSummary, fold_case
from bodhi.server.access.scopes import Role
from bodhi.server.access.times import milliseconds_of, time_of
from bodhi.server.http.paging import Key, PageCollector, TableQuery, Text, Window, decode_cursor, keyset_page
from bodhi.session import UserActivity

MOST = 10_000  # users that are sorted by anything but their username
PAGE = 1000  # of these in one query
LAST = ("\U0010ffff" * 101, "")  # after every position: within a hundred characters, each has a line feed

Sort = Literal["username", "name", "role", "sessions", "active"]
ROLE_FILTERS = (*(str(role) for role in reversed(Role)), NO_ROLE, REMOVED)

NAME_KEY, TEXT_KEY, NUMBER_KEY = tuple[Text, Text], tuple[Text, Text, Text], tuple[int, Text, Text]
KEYS = {"username": NAME_KEY, "name": TEXT_KEY, "role": NUMBER_KEY, "sessions": NUMBER_KEY, "active": NUMBER_KEY}


class ListQuery(TableQuery, frozen=True):
    """The query of the list; the text is a part of a name or id."""

    DESCENDING_FIRST: ClassVar[Collection[str]] = {"role", "sessions", "active"}  # highest, most, latest first

    role: str = ""  # one of ROLE_FILTERS
    sessions: Literal["", "yes"] = ""  # only users who have any
    sort: Sort = "username"

    def __post_init__(self) -> None:
        if self.role and self.role not in ROLE_FILTERS:
            raise ValueError("no such role")


@dataclass(frozen=True, slots=True)
class ListedUser:
    """A user in the list. *sessions* is None if their role is above the viewer's."""

    profile: ProfileSummary
    sessions: int | None
    active_at: datetime | None

    def key(self, sort: str) -> Key:
        """Return the sort key; equal values are sorted by username."""
        position = self.profile.position
        match sort:
            case "username":
                return position
            case "name":
                return fold_case(self.profile.full_name)[:100], *position
            case "role":
                return _rank(self.profile), *position
            case "sessions":
                return -1 if self.sessions is None else self.sessions, *position
            case _:
                return 0 if self.active_at is None else milliseconds_of(self.active_at), *position


@dataclass(frozen=True, slots=True)
class UserPage:
    """A page of the list. *total* is the number of users found, or :data:`MOST` + 1 for more than :data:`MOST`."""

    window: Window[ListedUser]
    total: int

    @property
    def is_cut(self) -> bool:
        """Whether there are more users than are counted and sorted."""
        return self.total > MOST


class UserList:
    """Lists users for managers and administrators."""

    def __init__(
        self,
        profiles: ProfileLists,
        activity: Callable[[Sequence[str]], Awaitable[Mapping[str, UserActivity]]],
    ) -> None:
        """*activity* returns the sessions of users, which may be in another database."""
        self._profiles = profiles
        self._activity = activity

    async def page(self, viewer: Role | None, query: ListQuery, *, size: int) -> UserPage:
        """Return a page of the list for a user with the role *viewer*."""
        kind = KEYS[query.sort]
        after, before = decode_cursor(query.after, kind), decode_cursor(query.before, kind)
        if query.sort == "username" and not query.sessions:
            return await self._by_username(viewer, query, after, before, size)
        collector: PageCollector[ListedUser] = PageCollector(
            lambda user: user.key(query.sort),
            is_descending=query.is_descending,
            after=after,
            before=before,
            size=size,
        )
        examined = 0
        async for profiles in self._all_pages(query):
            users = await self._with_activity(viewer, profiles[: MOST - examined])
            collector.add(user for user in users if user.sessions or not query.sessions)
            examined += len(profiles)
        return UserPage(collector.window(), MOST + 1 if examined > MOST else collector.total)

    async def find(self, user_id: str) -> ListedUser | None:
        """Return the user, whatever their role, or None if they are unknown."""
        profile = (await self._profiles.find_many([user_id])).get(user_id)
        return None if profile is None else _active(profile, (await self._activity([user_id])).get(user_id))

    async def _by_username(
        self, viewer: Role | None, query: ListQuery, after: Position | None, before: Position | None, size: int
    ) -> UserPage:
        """Return a page that an index gives, however many users there are."""

        async def fetch(after: Position | None, before: Position | None, size: int) -> Sequence[ProfileSummary]:
            return await self._profiles.search(query.q, role=query.role, after=after, before=before, size=size)

        found = await keyset_page(
            fetch,
            lambda profile: profile.position,
            after=after,
            before=before,
            size=size,
            from_last=LAST if query.is_descending else None,
        )
        users = await self._with_activity(viewer, found.entries)
        if found.previous is None and found.next is None:  # a search without a match scans the table once
            return UserPage(Window(users, None, None), len(users))
        total = await self._profiles.count(query.q, role=query.role, most=MOST + 1)
        return UserPage(Window(users, found.previous, found.next), total)

    async def _all_pages(self, query: ListQuery) -> AsyncIterator[Sequence[ProfileSummary]]:
        """Iterate over the profiles found, in pages, up to one more than :data:`MOST`."""
        after, left = None, MOST + 1
        while page := await self._profiles.search(query.q, role=query.role, after=after, size=min(PAGE, left)):
            yield page
            after, left = page[-1].position, left - len(page)
            if len(page) < PAGE:
                return

    async def _with_activity(self, viewer: Role | None, profiles: Sequence[ProfileSummary]) -> list[ListedUser]:
        """Add the sessions, except of users above the viewer.

        The last known role counts; only the page of a single user asks the provider.
        """
        visible = [profile.user_id for profile in profiles if _is_visible(profile, viewer)]
        activity = await self._activity(visible)
        hidden = {profile.user_id for profile in profiles} - set(visible)
        return [
            ListedUser(profile, None, profile.seen_at)
            if profile.user_id in hidden
            else _active(profile, activity.get(profile.user_id))
            for profile in profiles
        ]


def _active(profile: ProfileSummary, activity: UserActivity | None) -> ListedUser:
    if activity is None:
        return ListedUser(profile, 0, profile.seen_at)
    seen_at = time_of(activity.last_seen_at)
    return ListedUser(profile, activity.sessions, max(seen_at, profile.seen_at or seen_at))


def _is_visible(profile: ProfileSummary, viewer: Role | None) -> bool:
    return profile.role is None or (viewer is not None and viewer.grants(profile.role))


def _rank(profile: ProfileSummary) -> int:
    if profile.is_removed:
        return -1
    return 0 if profile.role is None else profile.role.rank


USER_LIST = web.AppKey("USER_LIST", UserList)
