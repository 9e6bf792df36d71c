"""Fixtures and helpers shared by the tests of the kit."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, suppress
from typing import TypeVar

import pytest
from msgspec.structs import replace

from bodhi.session import (
    BEGINNING,
    AllSessions,
    ChangeNotification,
    Device,
    LockedSession,
    NewExpiry,
    NewSession,
    Quarantine,
    RecentEnds,
    Reencryption,
    Save,
    SessionGone,
    SessionListing,
    SessionOverview,
    SessionRecord,
    SessionStore,
    Touch,
    UserCap,
    UserSessions,
    VersionConflict,
)
from bodhi.testing.clock import Clock

SECOND_MS = 1_000
IDLE_MS = 3_600 * SECOND_MS
LIFETIME_MS = 24 * IDLE_MS
INTERVAL_MS = 60 * SECOND_MS
DEVICE = Device("192.0.2.1", "Browser/1.0")
CROWD = 20  # callers at once
DEADLINE_SECONDS = 30

Answer = TypeVar("Answer")
Capability = TypeVar("Capability")


@pytest.mark.asyncio
class Kit:
    """The fixtures of all tests in the kit."""

    several_pages = 35
    """A number of sessions that fills more than three of the store's pages and batches."""

    @pytest.fixture
    def store(self, store_and_clock: tuple[SessionStore, Clock]) -> SessionStore:
        """The store under test, empty."""
        return store_and_clock[0]

    # The same store as a capability; tests are skipped if the store lacks it.

    @pytest.fixture
    def user_sessions(self, store: SessionStore) -> UserSessions:
        """The store, if it can count, list, limit and end the sessions of one user."""
        return _declared(store, UserSessions)

    @pytest.fixture
    def all_sessions(self, store: SessionStore) -> AllSessions:
        """The store, if it can count, list and end all sessions."""
        return _declared(store, AllSessions)

    @pytest.fixture
    def overview(self, store: SessionStore) -> SessionOverview:
        """The store, if it can tell the activity of users, and list all sessions backwards."""
        return _declared(store, SessionOverview)

    @pytest.fixture
    def reencryption(self, store: SessionStore) -> Reencryption:
        """The store, if it can replace the data of stored sessions."""
        return _declared(store, Reencryption)

    @pytest.fixture
    def notification(self, store: SessionStore) -> ChangeNotification:
        """The store, if it can report ended sessions."""
        return _declared(store, ChangeNotification)

    @pytest.fixture
    def quarantine(self, store: SessionStore) -> Quarantine:
        """The store, if it can keep unreadable rows for inspection."""
        return _declared(store, Quarantine)

    @pytest.fixture
    def recent_ends(self, store: SessionStore) -> RecentEnds:
        """The store, if it remembers which sessions ended."""
        return _declared(store, RecentEnds)

    @pytest.fixture
    def clock(self, store_and_clock: tuple[SessionStore, Clock]) -> Clock:
        """The clock that the store reads."""
        return store_and_clock[1]


def _declared(store: SessionStore, capability: type[Capability]) -> Capability:
    if not isinstance(store, capability):
        pytest.skip(f"the store does not declare {capability.__name__}")
    return store


def digest_for(name: object) -> bytes:
    """Return the digest for the session *name*; digests of distinct names have no particular order."""
    return hashlib.sha256(str(name).encode()).digest()


def new(
    name: object,
    user_id: str | None = None,
    *,
    data: bytes = b"data",
    idle_ms: int = IDLE_MS,
    lifetime_ms: int = LIFETIME_MS,
    max_age_ms: int | None = None,
    chosen_max_age: int | None = None,
) -> NewSession:
    """Return a session to store under ``digest_for(name)``."""
    return NewSession(
        digest_for(name),
        lambda *_times, **_format: data,
        user_id,
        idle_ms,
        lifetime_ms,
        max_age_ms,
        DEVICE,
        chosen_max_age,
    )


def new_sealed(name: object, user_id: str | None = None, *, max_age_ms: int | None = None) -> NewSession:
    """Return a session whose data names the times it was encrypted for, as in :func:`sealed_for`."""
    return replace(new(name, user_id, max_age_ms=max_age_ms), seal=_sealed)


def sealed_for(record: SessionRecord) -> bytes:
    """Return the data of a session from :func:`new_sealed` with the times of *record*."""
    return _sealed(record.created_at, record.ends_at)


def _sealed(created_at: int, ends_at: int, **_format: int) -> bytes:
    return b"from %d to %d" % (created_at, ends_at)


def saved(record: SessionRecord, data: bytes = b"saved", *, ages: NewExpiry | None = None) -> Save:
    """Return a save of *data* over *record* with the same user."""
    return Save(record.digest, record.version, data, record.user_id, ages)


def touched(record: SessionRecord, seen_at: int) -> Touch:
    """Return a touch of *record* at *seen_at*."""
    return Touch(record.digest, seen_at, IDLE_MS, INTERVAL_MS)


async def reloaded(store: SessionStore, record: SessionRecord) -> SessionRecord:
    """Return the stored state of *record*, which must be live."""
    current = await store.load(record.digest)
    assert current is not None, "the session is gone"
    return current


async def created(store: SessionStore, names: Iterable[object], user_id: str | None = None) -> list[SessionRecord]:
    """Create a session for each of *names*, in order."""
    return [await store.create(new(name, user_id)) for name in names]


async def updated(store: SessionStore, digest: bytes, change: Callable[[SessionRecord], Save | None]) -> bool:
    """Save the result of *change* on the current session, or delete it for None. False if it is gone.

    Retried after a version conflict, as the service does.
    """

    async def work(row: LockedSession | None) -> bool:
        if row is None:
            return False
        save = change(row.record)
        await (row.delete() if save is None else row.save(save))
        return True

    return await _locked(lambda: store.locked(digest), work) is True


async def rotated(
    store: SessionStore,
    digest: bytes,
    to: NewSession | Callable[[SessionRecord], NewSession],
    *,
    renewed: bool,
    cap: UserCap | None = None,
) -> SessionRecord | None:
    """Rotate the session under *digest* to *to* and return it; None if it is gone."""

    def block() -> AbstractAsyncContextManager[LockedSession | None]:
        return store.locked(digest) if cap is None else _declared(store, UserSessions).locked(digest, cap=cap)

    async def work(row: LockedSession | None) -> SessionRecord | None:
        if row is None:
            return None
        return await row.rotate(to if isinstance(to, NewSession) else to(row.record), renewed=renewed)

    return await _locked(block, work)


async def _locked(
    block: Callable[[], AbstractAsyncContextManager[LockedSession | None]],
    work: Callable[[LockedSession | None], Awaitable[Answer]],
) -> Answer | None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            with suppress(VersionConflict):
                try:
                    async with block() as row:
                        answer = await work(row)
                except SessionGone:
                    return None
                return answer


async def assert_counts(store: SessionStore, total: int | None = None, **users: int) -> None:
    """Check the number of live sessions in total and of each of *users*, if the store can count them."""
    if total is not None and isinstance(store, AllSessions):
        assert total == await store.count()
    if isinstance(store, UserSessions):
        assert users == {user: await store.count_user(user) for user in users}


async def listed_user(store: UserSessions, user_id: str, *, limit: int = 10) -> list[SessionListing]:
    """Return the user's sessions, read page by page."""
    return await listed(user_pages(store, user_id, limit=limit))


async def user_pages(store: UserSessions, user_id: str, *, limit: int = 10) -> AsyncIterator[SessionListing]:
    """Iterate over the user's sessions; each page is requested after the previous one was consumed."""
    after = BEGINNING
    while page := await store.list_user_page(user_id, after=after, limit=limit):
        for listing in page:
            yield listing
        after = (page[-1].created_at, page[-1].digest)


async def listed_all(store: AllSessions, *, limit: int = 10) -> list[SessionListing]:
    """Return all sessions, read page by page."""
    return await listed(all_pages(store, limit=limit))


async def all_pages(store: AllSessions, *, limit: int = 10) -> AsyncIterator[SessionListing]:
    """Iterate over all sessions; each page is requested after the previous one was consumed."""
    after = b""
    while page := await store.list_page(after=after, limit=limit):
        for listing in page:
            yield listing
        after = page[-1].digest


async def concurrently(calls: Iterable[Awaitable[Answer]]) -> list[Answer | BaseException]:
    """Run *calls* concurrently; return the result or exception of each."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        return await asyncio.gather(*calls, return_exceptions=True)


async def listed(items: AsyncIterator[Answer]) -> list[Answer]:
    """Return all of *items*."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        return [item async for item in items]


def faults(answers: Iterable[object]) -> list[BaseException]:
    """Return the exceptions among *answers*."""
    return [answer for answer in answers if isinstance(answer, BaseException)]
