"""Requests that change one session use one connection, and leave the rest of the pool to others."""

import asyncio
from contextlib import asynccontextmanager

import asyncpg
import pytest

from bodhi.database import Schema, dialect_of, open_database
from bodhi.server.access.errors import ApiError
from bodhi.server.apps.service import AppAccessRequests
from bodhi.session import DefaultSessionService, SessionGone
from resilience.app import KEY
from support.postgres_locks import blocked, locked
from support.sqlite_lock import WriteLock

CHANGES = 100
DEADLINE_SECONDS = 300
LIMIT_SECONDS = 60.0  # so that nobody gives up, on a loaded machine either


@pytest.fixture
async def service(database_url):
    """A service with few connections."""
    async with DefaultSessionService.from_url(
        database_url, keys=[KEY], pool_size=3, limit_seconds=LIMIT_SECONDS, sweep_seconds=None, max_per_user=2
    ) as service:
        yield service


@asynccontextmanager
async def _held(url, *, session=None, advisory=None):
    """What the changes wait for in the database: a row, or a lock by name; on SQLite the file's write lock."""
    if dialect_of(url) == "sqlite":
        lock = WriteLock(url)
        await lock.take()
        try:
            yield
        finally:
            lock.close()
    elif session is not None:
        async with locked(url, session.record.digest):
            yield
    else:
        connection = await asyncpg.connect(url)
        try:
            async with connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", advisory)
                yield
        finally:
            await connection.close()


async def _waiting(url, database, tasks):
    """Return once the changes wait: one in the database, all others for their turn without a connection."""
    if dialect_of(url) == "postgres":
        await blocked(url, count=1)
    for _ in range(100):  # every task has gone as far as it can without the database
        await asyncio.sleep(0)
    async with asyncio.timeout(DEADLINE_SECONDS):
        while (database.counters.in_use, database.counters.waiting) != (1, 0):
            await asyncio.sleep(0.001)


async def _beside(service, changes, held):
    """Run *changes* while *held*, and another session's change beside them; return the results of *changes*."""
    url, database = held.pop("url"), service.get_session_store().database
    stranger_id, _ = await service.create({"stranger": True})
    async with _held(url, **held):
        tasks = [asyncio.create_task(change) for change in changes]
        await _waiting(url, database, tasks)
        async with asyncio.timeout(DEADLINE_SECONDS):
            assert {"stranger": True} == (await service.load(stranger_id)).data
    async with asyncio.timeout(LIMIT_SECONDS):
        return await asyncio.gather(*tasks, return_exceptions=True)


def _add_one(data, _):
    data["n"] += 1


async def test_busy_session_does_not_exhaust_the_pool_by_atomic_changes(service, database_url):
    """Each is made, one after the other."""
    _, session = await service.create({"n": 0})
    changes = [service.atomically(session.record.digest, _add_one) for _ in range(CHANGES)]

    await _beside(service, changes, {"url": database_url, "session": session})

    assert CHANGES == (await service.atomically(session.record.digest, lambda data, _: data["n"]))[1]


@pytest.mark.parametrize("ages", [False, True], ids=["plain", "with max_age"])
async def test_busy_session_does_not_exhaust_the_pool_by_saves(ages, service, database_url):
    """Each changes a key of its own: what cannot be saved at once is merged."""
    session_id, session = await service.create({"n": 0})
    options = {"ages": True, "max_age_seconds": 3_600} if ages else {}
    changes = [service.save(session, {"n": 0, f"key{number}": 1}, **options) for number in range(CHANGES)]

    await _beside(service, changes, {"url": database_url, "session": session})

    assert CHANGES + 1 == len((await service.load(session_id)).data)


async def test_busy_session_does_not_exhaust_the_pool_by_rotations(service, database_url):
    """One moves the session, and the others find it gone."""
    _, session = await service.create({"n": 0})
    changes = [service.rotate(session, {"n": 1}) for _ in range(CHANGES)]

    outcomes = await _beside(service, changes, {"url": database_url, "session": session})

    assert CHANGES - 1 == sum(isinstance(outcome, SessionGone) for outcome in outcomes)


async def test_busy_session_does_not_exhaust_the_pool_by_logouts(service, database_url):
    """One ends the session."""
    _, session = await service.create({"n": 0})
    changes = [service.delete(session.record.digest) for _ in range(CHANGES)]

    outcomes = await _beside(service, changes, {"url": database_url, "session": session})

    assert 1 == sum(outcomes)


async def test_busy_session_does_not_exhaust_the_pool_by_revocations(service, database_url):
    """One ends the session."""
    _, session = await service.create({"n": 0})
    changes = [service.revoke_session(session.handle) for _ in range(CHANGES)]

    outcomes = await _beside(service, changes, {"url": database_url, "session": session})

    assert 1 == sum(bool(outcome) for outcome in outcomes)


async def test_busy_user_does_not_exhaust_the_pool_by_clearing(service, database_url):
    """One of them ends the session."""
    _, session = await service.create({"user_id": "ann"})
    changes = [service.clear_sessions_for_user("ann") for _ in range(CHANGES)]

    outcomes = await _beside(service, changes, {"url": database_url, "session": session})

    assert 1 == sum(outcomes)


async def test_busy_user_does_not_exhaust_the_pool_by_logins(service, database_url):
    """The cap counts them one after the other."""
    changes = [service.create({"user_id": "ann"}) for _ in range(CHANGES)]

    await _beside(service, changes, {"url": database_url, "advisory": "bodhi user ann"})

    assert 2 == await service.count_sessions_for_user("ann")


async def test_busy_source_does_not_exhaust_the_pool(database_url):
    """The limit counts them one after the other; what others ask of the database goes on."""
    async with open_database(database_url, pool_size=3, limit_seconds=LIMIT_SECONDS) as database:
        await Schema(database, "application").migrate()
        requests = AppAccessRequests(database, None, None, public_url="https://bodhi.example", per_client=3)

        def ask():
            return requests.create(
                "app", flow_type="popup", redirect_url=None, requested={"a": ["b"]}, source="192.0.2.1"
            )

        async with _held(database_url, advisory="bodhi app access requests"):
            tasks = [asyncio.create_task(ask()) for _ in range(CHANGES)]
            await _waiting(database_url, database, tasks)
            async with asyncio.timeout(DEADLINE_SECONDS):
                assert await database.maybe("find_instance") is None
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)

    assert CHANGES - 3 == sum(isinstance(outcome, ApiError) for outcome in outcomes)


async def test_change_of_another_session_does_not_queue_behind_a_busy_one(service, database_url):
    """It waits for the change that is under way at most."""
    _, session = await service.create({"n": 0})
    done = []

    async def change():
        await service.atomically(session.record.digest, _add_one)
        done.append("change")

    async with _held(database_url, session=session):
        tasks = [asyncio.create_task(change()) for _ in range(CHANGES)]
        await _waiting(database_url, service.get_session_store().database, tasks)
        stranger = asyncio.create_task(service.create({"stranger": True}))
        stranger.add_done_callback(lambda _: done.append("stranger"))
        for _ in range(100):
            await asyncio.sleep(0)
        if dialect_of(database_url) == "postgres":  # where one writer does not hold up another
            await asyncio.wait([stranger], timeout=DEADLINE_SECONDS)
    async with asyncio.timeout(LIMIT_SECONDS):
        await asyncio.gather(stranger, *tasks)

    assert done.index("stranger") < 5
