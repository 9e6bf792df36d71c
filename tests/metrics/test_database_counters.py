"""Database waits and errors are counted."""

import asyncio

import pytest

from bodhi.database import Conflict, DatabaseError, DatabaseUnavailable, Schema, open_database


@pytest.fixture
async def database(database_url):
    """A database with a single writing connection."""
    async with open_database(database_url, pool_size=1, limit_seconds=60) as database:
        await Schema(database, "application").migrate()
        yield database


async def test_waiting_for_a_connection_is_counted(database):
    """How many wait now, how often somebody had to, and for how long in all."""
    counters = database.counters
    before = counters.waits
    async with database.transaction():
        waiting = asyncio.create_task(database.count("put_setting", key="a", value="1", type="s", by=None, now=1))
        await asyncio.sleep(0)
        assert (1, 1, before + 1) == (counters.in_use, counters.waiting, counters.waits)
    await waiting

    assert (0, 0, before + 1) == (counters.in_use, counters.waiting, counters.waits)
    assert 0 < counters.wait_seconds < 60


async def test_cancelled_wait_is_no_longer_counted(database):
    """A request that is cancelled in the queue leaves nothing behind in the counts."""
    async with database.transaction():
        waiting = asyncio.create_task(database.count("put_setting", key="a", value="1", type="s", by=None, now=1))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert (1, 0) == (database.counters.in_use, database.counters.waiting)

    assert 0 == database.counters.in_use


async def test_statements_that_fail_are_counted_by_the_kind_of_failure(database):
    """In transactions too."""
    lease = {"name": "a", "holder": None, "hold_ms": 1, "now": 1}
    for _ in range(2):
        with pytest.raises(DatabaseError):
            await database.maybe("take_lease", **lease)
    with pytest.raises(DatabaseError):
        async with database.transaction() as transaction:
            await transaction.maybe("take_lease", **lease)

    assert 3 == sum(database.counters.errors.values())
    assert not set(database.counters.errors) & {Conflict.__name__, DatabaseUnavailable.__name__}


async def test_no_connection_is_in_use_at_the_end(database):
    """Whatever the calls came to."""
    calls = [
        database.count("put_setting", key=f"{number}", value="1", type="s", by=None, now=1) for number in range(20)
    ]
    await asyncio.gather(*calls, database.many("list_settings"))

    assert (0, 0) == (database.counters.in_use, database.counters.waiting)
