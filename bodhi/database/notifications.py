"""Listen for PostgreSQL's notifications, on a connection of their own that is opened again when it is lost."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import asyncpg

RECONNECT_SECONDS = 1.0
PROBE_SECONDS = 30.0
PROBE_LIMIT_SECONDS = 5.0

log = logging.getLogger(__name__)

_FAILURES = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


async def listen(
    connect: Callable[[], Awaitable[Any]], channel: str, notify: Callable[[str | None], None], *, probe: str
) -> None:
    """Call *notify* with the payload of every notification on *channel*, until cancelled.

    None stands for those that were missed before a connection was there, or while there was none. *probe* is the
    statement that checks now and then whether a silent connection still is one.
    """
    while True:
        try:
            await _listen_once(await connect(), channel, notify, probe)
        except _FAILURES as error:
            log.debug("no notifications for now: %s", type(error).__name__)
        await asyncio.sleep(RECONNECT_SECONDS)


async def _listen_once(connection: Any, channel: str, notify: Callable[[str | None], None], probe: str) -> None:
    lost = asyncio.Event()
    try:
        connection.add_termination_listener(lambda _: lost.set())
        await connection.add_listener(channel, lambda _connection, _pid, _channel, payload: notify(payload))
        notify(None)
        while not lost.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(PROBE_SECONDS):
                    await lost.wait()
            if not lost.is_set():
                await connection.fetchval(probe, timeout=PROBE_LIMIT_SECONDS)
    finally:
        connection.terminate()
