"""Everything works through PgBouncer in transaction mode, with fewer server connections than clients."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from bodhi.database import CannotOpen, Schema, open_database
from bodhi.session import DefaultSessionService, SessionGone
from resilience.app import KEY
from resilience.clients import go_round, visitors
from resilience.conftest import StartApp
from session.test_isolation import REFUSAL, TRIGGER
from support.raw_database import RawDatabase

SERVICES = 5  # of up to 10 connections each, where PgBouncer has 3 to the server
WRITERS = 50


@asynccontextmanager
async def services(url: str, **options: object) -> AsyncIterator[list[DefaultSessionService]]:
    """Nodes of one cluster, started simultaneously."""
    async with AsyncExitStack() as stack:
        nodes = [
            DefaultSessionService.from_url(url, keys=[KEY], statement_cache_size=0, **options) for _ in range(SERVICES)
        ]
        yield await asyncio.gather(*(stack.enter_async_context(node) for node in nodes))


async def test_parallel_writers_of_one_session_lose_nothing(pgbouncer_url: str) -> None:
    """Each sets a key of its own, all at the same time, on nodes that migrated the database at the same time."""
    async with services(pgbouncer_url) as nodes:
        session_id, _ = await nodes[0].create({"number": 0})

        async def write(number: int) -> None:
            node = nodes[number % SERVICES]
            stored = await node.load(session_id)
            assert stored is not None
            await node.save(stored, {**stored.data, f"key{number}": number})

        await asyncio.gather(*(write(number) for number in range(WRITERS)))
        stored = await nodes[0].load(session_id)
        assert stored is not None
        assert {"number": 0} | {f"key{number}": number for number in range(WRITERS)} == stored.data


async def test_pgbouncer_mixes_up_no_results(pgbouncer_url: str) -> None:
    """Answers and statements are not mixed up between clients that share connections."""
    async with services(pgbouncer_url) as nodes:

        async def live(number: int) -> None:
            here, there = nodes[number % SERVICES], nodes[(number + 1) % SERVICES]
            for turn in range(3):
                data = {"user_id": f"user{number}", "turn": turn}
                old_id, _ = await here.create(data)
                stored = await there.load(old_id)
                assert stored is not None
                assert data == stored.data
                new_id, moved = await there.rotate(stored, data | {"turn": -turn})
                assert await here.load(old_id) is None
                assert await here.load(new_id) is not None
                with pytest.raises(SessionGone):
                    await here.save(stored, {"turn": "late"})
                assert await here.save(moved, data | {"more": "x" * 2000}) is not None
                await there.sweep()
                assert 1 == await here.count_sessions_for_user(f"user{number}")
                assert 1 == await there.clear_sessions_for_user(f"user{number}")

        await asyncio.gather(*(live(number) for number in range(WRITERS)))
        assert 0 == await nodes[0].count_sessions()


async def test_concurrent_logins_of_one_user_keep_the_cap_behind_pgbouncer(pgbouncer_url: str) -> None:
    """The lock behind the cap on a user's sessions belongs to a transaction, so it works between nodes here as well."""
    async with services(pgbouncer_url, max_per_user=3) as nodes:
        await asyncio.gather(*(nodes[number % SERVICES].create({"user_id": "one"}) for number in range(WRITERS)))

        assert 3 == await nodes[0].count_sessions_for_user("one")


@pytest.mark.parametrize("statement_cache_size", [0, 100], ids=["known", "found out"])
async def test_other_isolation_levels_by_default_lose_nothing(
    postgres_url: str, pgbouncer_url: str, statement_cache_size: int
) -> None:
    """PgBouncer takes no parameter that would change the default, and a SET would be somebody else's next."""
    async with RawDatabase(postgres_url) as raw:
        ((name,),) = [row.values() for row in await raw.rows("SELECT current_database()")]
        await raw.rows(f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'")
        async with open_database(pgbouncer_url, statement_cache_size=0) as database:
            await Schema(database, "session").migrate()
        await raw.rows(REFUSAL)
        await raw.rows(TRIGGER)
        # One connection behind it, so that this old PgBouncer does not mix up prepared statements.
        options = {"pool_size": 1, "statement_cache_size": statement_cache_size, "sweep_seconds": None}
        async with DefaultSessionService.from_url(pgbouncer_url, keys=[KEY], **options) as node:
            session_id, stored = await node.create({"number": 0})
            await asyncio.gather(
                *(node.save(stored, {"number": 0, f"key{number}": number}) for number in range(WRITERS))
            )
            saved = await node.load(session_id)
            assert saved is not None
            assert {"number": 0} | {f"key{number}": number for number in range(WRITERS)} == saved.data
            await node.rotate(saved, {"user_id": "ann"})
            assert 1 == await node.clear_sessions_for_user("ann")


async def test_processes_that_start_at_once_serve_their_clients(pgbouncer_url: str, start_app: StartApp) -> None:
    """Three processes migrate the empty database through it, and visitors go from one to the other."""
    apps = await asyncio.gather(*(start_app(pgbouncer_url, statement_cache_size=0) for _ in range(3)))
    async with visitors(apps[0].base_url, 12) as crowd:
        for visitor in crowd:
            assert 200 == (await visitor.login()).status
        await go_round(crowd, [app.base_url for app in apps])


async def test_schema_option_that_pgbouncer_ignores_is_refused(pgbouncer_url: str) -> None:
    """PgBouncer passes no search_path on: better no start than sessions in another schema."""
    with pytest.raises(CannotOpen, match="search_path"):
        await DefaultSessionService.connect(pgbouncer_url, keys=[KEY], statement_cache_size=0, schema="elsewhere")
