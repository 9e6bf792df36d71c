"""A connection abandoned while opening logs nothing later."""

import asyncio
import gc
import logging

import pytest

from bodhi.database.postgres_hosts import HostsInTurn
from bodhi.postgres_urls import read_postgres_url

STEPS = 12  # turns of the event loop; opening a connection on loopback takes fewer until it waits for the server


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that accepts connections and sends nothing."""
    await reader.read()
    writer.close()


async def _resetting(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that closes every connection at once."""
    writer.close()


@pytest.mark.parametrize("server", [_silent, _resetting])
@pytest.mark.parametrize("sslmode", ["prefer", "require", "disable"])
async def test_giving_up_at_any_moment_leaves_no_unretrieved_exception(server, sslmode, caplog):
    """Whenever the time limit comes: asyncio reports no future whose exception nobody retrieved."""
    listening = await asyncio.start_server(server, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    url = read_postgres_url(f"postgresql://u@127.0.0.1:{port}/d?sslmode={sslmode}")
    connect = HostsInTurn(url, limit_seconds=60, on_failover=lambda: None, sets_isolation=True)

    with caplog.at_level(logging.ERROR, logger="asyncio"):
        for steps in range(STEPS):
            connecting = asyncio.create_task(connect())
            for _ in range(steps):
                await asyncio.sleep(0)
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            del connecting
            gc.collect()
    listening.close()

    assert [] == [record.getMessage() for record in caplog.records if record.name == "asyncio"]
