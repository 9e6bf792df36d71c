"""Session administration for users and operators: count, list, revoke and clear sessions."""

from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bodhi.session.counters import SessionCounters
from bodhi.session.cursors import cursor_of, end_of_page, end_of_user_page, start_of_page
from bodhi.session.endings import Reason, note_ended
from bodhi.session.errors import SessionUnavailable
from bodhi.session.handles import handle_of
from bodhi.session.owner import user_text
from bodhi.session.records import SessionListing, SessionRecord, UserActivity
from bodhi.session.store import AllSessions, SessionOverview, SessionStore, UserSessions, require

PAGE = 1000  # sessions in one query of a list


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A session as shown to its user or an operator. It contains no credential."""

    handle: str
    user_id: str | None
    created_at: datetime  # UTC, like the two below
    last_seen_at: datetime
    expires_at: datetime
    ip: str | None
    user_agent: str | None
    is_current: bool


@dataclass(frozen=True, slots=True)
class SessionPage:
    """A page of live sessions, and the cursor of the next page: None on the last one."""

    sessions: list[SessionInfo]
    after: str | None


class SessionAdministration:
    """The methods of a service that act on sessions other than the request's own."""

    _store: SessionStore
    counters: SessionCounters

    async def count_sessions(self) -> int:
        """Return the number of live sessions."""
        return await require(self._store, AllSessions).count()

    async def count_sessions_for_user(self, user_id: object) -> int:
        """Return the number of the user's live sessions."""
        return await require(self._store, UserSessions).count_user(user_text(user_id))

    async def get_session_ids_for_user(self, user_id: object) -> list[str]:
        """Return the handles of the user's live sessions, oldest first."""
        return [handle_of(listing.digest) async for listing in self._list_user(user_text(user_id))]

    async def list_sessions_for_user(self, user_id: object, *, current: str | None = None) -> list[SessionInfo]:
        """Return the user's live sessions, oldest first; *current* is the handle of the request's session."""
        return [info_of(listing, current) async for listing in self._list_user(user_text(user_id))]

    async def _list_user(self, user_id: str) -> AsyncIterator[SessionListing]:
        store = require(self._store, UserSessions)
        page = await store.list_user_page(user_id, limit=PAGE)
        while page:
            for listing in page:
                yield listing
            if len(page) < PAGE:
                return
            after = (page[-1].created_at, page[-1].digest)
            page = await store.list_user_page(user_id, after=after, limit=PAGE)

    async def list_page(
        self, *, user_id: object = None, after: str | None = None, limit: int = 100, current: str | None = None
    ) -> SessionPage:
        """Return at most *limit* live sessions: the user's, oldest first, or without *user_id* all, unordered.

        *after* is the cursor of the previous page; an invalid one raises ValueError. The cost of a page does not depend
        on its position.
        """
        if user_id is None:
            everybody = require(self._store, AllSessions)
            found = await everybody.list_page(after=end_of_page(after), limit=limit + 1)
        else:
            users = require(self._store, UserSessions)
            found = await users.list_user_page(user_text(user_id), after=end_of_user_page(after), limit=limit + 1)
        page = [info_of(listing, current) for listing in found[:limit]]
        if len(found) <= limit:
            return SessionPage(page, None)
        last = found[limit - 1]
        return SessionPage(page, cursor_of(handle_of(last.digest), None if user_id is None else last.created_at))

    async def dump_all_sessions(self) -> AsyncIterator[tuple[str, str | None]]:
        """Stream handle and user_id of every live session, in constant memory."""
        async for page in self.session_pages():
            for listing in page:
                yield handle_of(listing.digest), listing.user_id

    async def user_activity(self, user_ids: Sequence[str]) -> Mapping[str, UserActivity]:
        """Return the activity of those of *user_ids* who have a live session, in one query; times in ms since 1970."""
        return await require(self._store, SessionOverview).user_activity(user_ids) if user_ids else {}

    async def session_pages(
        self, *, after: str | None = None, before: str | None = None
    ) -> AsyncIterator[Sequence[SessionListing]]:
        """Iterate over all live sessions in large pages, by digest: after the handle *after*, or back from *before*.

        An invalid handle raises ValueError.
        """
        if before is not None:
            overview, first = require(self._store, SessionOverview), start_of_page(before)
            page = await overview.list_page_before(first, limit=PAGE)
            while page:
                yield page
                page = await overview.list_page_before(page[-1].digest, limit=PAGE) if len(page) == PAGE else []
            return
        everybody = require(self._store, AllSessions)
        page = await everybody.list_page(after=end_of_page(after), limit=PAGE)
        while page:
            yield page
            page = await everybody.list_page(after=page[-1].digest, limit=PAGE) if len(page) == PAGE else []

    # Methods that end sessions take a reason, and the acting user if not the owner, for the log and the counters.

    async def revoke_session(
        self, handle: str, *, user_id: object = None, reason: Reason = "revoked", by: str | None = None
    ) -> bool:
        """End the session with this handle, only if it is *user_id*'s where given; return whether it was live."""
        owner = None if user_id is None else user_text(user_id)
        revoked = await require(self._store, UserSessions).revoke(handle, user_id=owner)
        if revoked is not None:
            note_ended(self.counters, reason, user_id=revoked.user_id, by=by)
        return revoked is not None

    async def revoke_sessions(
        self, user_id: object, handles: Iterable[str], *, reason: Reason = "revoked", by: str | None = None
    ) -> int:
        """End the user's sessions with these handles; return how many were live."""
        owner = user_text(user_id)
        store = require(self._store, UserSessions)
        ended = 0
        try:
            for handle in handles:
                ended += await store.revoke(handle, user_id=owner) is not None
        finally:
            note_ended(self.counters, reason, ended, user_id=owner, by=by)
        return ended

    async def revoke_other_sessions(
        self, user_id: object, keep: str, *, reason: Reason = "revoked", by: str | None = None
    ) -> int:
        """End all sessions of the user except the one with the handle *keep*; return how many."""
        owner = user_text(user_id)
        return await self._end(require(self._store, UserSessions).clear_user(owner, keep=keep), reason, owner, by)

    async def clear_sessions_for_user(
        self, user_id: object, *, reason: Reason = "cleared", by: str | None = None
    ) -> int:
        """End all sessions of the user; return how many were live."""
        owner = user_text(user_id)
        return await self._end(require(self._store, UserSessions).clear_user(owner), reason, owner, by)

    async def clear_all_sessions(self, *, reason: Reason = "cleared", by: str | None = None) -> int:
        """End every session; return how many were live."""
        return await self._end(require(self._store, AllSessions).clear_all(), reason, None, by)

    async def _end(self, clearing: Awaitable[int], reason: Reason, user_id: str | None, by: str | None) -> int:
        ended = 0
        try:
            ended = await clearing
        except SessionUnavailable as error:
            ended = error.ended
            raise
        finally:
            note_ended(self.counters, reason, ended, user_id=user_id, by=by)
        return ended


def info_of(listing: SessionListing | SessionRecord, current: str | None) -> SessionInfo:
    """Return the public fields of the session; *current* is the handle of the request's session."""
    handle = handle_of(listing.digest)
    return SessionInfo(
        handle,
        listing.user_id,
        _utc(listing.created_at),
        _utc(listing.last_seen_at),
        _utc(listing.expires_at),
        listing.device.ip,
        listing.device.user_agent,
        is_current=handle == current,
    )


def _utc(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
