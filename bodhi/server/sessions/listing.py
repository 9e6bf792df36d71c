"""All sessions: searched and sorted up to a number of them, page by page.

The sessions have no index by time or device, which every save would have to change, so a page is found by a scan. It is
bounded, and stops for other requests after each thousand sessions.
"""

import dataclasses
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from aiohttp import web
from msgspec.structs import replace

from bodhi.server.access.profile_lists import KnownProfiles, ProfileLists, ProfileSummary, fold_case, user_key
from bodhi.server.http.devices import device_of
from bodhi.server.http.paging import PageCollector, TableQuery, Window, decode_cursor, encode_cursor
from bodhi.server.http.request_errors import InvalidRequest
from bodhi.session import DefaultSessionService, SessionListing, handle_of

MOST = 20_000  # sessions that one request looks at
HANDLE_BYTES = 12  # of a digest, enough to tell sessions apart

Sort = Literal["active", "created", "user", "device", "address"]


class ListQuery(TableQuery, frozen=True):
    """The query of the list; each word of the text is a part of the user's names or id, the device or the address.

    Without scripts, *done* is the outcome of the form submitted before.
    """

    DESCENDING_FIRST: ClassVar[Collection[str]] = {"active", "created"}  # latest first

    sort: Sort = "active"
    done: Literal["ended"] | None = None


class ListedSession(msgspec.Struct, frozen=True, gc=False):
    """A session in the list, with the profile of its user if there is one."""

    listing: SessionListing
    profile: ProfileSummary | None = None

    @property
    def owner(self) -> str | None:
        """Return the username; the user id if the user has no name; None for an anonymous session."""
        return self.profile.username if self.profile and self.profile.username else self.listing.user_id

    @property
    def device(self) -> str:
        """Return the browser and its system."""
        return device_of(self.listing.device.user_agent)

    def includes(self, words: Iterable[str]) -> bool:
        """Return whether each of *words* is a part of the user's names or id, the device or the address."""
        text = f"{_user_key(self)}\n{self.device.casefold()}\n{self.listing.device.ip or ''}"
        return all(word in text for word in words)


def _user_key(session: ListedSession) -> str:
    return user_key(session.listing.user_id or "", session.profile)


# What the list is sorted by; equal ones are sorted by digest.
VALUES: Mapping[str, Callable[[ListedSession], int | str]] = {
    "active": lambda session: session.listing.last_seen_at,
    "created": lambda session: session.listing.created_at,
    "user": lambda session: _user_key(session)[:100],
    "device": lambda session: session.device,
    "address": lambda session: (session.listing.device.ip or "")[:100],
}
NUMBERS = {"active", "created"}
UNSORTED_KEY = tuple[Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{16}(?![\s\S])")]]  # a handle


@dataclass(frozen=True, slots=True)
class SessionTable:
    """A page of the list."""

    window: Window[ListedSession]
    total: int  # sessions found; all live ones if *is_cut*
    is_cut: bool  # whether there are more sessions than are sorted
    examined: int | None = None  # sessions that were searched for this page, if not all
    is_restarted: bool = False  # whether this is the first page, since the cursor belongs to the list in another order


class AllSessionsList:
    """Lists the sessions of all users for administrators."""

    def __init__(self, sessions: DefaultSessionService, profiles: ProfileLists) -> None:
        self._sessions = sessions
        self._profiles = profiles

    async def page(self, query: ListQuery, *, size: int) -> SessionTable:
        """Return a page, sorted if there are at most :data:`MOST` sessions."""
        total = await self._sessions.count_sessions()
        is_cut = total > MOST
        kind = tuple[int, bytes] if query.sort in NUMBERS else tuple[str, bytes]
        if is_restarted := _has_cursor(query, kind if is_cut else UNSORTED_KEY):
            query = replace(query, after=None, before=None)
        table = await (self._unsorted(query, total, size) if is_cut else self._sorted(query, kind, size))
        return dataclasses.replace(table, is_restarted=is_restarted)

    async def _sorted(self, query: ListQuery, kind: Any, size: int) -> SessionTable:
        value = VALUES[query.sort]
        collector: PageCollector[ListedSession] = PageCollector(
            lambda session: (value(session), session.listing.digest[:HANDLE_BYTES]),
            is_descending=query.is_descending,
            after=decode_cursor(query.after, kind),
            before=decode_cursor(query.before, kind),
            size=size,
        )
        words, profiles = fold_case(query.q).split(), KnownProfiles(self._profiles)
        async for page in self._sessions.session_pages():
            if not words and query.sort != "user":
                collector.add(map(ListedSession, page))
                continue
            collector.add(one for one in await _listed(page, profiles) if one.includes(words))
        found = collector.window()
        entries = await _listed([one.listing for one in found.entries], profiles)
        return SessionTable(Window(entries, found.previous, found.next), collector.total, is_cut=False)

    async def _unsorted(self, query: ListQuery, total: int, size: int) -> SessionTable:
        """Return a page by digest, found among the next :data:`MOST` sessions after or before the cursor."""
        words, is_more = fold_case(query.q).split(), False
        examined: list[str] = []
        found: list[ListedSession] = []
        async for session in self._after_cursor(query):
            is_more = len(found) == size or len(examined) == MOST
            if is_more:
                break
            examined.append(handle_of(session.listing.digest))
            if session.includes(words):
                found.append(session)
        is_forward = query.before is None
        if not is_forward and not is_more and len(found) < size:  # a full first page rather than a part of it
            return await self._unsorted(replace(query, before=None), total, size)
        far = encode_cursor((examined[-1],)) if is_more else None
        near = encode_cursor((examined[0],)) if examined and (query.after or query.before) else None
        window = Window(found, near, far) if is_forward else Window(found[::-1], far, near)
        return SessionTable(window, total, is_cut=True, examined=len(examined))

    async def _after_cursor(self, query: ListQuery) -> AsyncIterator[ListedSession]:
        after, before = decode_cursor(query.after, UNSORTED_KEY), decode_cursor(query.before, UNSORTED_KEY)
        profiles = KnownProfiles(self._profiles)
        async for page in self._sessions.session_pages(after=after and after[0], before=before and before[0]):
            for session in await _listed(page, profiles):
                yield session


async def _listed(listings: Sequence[SessionListing], profiles: KnownProfiles) -> list[ListedSession]:
    known = await profiles.read(one.user_id for one in listings)
    return [ListedSession(one, known.get(one.user_id or "")) for one in listings]


def _has_cursor(query: ListQuery, kind: Any) -> bool:
    """Whether the cursor in *query* is one of *kind*."""
    try:
        return (decode_cursor(query.after, kind) or decode_cursor(query.before, kind)) is not None
    except InvalidRequest:
        return False


ALL_SESSIONS_LIST = web.AppKey("ALL_SESSIONS_LIST", AllSessionsList)
