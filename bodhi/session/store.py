"""The protocol of a session store: what every store does, and the capabilities that one may have beyond that.

``bodhi.session.sql_store`` is bodhi's own; ``bodhi.testing`` has the kit that checks one.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from functools import wraps
from typing import ParamSpec, Protocol, TypeVar, runtime_checkable

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
    UserCap,
)

BEGINNING = (-1, b"")  # comes before every session of a user
CONFLICTS = 100  # in a row, after which a change of one session gives up

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")
Capability = TypeVar("Capability")


class LockedSession(Protocol):
    """A live session in the block of :meth:`SessionStore.locked`; one of the three methods ends it, if any is called.

    Each raises :exc:`SessionGone` where the session has expired meanwhile. A store that cannot lock compares versions,
    and raises :exc:`VersionConflict` where somebody else changed the session since: then the block starts anew.
    """

    @property
    def record(self) -> SessionRecord:
        """The session as it is now."""

    async def save(self, save: Save) -> None:
        """Store new data; see :meth:`SessionStore.save`."""

    async def rotate(self, new: NewSession, *, renewed: bool) -> SessionRecord:
        """Move the session to the digest of *new* in one step, and return it; the old digest is unknown from then on.

        With *renewed* the absolute timeout starts anew, otherwise it counts from the creation: ``new.moved()`` gives
        the record to store. Raises :exc:`DigestTaken`, and then nothing happened.
        """

    async def delete(self) -> None:
        """End the session."""


class SessionStore(Protocol):
    """What every store of sessions does.

    An expired session reads as absent everywhere, swept or not. Digests are the 32-byte SHA-256 of session ids. Every
    method raises :exc:`SessionUnavailable` when the database does not answer.
    """

    async def create(self, new: NewSession) -> SessionRecord:
        """Store a new session and return it: ``new.started(now)``. Raises :exc:`DigestTaken`; then nothing happened."""

    async def load(self, digest: bytes) -> SessionRecord | None:
        """The live session stored under *digest*, or None."""

    async def save(self, save: Save) -> bool:
        """Store new data, unless the session is gone or has another version by now: then False, and nothing happened.

        ``user_id`` is stored by the same statement. Success makes the version one higher. Times stay as they are
        unless the save brings ages: then ``ends_at`` is theirs, and ``expires_at`` never later.
        """

    def locked(self, digest: bytes) -> AbstractAsyncContextManager[LockedSession | None]:
        """``async with store.locked(digest) as row:``: the live session, which nobody else changes in the block.

        None where there is none. A block that raises, or calls none of the methods, leaves the session as it was.
        """

    async def touch(self, touches: Sequence[Touch]) -> int:
        """Extend the idle time of sessions that were used; times only move forward. How many were extended.

        A session that was touched less than the touch interval before is left alone.
        """

    async def delete(self, digest: bytes) -> bool:
        """End the session; whether there was a live one."""

    async def sweep(self) -> int | None:
        """Delete one batch of expired sessions; how many, or None when another sweeper is at work."""


@runtime_checkable
class UserSessions(SessionStore, Protocol):
    """Capability: count, list, limit and end the sessions of one user, exactly. Without it promise 6 lapses."""

    async def create(self, new: NewSession, *, cap: UserCap | None = None) -> SessionRecord:
        """As above; with *cap* the user's oldest sessions beyond it end in the same transaction."""

    def locked(self, digest: bytes, *, cap: UserCap | None = None) -> AbstractAsyncContextManager[LockedSession | None]:
        """As above; with *cap* a rotation ends the user's oldest sessions beyond it in the same transaction."""

    async def count_user(self, user_id: str) -> int:
        """How many live sessions the user has."""

    async def list_user_page(
        self, user_id: str, *, after: tuple[int, bytes] = BEGINNING, limit: int
    ) -> Sequence[SessionListing]:
        """At most *limit* of the user's live sessions, oldest first; *after* is ``created_at`` and digest of the last.

        It need not be there any more.
        """

    async def revoke(self, handle: str, *, user_id: str | None = None) -> Revoked | None:
        """End the session with this handle, if it is *user_id*'s where one is given; None if there was no live one."""

    async def clear_user(self, user_id: str, *, keep: str | None = None) -> int:
        """End all sessions of a user but the one with the handle *keep*; how many live ones there were."""


@runtime_checkable
class AllSessions(Protocol):
    """Capability: count, list and end all sessions. Operators need it; no promise lapses without it."""

    async def count(self) -> int:
        """How many live sessions there are."""

    async def list_page(self, *, after: bytes = b"", limit: int) -> Sequence[SessionListing]:
        """At most *limit* live sessions, by digest; *after* is the last digest, which need not be there any more."""

    async def clear_all(self) -> int:
        """End every session; how many live ones there were."""


@runtime_checkable
class Reencryption(Protocol):
    """Capability: replace the data of stored sessions. Without it keys rotate only as sessions end: part of promise 4.

    A key may be removed from the configuration once no live session needs it, after the absolute timeout.
    """

    async def data_format(self) -> int:
        """The newest format of data that every node on this store reads: ``NEWEST_FORMAT`` unless older nodes run."""

    def list_data(self) -> AsyncIterator[Sequence[StoredData]]:
        """The data of every live session, by digest, in pages."""

    async def some_data(self, most: int) -> Sequence[StoredData]:
        """The data of at most *most* live sessions, by digest; of those among a thousand stored ones."""

    async def rekey(self, page: Sequence[StoredData]) -> int:
        """Replace the data of sessions that still have the version given, without a new version; how many."""


@runtime_checkable
class ChangeNotification(Protocol):
    """Capability: tell open websockets and streams that their session has ended. Without it promise 9 lapses."""

    async def listen(self, told: Callable[[str | None], None]) -> None:
        """Call *told* with the handle of each session that ended, wherever that happened, until cancelled.

        None stands for any of them: several ended, or what happened is not known. Too many calls only cost, and a
        store that can notify of nothing waits: sessions that somebody watches are checked twice a second anyway.
        """

    async def live_among(self, digests: Sequence[bytes]) -> Collection[bytes]:
        """Those of *digests*, at most a thousand, under which a live session is stored."""


@runtime_checkable
class Quarantine(Protocol):
    """Capability: keep unreadable rows for inspection. Without it they stay where they are, and read as absent."""

    async def set_aside(self, record: SessionRecord, reason: str) -> bool:
        """Take an unreadable row out of the sessions and keep it for inspection; False when it is gone or changed."""


@runtime_checkable
class RecentEnds(Protocol):
    """Capability: tell an id that ended a moment ago from an unknown one. Without it a part of promise 1 lapses.

    A request that left the browser before a login or a logout may then begin a session that takes the cookie's place.
    """

    async def recent_end(self, digest: bytes) -> End | None:
        """Return how the live session under *digest* ended or moved to another one, or None where it did neither.

        Ends are remembered for ten minutes, and their number is bounded. Expiry is no end.
        """


CAPABILITIES = (UserSessions, AllSessions, Reencryption, ChangeNotification, Quarantine, RecentEnds)


def require(store: SessionStore, capability: type[Capability]) -> Capability:
    """*store* as one with *capability*; raises :exc:`CapabilityMissing`."""
    if isinstance(store, capability):
        return store
    raise CapabilityMissing(f"this needs a session store with {capability.__name__}: {type(store).__name__} has not")


def retry_conflicts(change: Callable[Parameters, Awaitable[Answer]]) -> Callable[Parameters, Awaitable[Answer]]:
    """*change*, started anew where a store without locks finds a :exc:`VersionConflict`."""

    @wraps(change)
    async def retried(*arguments: Parameters.args, **options: Parameters.kwargs) -> Answer:
        for _ in range(CONFLICTS):
            with suppress(VersionConflict):
                return await change(*arguments, **options)
        raise SessionUnavailable(f"the session changed {CONFLICTS} times while a change of it was tried")

    return retried
