"""Waits are bounded whatever blocks the database, and cancelled calls leak nothing."""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Literal

import pytest

from bodhi.database import CannotOpen, Database, open_database
from bodhi.session import DefaultSessionService, SessionUnavailable
from bodhi.session.sql_store import PostgresSessionStore, open_store
from resilience.app import ATTEMPTS, KEY
from resilience.clients import Visitor, visitors
from resilience.conftest import ServeHere
from resilience.outage import LIMIT_SECONDS, SLACK_SECONDS, Lateness
from support.postgres import PostgresServer
from support.postgres_locks import ask, blocked, locked, pids_on, table_locked, tidy
from support.tcp_proxy import TcpProxy

Mode = Literal["drop", "hang", "reset"]

POOL_SIZE = 4
CANCELLATIONS = 500


@asynccontextmanager
async def opened(
    url: str, *, limit_seconds: float = LIMIT_SECONDS
) -> AsyncIterator[tuple[DefaultSessionService, Database]]:
    """Open a service with a small pool and a short limit, with a few attempts."""
    async with AsyncExitStack() as stack:
        for attempt in range(ATTEMPTS):
            database = open_database(url, pool_size=POOL_SIZE, limit_seconds=limit_seconds)
            service = DefaultSessionService(open_store(database), keys=[KEY], database=database)
            try:
                await stack.enter_async_context(service)
                break
            except CannotOpen:
                if attempt == ATTEMPTS - 1:
                    raise
        yield service, database


async def works_again(service: DefaultSessionService, session_id: str) -> None:
    """Return once the session loads; connections may still fail right after the outage."""
    async with asyncio.timeout(300):
        while True:
            with suppress(SessionUnavailable):
                assert await service.load(session_id) is not None
                return


async def data_of(service: DefaultSessionService, session_id: str) -> dict[str, object]:
    """Return the data of a session."""
    stored = await service.load(session_id)
    assert stored is not None
    return stored.data


async def refused_in_time(calls: Sequence[Awaitable[object]], *, since: float | None = None) -> None:
    """Check that every call raises :exc:`SessionUnavailable` within the limit."""
    begun_at = time.monotonic() if since is None else since
    async with Lateness() as late:
        outcomes = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 60)
    assert {SessionUnavailable} == {type(outcome) for outcome in outcomes}
    assert time.monotonic() - begun_at <= LIMIT_SECONDS + SLACK_SECONDS + 3 * late.seconds


@pytest.mark.parametrize("mode", ["drop", "hang", "reset"])
async def test_a_batch_whose_connection_is_lost_answers_every_waiter(mode: Mode, postgres_url: str) -> None:
    """Saves that share a trip, and those that wait for the next one, are all refused, and all in time."""
    async with TcpProxy.to(postgres_url) as proxy, opened(proxy.url_for(postgres_url)) as (service, _):
        created = [await service.create({"number": number}) for number in range(100)]
        async with table_locked(postgres_url):
            begun_at = time.monotonic()
            saves = [asyncio.create_task(service.save(stored, {"number": -1})) for _, stored in created]
            await blocked(postgres_url, count=PostgresSessionStore.saves_in_flight)
            proxy.mode = mode

            await refused_in_time(saves, since=begun_at)
        proxy.mode = "forward"
        await works_again(service, created[0][0])
        for number, (session_id, _) in enumerate(created):
            # The server may have gone on with what it had been sent: a refusal does not say that nothing happened.
            assert await data_of(service, session_id) in ({"number": -1}, {"number": number})


async def test_a_transaction_whose_network_goes_silent_is_refused_in_time(postgres_url: str) -> None:
    """Nobody waits for the answer to a ROLLBACK that will not come."""
    async with TcpProxy.to(postgres_url) as proxy, opened(proxy.url_for(postgres_url)) as (service, _):
        session_id, stored = await service.create({"number": 1})
        async with locked(postgres_url):
            begun_at = time.monotonic()
            rotation = asyncio.create_task(service.rotate(stored, {"number": 2}))
            await blocked(postgres_url, count=1)
            proxy.mode = "hang"

            await refused_in_time([rotation], since=begun_at)
        proxy.mode = "forward"
        await works_again(service, session_id)


async def test_closing_during_an_outage_is_bounded(postgres_url: str) -> None:
    """What is noted is tried to be written once, then the service is closed, database or not."""
    async with TcpProxy.to(postgres_url) as proxy:
        service = DefaultSessionService.from_url(
            proxy.url_for(postgres_url), keys=[KEY], limit_seconds=LIMIT_SECONDS, touch_seconds=0
        )
        await service.open()
        session_id, stored = await service.create({"number": 1})
        assert await service.load(session_id) is not None
        proxy.mode = "hang"
        save = asyncio.create_task(service.save(stored, {"number": 2}))

        begun_at = time.monotonic()
        async with Lateness() as late:
            await service.close()
        assert time.monotonic() - begun_at <= LIMIT_SECONDS + SLACK_SECONDS + 3 * late.seconds
        await refused_in_time([save])


async def test_connections_closed_by_the_server_fail_no_request(postgres_url: str) -> None:
    """After a restart of the server between two requests the next ones open new connections and notice nothing."""
    async with opened(postgres_url) as (service, database):
        session_id, _ = await service.create({"number": 1})
        await at_once(database, POOL_SIZE)
        for pid in await pids_on(postgres_url):
            await ask(postgres_url, "SELECT pg_terminate_backend($1, 5000)", pid)

        for _ in range(POOL_SIZE):
            assert await service.load(session_id) is not None
        await at_once(database, POOL_SIZE)


async def test_silently_dead_connections_cost_a_single_timeout(postgres_server: PostgresServer) -> None:
    """Where a host vanished or a firewall forgot, every open connection is dead; that is found out only once."""
    limit_seconds = 5.0  # a busy machine opens a connection within it
    async with opened(postgres_server.url(), limit_seconds=limit_seconds) as (service, database):
        session_id, _ = await service.create({"number": 1})
        await at_once(database, POOL_SIZE)
        pids = await pids_on(postgres_server.url())
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)

        begun_at = time.monotonic()
        try:
            with pytest.raises(SessionUnavailable):
                await service.load(session_id)
            assert await service.load(session_id) is not None
            assert time.monotonic() - begun_at < 2 * limit_seconds
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)  # or the server would wait for them when it is stopped


async def test_a_server_that_takes_no_more_connections_keeps_those_it_has(postgres_server: PostgresServer) -> None:
    """Being refused a further connection is no reason to let go of those that work."""
    admin = postgres_server.url()
    await ask(admin, "CREATE ROLE few LOGIN PASSWORD 'few' CONNECTION LIMIT 2")
    await ask(admin, "GRANT ALL ON SCHEMA public TO few")
    async with opened(admin.replace("bodhi_test:kx7-password", "few:few"), limit_seconds=60) as (service, database):
        session_ids = [(await service.create({"number": number}))[0] for number in range(8)]
        await at_once(database, 2)
        pids = await pids_on(admin)

        for _ in range(50):
            answers = await asyncio.gather(*map(service.load, session_ids), return_exceptions=True)
            assert not [
                one for one in answers if isinstance(one, Exception) and not isinstance(one, SessionUnavailable)
            ]
        assert pids == await pids_on(admin)


async def test_exhausted_pool_refuses_in_time(database_url: str, dialect: str) -> None:
    """With every connection held by a long transaction, requests are refused rather than left waiting."""
    async with opened(database_url) as (service, database):
        session_id, stored = await service.create({"number": 1})
        async with AsyncExitStack() as held:
            for _ in range(POOL_SIZE if dialect == "postgres" else 1):
                await held.enter_async_context(database.transaction(limit_seconds=30))

            calls: list[Awaitable[object]] = [
                service.save(stored, {"number": 2}),
                service.rotate(stored, {"number": 3}),
                service.create({"number": 4}),
                service.delete(stored.record.digest),
                service.sweep(),
            ]
            if dialect == "postgres":
                calls += [service.load(session_id), service.count_sessions()]
            else:
                assert await service.load(session_id) is not None
            await refused_in_time(calls)
        assert {"number": 1} == await data_of(service, session_id)


async def test_calls_that_are_cancelled_leak_nothing(database_url: str, dialect: str) -> None:
    """After hundreds of cancellations at any moment the whole pool still serves, and no transaction is left open."""
    chance = random.Random(1135)
    async with opened(database_url, limit_seconds=60) as (service, database):
        session_id, stored = await service.create({"number": 1})

        async def move() -> None:
            _, another = await service.create({"number": 2})
            await service.rotate(another, {"number": 3})

        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: service.load(session_id),
            lambda: service.save(stored, {"number": 4}),
            lambda: service.create({"user_id": "somebody"}),
            move,
        ]
        for _ in range(CANCELLATIONS // 20):
            await cancelled([asyncio.ensure_future(chance.choice(calls)()) for _ in range(20)], chance)

        assert await service.load(session_id) is not None
        await at_once(database, POOL_SIZE if dialect == "postgres" else 1)
        if dialect == "postgres":
            await tidy(database_url, most=POOL_SIZE)


async def cancelled(calls: Sequence[asyncio.Future[object]], chance: random.Random) -> None:
    """Cancel each call at a random moment; fail if one raises another error."""
    for call in calls:
        for _ in range(chance.randrange(10)):
            await asyncio.sleep(0)
        await asyncio.sleep(chance.choice((0, 0.001, 0.002)))
        call.cancel()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert not [one for one in outcomes if isinstance(one, Exception)]


async def test_clients_that_hang_up_leak_nothing(database_url: str, serve_here: ServeHere) -> None:
    """The same over HTTP, where the server cancels a request whose client has left."""
    chance = random.Random(1135)
    base_url, _ = await serve_here(database_url, pool_size=POOL_SIZE)
    async with visitors(base_url, 20) as crowd:
        for visitor in crowd:
            assert 200 == (await visitor.login()).status
        for _ in range(10):
            requests = [asyncio.create_task(visitor.write()) for visitor in crowd]
            for request in requests:
                await asyncio.sleep(chance.random() * 0.002)
                request.cancel()
            await asyncio.gather(*requests, return_exceptions=True)

        assert {200} == {answer.status for answer in await asyncio.gather(*map(Visitor.write, crowd))}
        for visitor in crowd:
            await visitor.expect_kept()


async def at_once(database: Database, count: int) -> None:
    """Return once this number of transactions was open at the same time."""
    barrier = asyncio.Barrier(count)

    async def one() -> None:
        async with database.transaction():
            await barrier.wait()

    await asyncio.gather(*(one() for _ in range(count)))
