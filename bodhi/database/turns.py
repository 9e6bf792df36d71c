"""Locks inside the process, for calls that would each hold a connection while they wait for the same row."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary

from bodhi.database.errors import DatabaseUnavailable

SHORTEST_SECONDS = 0.01  # for the last in line: 0 would mean no limit


class Turns:
    """Locks by key and event loop, in the order of arrival. A lock exists while somebody holds it or waits for it."""

    def __init__(self, limit_seconds: float) -> None:
        self._limit_seconds = limit_seconds
        self._locks: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def __call__(self, *keys: Hashable) -> AsyncIterator[float]:
        """Hold the locks of *keys* for a block; gives the seconds that are left of the time limit.

        Callers that take several keys take them in one order. Raises :exc:`DatabaseUnavailable`
        when the turn does not come within the limit.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + self._limit_seconds
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout_at(until):
                    for key in keys:
                        # What a loop left locked as it ended may outlive it, in the tracebacks of its tasks.
                        lock = self._locks.setdefault((loop, key), asyncio.Lock())
                        await stack.enter_async_context(lock)
            except TimeoutError as error:
                raise DatabaseUnavailable("other changes of the same row took longer than the time limit") from error
            yield max(until - loop.time(), SHORTEST_SECONDS)
