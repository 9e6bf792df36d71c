"""What the tests of the kit share: their fixtures, and sessions to store."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Iterable
from typing import TypeVar

import pytest
from msgspec.structs import replace

from bodhi.session import SessionStore
from bodhi.session.records import Device, NewExpiry, NewSession, Save, SessionRecord, Touch
from bodhi.testing.clock import Clock

SECOND_MS = 1_000
IDLE_MS = 3_600 * SECOND_MS
LIFETIME_MS = 24 * IDLE_MS
INTERVAL_MS = 60 * SECOND_MS
DEVICE = Device("192.0.2.1", "Browser/1.0")
CROWD = 20  # callers at once
DEADLINE_SECONDS = 30

Answer = TypeVar("Answer")


@pytest.mark.asyncio
class Kit:
    """The fixtures of every test in the kit."""

    several_pages = 35
    """How many sessions fill more than three of the store's pages and batches."""

    @pytest.fixture
    def store(self, store_and_clock: tuple[SessionStore, Clock]) -> SessionStore:
        """The store under test, empty."""
        return store_and_clock[0]

    @pytest.fixture
    def clock(self, store_and_clock: tuple[SessionStore, Clock]) -> Clock:
        """The clock that the store reads."""
        return store_and_clock[1]


def digest_for(name: object) -> bytes:
    """The digest that the session *name* is stored under; distinct names come in no particular order."""
    return hashlib.sha256(str(name).encode()).digest()


def new(
    name: object,
    user_id: str | None = None,
    *,
    data: bytes = b"data",
    idle_ms: int = IDLE_MS,
    lifetime_ms: int = LIFETIME_MS,
    max_age_ms: int | None = None,
) -> NewSession:
    """A session to be stored under ``digest_for(name)``."""
    return NewSession(
        digest_for(name), lambda *_times, **_format: data, user_id, idle_ms, lifetime_ms, max_age_ms, DEVICE
    )


def new_sealed(name: object, user_id: str | None = None, *, max_age_ms: int | None = None) -> NewSession:
    """A session whose data says for which times it was encrypted: :func:`sealed_for` gives that."""
    return replace(new(name, user_id, max_age_ms=max_age_ms), seal=_sealed)


def sealed_for(record: SessionRecord) -> bytes:
    """The data of a session from :func:`new_sealed` with the times of *record*."""
    return _sealed(record.created_at, record.ends_at)


def _sealed(created_at: int, ends_at: int, **_format: int) -> bytes:
    return b"from %d to %d" % (created_at, ends_at)


def saved(record: SessionRecord, data: bytes = b"saved", *, ages: NewExpiry | None = None) -> Save:
    """A save of *data* over *record*; the user stays."""
    return Save(record.digest, record.version, data, record.user_id, ages)


def touched(record: SessionRecord, seen_at: int) -> Touch:
    """*record* was in use at *seen_at*."""
    return Touch(record.digest, seen_at, IDLE_MS, INTERVAL_MS)


async def reloaded(store: SessionStore, record: SessionRecord) -> SessionRecord:
    """*record* as it is stored now; it has to be live."""
    current = await store.load(record.digest)
    assert current is not None, "the session is gone"
    return current


async def created(store: SessionStore, names: Iterable[object], user_id: str | None = None) -> list[SessionRecord]:
    """A stored session for each of *names*, in their order."""
    return [await store.create(new(name, user_id)) for name in names]


async def at_once(calls: Iterable[Awaitable[Answer]]) -> list[Answer | BaseException]:
    """What each of *calls* answered or raised when all of them ran at the same time."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        return await asyncio.gather(*calls, return_exceptions=True)


async def listed(items: AsyncIterator[Answer]) -> list[Answer]:
    """All of *items*."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        return [item async for item in items]


def faults(answers: Iterable[object]) -> list[BaseException]:
    """The errors among *answers*."""
    return [answer for answer in answers if isinstance(answer, BaseException)]
