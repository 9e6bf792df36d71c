"""The protocol of session stores: required methods, and optional capabilities.

``bodhi.session.sql_store`` has bodhi's own stores; ``bodhi.testing`` has a conformance kit.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar, runtime_checkable

from bodhi.session.errors import CapabilityMissing, SessionUnavailable, VersionConflict
from bodhi.session.records import (
    End,
    NewSession,
    Revoked,
    Save,
    SessionListing,
    SessionRecord,
    StoredData,
    Touch,
    UserActivity,
    UserCap,
)

BEGINNING = (-1, b"")  # sorts before every session of a user
CONFLICTS = 100  # in a row, before a change of a session fails

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")
Capability = TypeVar("Capability")


class LockedSession(Protocol):
    """A live session in a :meth:`SessionStore.locked` block, in which at most one of the three methods is called.

    Each raises :exc:`SessionGone` if the session has expired. A store without locks compares versions,
    and raises :exc:`VersionConflict` after a concurrent change; the block is then retried.
    """

    @property
    def record(self) -> SessionRecord:
        """The current session."""

    async def save(self, save: Save) -> None:
        """Store new data; see :meth:`SessionStore.save`."""

    async def rotate(self, new: NewSession, *, renewed: bool) -> SessionRecord:
        """Rotate the session to the digest of *new* atomically, and return it; the old digest is unknown afterwards.

        With *renewed* the absolute timeout restarts, otherwise it counts from the creation: ``new.moved()`` returns
        the record to store. Raises :exc:`DigestTaken` without any effect.
        """

    async def delete(self) -> None:
        """End the session."""


class SessionStore(Protocol):
    """The required methods of a session store.

    An expired session reads as absent everywhere, swept or not. Digests are the 32-byte SHA-256 of session ids. Every
    method raises :exc:`SessionUnavailable` if the database does not answer.
    """

    async def create(self, new: NewSession) -> SessionRecord:
        """Store a new session and return it: ``new.started(now)``. Raises :exc:`DigestTaken` without any effect."""

    async def load(self, digest: bytes) -> SessionRecord | None:
        """Return the live session stored under *digest*, or None."""

    async def save(self, save: Save) -> bool:
        """Store new data; False, without any effect, if the session is gone or has another version.

        ``user_id`` is stored by the same statement. Success increments the version. Times are unchanged
        unless the save has ages: then ``ends_at`` is set to theirs, and ``expires_at`` is never later.
        """

    def locked(self, digest: bytes) -> AbstractAsyncContextManager[LockedSession | None]:
        """``async with store.locked(digest) as row:`` locks the live session against other changes.

        The row is None without one. A block that raises, or calls no method, leaves the session unchanged.
        """

    async def touch(self, touches: Sequence[Touch]) -> int:
        """Extend the idle time of used sessions; times only move forward. Returns how many were extended.

        A session touched less than the touch interval before is left unchanged.
        """

    async def delete(self, digest: bytes) -> bool:
        """End the session; return whether it was live."""

    async def sweep(self) -> int | None:
        """Delete a batch of expired sessions; return how many, or None while another sweeper runs."""


@runtime_checkable
class UserSessions(SessionStore, Protocol):
    """Capability: count, list, limit and end the sessions of a user, exactly. Without it promise 6 does not hold."""

    async def create(self, new: NewSession, *, cap: UserCap | None = None) -> SessionRecord:
        """As above; with *cap* the user's oldest sessions beyond it end in the same transaction."""

    def locked(self, digest: bytes, *, cap: UserCap | None = None) -> AbstractAsyncContextManager[LockedSession | None]:
        """As above; with *cap* a rotation ends the user's oldest sessions beyond it in the same transaction."""

    async def count_user(self, user_id: str) -> int:
        """Return the number of the user's live sessions."""

    async def list_user_page(
        self, user_id: str, *, after: tuple[int, bytes] = BEGINNING, limit: int
    ) -> Sequence[SessionListing]:
        """Return at most *limit* live sessions of the user, oldest first, after (``created_at``, digest) *after*.

        That session need not exist any more.
        """

    async def revoke(self, handle: str, *, user_id: str | None = None) -> Revoked | None:
        """End the session with this handle, only of *user_id* if given; None if there was no live one."""

    async def clear_user(self, user_id: str, *, keep: str | None = None) -> int:
        """End all sessions of a user except the one with the handle *keep*; return how many were live."""


@runtime_checkable
class AllSessions(Protocol):
    """Capability: count, list and end all sessions, for operators. No promise depends on it."""

    async def count(self) -> int:
        """Return the number of live sessions."""

    async def list_page(self, *, after: bytes = b"", limit: int) -> Sequence[SessionListing]:
        """Return at most *limit* live sessions, by digest, after the digest *after*, which need not exist."""

    async def clear_all(self) -> int:
        """End every session; return how many were live."""


@runtime_checkable
class SessionOverview(Protocol):
    """Capability: the activity of users, and the list of all sessions backwards. No promise depends on it."""

    async def user_activity(self, user_ids: Sequence[str]) -> Mapping[str, UserActivity]:
        """Return the activity of those of *user_ids* who have a live session, by user id."""

    async def list_page_before(self, before: bytes, *, limit: int) -> Sequence[SessionListing]:
        """Return at most *limit* live sessions before the digest *before*, by digest, the last one first."""


@runtime_checkable
class Reencryption(Protocol):
    """Capability: replace the data of stored sessions. Without it, keys rotate only as sessions end (promise 4).

    A key may be removed from the configuration when no live session needs it, after the absolute timeout.
    """

    async def data_format(self) -> int:
        """Return the newest data format that all nodes on this store read: ``NEWEST_FORMAT`` without older nodes."""

    def list_data(self) -> AsyncIterator[Sequence[StoredData]]:
        """Iterate over the data of every live session, by digest, in pages."""

    async def some_data(self, most: int) -> Sequence[StoredData]:
        """Return the data of at most *most* live sessions, by digest, among a thousand stored ones."""

    async def rekey(self, page: Sequence[StoredData]) -> int:
        """Replace the data of sessions that still have the given version, keeping it; return how many."""


@runtime_checkable
class ChangeNotification(Protocol):
    """Capability: notify open WebSockets and streams of ended sessions. Without it promise 9 does not hold."""

    async def listen(self, notify: Callable[[str | None], None]) -> None:
        """Call *notify* with the handle of each session that ended on any node, until cancelled.

        None means any session: several ended, or it is unknown which. Superfluous calls only cost time; a
        store without notifications just waits: watched sessions are checked twice a second anyway.
        """

    async def live_among(self, digests: Sequence[bytes]) -> Collection[bytes]:
        """Return those of *digests*, at most a thousand, that belong to live sessions."""


@runtime_checkable
class Quarantine(Protocol):
    """Capability: keep unreadable rows for inspection. Without it they stay in place and read as absent."""

    async def set_aside(self, record: SessionRecord, reason: str) -> bool:
        """Move an unreadable row to the quarantine for inspection; False if it is gone or changed."""


@runtime_checkable
class RecentEnds(Protocol):
    """Capability: distinguish an id that has just ended from an unknown one. Without it part of promise 1 lapses.

    A request that left the browser before a login or a logout may then begin a session that takes the cookie's place.
    """

    async def recent_end(self, digest: bytes) -> End | None:
        """Return how the live session under *digest* ended or moved to another one, or None where it did neither.

        Ends are remembered for ten minutes, and their number is bounded. Expiry is no end.
        """


CAPABILITIES = (UserSessions, AllSessions, SessionOverview, Reencryption, ChangeNotification, Quarantine, RecentEnds)


def require(store: SessionStore, capability: type[Capability]) -> Capability:
    """Return *store* as one with *capability*; raise :exc:`CapabilityMissing`."""
    if isinstance(store, capability):
        return store
    raise CapabilityMissing(f"this needs a session store with {capability.__name__}: {type(store).__name__} has not")


def retry_conflicts(
    change: Callable[Parameters, Awaitable[Answer]],
) -> Callable[Parameters, Coroutine[Any, Any, Answer]]:
    """Run *change*, retried after a :exc:`VersionConflict`: nothing of it has happened."""

    @wraps(change)
    async def retried(*arguments: Parameters.args, **options: Parameters.kwargs) -> Answer:
        for _ in range(CONFLICTS):
            with suppress(VersionConflict):
                return await change(*arguments, **options)
        raise SessionUnavailable(f"the session changed {CONFLICTS} times while a change of it was tried")

    return retried
