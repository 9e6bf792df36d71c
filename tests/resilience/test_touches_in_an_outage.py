"""Failed touches affect no request, and are retried."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from bodhi.session import DefaultSessionService, touches
from resilience.app import KEY
from resilience.outage import LIMIT_SECONDS

LONGEST_WAIT_SECONDS = 300


class Clock:
    """A manual clock, in milliseconds since 1970."""

    now_ms = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now_ms


@asynccontextmanager
async def writes_blocked(url: str) -> AsyncIterator[None]:
    """Block writes with a lock; reads succeed."""
    if url.startswith("sqlite:"):
        file = sqlite3.connect(url.removeprefix("sqlite:"), isolation_level=None)
        file.execute("BEGIN IMMEDIATE")
        yield
        file.close()
    else:
        connection = await asyncpg.connect(url)
        async with connection.transaction():
            await connection.execute("LOCK TABLE bodhi_session IN SHARE MODE")
            yield
        await connection.close()


async def execute(url: str, statement: str) -> None:
    """Run a statement directly on the database."""
    if url.startswith("sqlite:"):
        file = sqlite3.connect(url.removeprefix("sqlite:"), isolation_level=None, timeout=300)
        file.execute(statement)
        file.close()
    else:
        connection = await asyncpg.connect(url)
        await connection.execute(statement)
        await connection.close()


async def counted(service: DefaultSessionService, counter: str) -> None:
    """Return once the counter is above 0."""
    async with asyncio.timeout(LONGEST_WAIT_SECONDS):
        while not getattr(service.counters, counter):
            await asyncio.sleep(0.005)


@asynccontextmanager
async def opened(url: str, clock: Clock) -> AsyncIterator[DefaultSessionService]:
    """A service that touches a session once a minute."""
    async with DefaultSessionService.from_url(
        url, keys=[KEY], limit_seconds=LIMIT_SECONDS, touch_seconds=60, sweep_seconds=None, clock=clock
    ) as service:
        yield service


async def test_failed_touch_is_retried_with_its_original_time(database_url: str) -> None:
    """The request is served, and once the database takes writes again the session is extended by what it was due."""
    clock = Clock()
    async with opened(database_url, clock) as service:
        session_id, _ = await service.create({"user_id": "a"})
        clock.now_ms += 100_000
        async with writes_blocked(database_url):
            assert await service.load(session_id) is not None
            assert 0 == await service.flush()
        assert service.counters.touch_failures >= 1
        clock.now_ms += 100_000

        await service.flush()

        [session] = await service.list_sessions_for_user("a")
        assert 100 == (session.last_seen_at - session.created_at).total_seconds()


async def test_touch_writer_survives_a_database_error(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that refuses, as while a table is restored, ends nothing: touches are written once it is back."""
    monkeypatch.setattr(touches, "RETRY_SECONDS", 0.01)
    clock = Clock()
    async with opened(database_url, clock) as service:
        session_id, _ = await service.create({"user_id": "a"})
        clock.now_ms += 100_000
        assert await service.load(session_id) is not None
        await execute(database_url, "ALTER TABLE bodhi_session RENAME TO elsewhere")
        await counted(service, "touch_failures")
        await execute(database_url, "ALTER TABLE elsewhere RENAME TO bodhi_session")

        await counted(service, "touches")


async def test_pending_touches_are_bounded(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a long outage memory does not grow with the sessions in use; one left out is touched at its next request."""
    monkeypatch.setattr(touches, "MOST_NOTED", 2)
    clock = Clock()
    async with opened(database_url, clock) as service:
        session_ids = [(await service.create({"user_id": "a"}))[0] for _ in range(3)]
        clock.now_ms += 100_000
        async with writes_blocked(database_url):
            for session_id in session_ids:
                assert await service.load(session_id) is not None

        await service.flush()
        assert 2 == service.counters.touches
        assert await service.load(session_ids[2]) is not None
        await service.flush()

        assert 3 == service.counters.touches
