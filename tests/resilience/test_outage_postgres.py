"""A PostgreSQL outage under load logs out no user, and waits are bounded."""

import asyncio
from collections.abc import Callable
from typing import Literal

import psutil
import pytest

from resilience.clients import visitors
from resilience.conftest import StartApp
from resilience.outage import LIMIT_SECONDS, live_through
from support.postgres import PostgresServer
from support.tcp_proxy import TcpProxy

Mode = Literal["forward", "drop", "hang", "reset"]
VISITORS = 8


async def live_through_a_network(mode: Mode, postgres_url: str, start_app: StartApp, **outage: float) -> None:
    """Simulate a network outage by a proxy between the application and its database."""
    async with TcpProxy.to(postgres_url) as proxy:

        async def switch(to: Mode) -> None:
            proxy.mode = to

        limit_seconds = outage.get("limit_seconds", LIMIT_SECONDS)
        app = await start_app(proxy.url_for(postgres_url), limit_seconds=limit_seconds)
        async with visitors(app.base_url, VISITORS) as crowd:
            await live_through(crowd, lambda: switch(mode), lambda: switch("forward"), **outage)
        assert 0 == await app.stop()


@pytest.mark.parametrize("mode", ["drop", "hang", "reset"])
async def test_a_network_that_fails_is_no_logout(mode: Mode, postgres_url: str, start_app: StartApp) -> None:
    """Connections refused, silent or reset: 503 where the session is needed, and the same cookies afterwards."""
    await live_through_a_network(mode, postgres_url, start_app)


@pytest.mark.slow
async def test_ten_seconds_of_silence_are_no_logout(postgres_url: str, start_app: StartApp) -> None:
    """The same at full length, in the mode in which everything waits."""
    await live_through_a_network("hang", postgres_url, start_app, seconds=10, limit_seconds=1)


@pytest.mark.parametrize("end", [PostgresServer.stop, PostgresServer.kill], ids=["stopped", "killed"])
async def test_a_server_that_ends_is_no_logout(
    end: Callable[[PostgresServer], None], postgres_server: PostgresServer, start_app: StartApp
) -> None:
    """The server itself is shut down, or killed and recovered, and the application goes on without a restart."""
    app = await start_app(postgres_server.url(), limit_seconds=LIMIT_SECONDS)
    async with visitors(app.base_url, VISITORS) as crowd:
        await live_through(
            crowd,
            lambda: asyncio.to_thread(end, postgres_server),
            lambda: asyncio.to_thread(postgres_server.restart),
        )
    assert 0 == await app.stop()


async def test_a_server_that_freezes_is_no_logout(postgres_server: PostgresServer, start_app: StartApp) -> None:
    """The server stands still with its connections open, as on a host out of memory, and goes on."""
    main = psutil.Process(int((postgres_server.data_dir / "postmaster.pid").read_text().split()[0]))

    async def freeze() -> None:
        main.suspend()  # first, so that it has no new children while they are listed
        for process in main.children(recursive=True):
            process.suspend()

    async def thaw() -> None:
        for process in (*main.children(recursive=True), main):
            process.resume()

    app = await start_app(postgres_server.url(), limit_seconds=LIMIT_SECONDS)
    async with visitors(app.base_url, VISITORS) as crowd:
        await live_through(crowd, freeze, thaw)
    assert 0 == await app.stop()
