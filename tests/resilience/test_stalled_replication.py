"""The synchronous standby does not answer: whatever ends sessions is not done before it has heard of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from bodhi.session import DefaultSessionService, SessionUnavailable
from resilience.app import KEY
from resilience.clients import visitors
from resilience.conftest import ServeHere
from support.postgres import PostgresServer
from support.raw_database import RawDatabase

LIMIT_SECONDS = 2.0  # of a statement that waits for the standby

ENDINGS: dict[str, Callable[[DefaultSessionService, str], Awaitable[object]]] = {
    "revoked": lambda service, handle: service.revoke_session(handle),
    "cleared for its user": lambda service, _: service.clear_sessions_for_user("ann"),
    "all cleared": lambda service, _: service.clear_all_sessions(),
}


@pytest.fixture
async def raw(postgres_server: PostgresServer) -> AsyncIterator[RawDatabase]:
    """The database of the server."""
    async with RawDatabase(postgres_server.url()) as raw:
        yield raw


async def test_a_logout_is_answered_when_the_standby_has_it(
    postgres_server: PostgresServer, serve_here: ServeHere, raw: RawDatabase
) -> None:
    """The second try finds no session any more, here and at another node, and is no more successful than the first."""
    addresses = [(await serve_here(postgres_server.url(), limit_seconds=LIMIT_SECONDS))[0] for _ in range(2)]
    async with visitors(addresses[0], 1) as (visitor,):
        assert 200 == (await visitor.login("ann")).status
        async with stalled_replication(raw):
            first = await visitor.logout()
            await _all_gone(raw)
            again = await visitor.logout()
            visitor.base_url = addresses[1]
            elsewhere = await visitor.logout()
        assert [(503, ()), (503, ()), (503, ())] == [
            (answer.status, answer.set_cookie) for answer in (first, again, elsewhere)
        ]
        done = await visitor.logout()
        assert (200, '""') == (done.status, visitor.cookie)  # deleted, and not before


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
async def test_a_session_is_ended_when_the_standby_has_it(
    ending: Callable[[DefaultSessionService, str], Awaitable[object]],
    postgres_server: PostgresServer,
    raw: RawDatabase,
) -> None:
    """Whoever ends it: that there is none any more is no success as long as a standby may have one."""
    async with DefaultSessionService.from_url(
        postgres_server.url(), keys=[KEY], limit_seconds=LIMIT_SECONDS, sweep_seconds=None
    ) as service:
        _, session = await service.create({"user_id": "ann"})
        async with stalled_replication(raw):
            with pytest.raises(SessionUnavailable):
                await ending(service, session.handle)
            await _all_gone(raw)
            with pytest.raises(SessionUnavailable):
                await ending(service, session.handle)
        assert not await ending(service, session.handle)


async def test_a_logout_of_nobody_waits_for_no_standby(
    postgres_server: PostgresServer, serve_here: ServeHere, raw: RawDatabase
) -> None:
    """Without a cookie, or with one that no session can have, nothing is asked of the database."""
    address, _ = await serve_here(postgres_server.url(), limit_seconds=LIMIT_SECONDS)
    async with visitors(address, 2) as (newcomer, stranger), stalled_replication(raw):
        stranger.cookie = "no-session-id"
        assert [200, 200] == [(await visitor.logout()).status for visitor in (newcomer, stranger)]


@asynccontextmanager
async def stalled_replication(raw: RawDatabase) -> AsyncIterator[None]:
    """Inside, every commit waits for a standby that is not there."""
    await _name_standbys(raw, "absent")
    try:
        yield
    finally:
        await _name_standbys(raw, "")


async def _name_standbys(raw: RawDatabase, names: str) -> None:
    """Set the standbys, and return when commits wait for them, or no longer do.

    The processes of the server read the setting one after another, the checkpointer for all of those that commit.
    """
    await raw.rows(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
    await raw.rows("SELECT pg_reload_conf()")
    async with asyncio.timeout(60):
        while bool(names) != await _a_commit_waits(raw):
            pass


async def _a_commit_waits(raw: RawDatabase) -> bool:
    waiting = "SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'SyncRep'"
    async with RawDatabase(raw.url) as other:
        [process] = await other.rows("SELECT pg_backend_pid() AS pid")
        commit = asyncio.create_task(other.rows("SELECT pg_logical_emit_message(true, 'test', '')"))
        try:
            while not commit.done():
                if await raw.rows(waiting, process["pid"]):
                    return True
            return False
        finally:
            commit.cancel()
            await asyncio.gather(commit, return_exceptions=True)


async def _all_gone(raw: RawDatabase) -> None:
    """Return when the server has given up a commit that nobody waits for, and shows its outcome."""
    async with asyncio.timeout(60):
        while await raw.sessions():
            await asyncio.sleep(0.01)
