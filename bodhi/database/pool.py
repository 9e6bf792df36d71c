"""A pool of resources for exclusive use: connections to a server, or the one writer of a file."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Generic, TypeVar

from bodhi.database.protocol import DatabaseCounters

Resource = TypeVar("Resource")


class Pool(Generic[Resource]):
    """Lends the most recently used resource; while none is idle, callers wait in the order of arrival."""

    def __init__(self, resources: Iterable[Resource], counters: DatabaseCounters) -> None:
        self._idle = deque(resources)
        self._waiting: deque[asyncio.Future[Resource]] = deque()
        self._counters = counters

    def __iter__(self) -> Iterator[Resource]:
        """The idle resources."""
        return iter(self._idle)

    def take(self) -> Resource | None:
        """Return an idle resource without suspending, or None: then :meth:`wait` for one."""
        if not self._idle:
            return None
        self._counters.in_use += 1
        return self._idle.pop()

    async def wait(self) -> Resource:
        """Return the next resource that is given back."""
        counters, began = self._counters, monotonic()
        future: asyncio.Future[Resource] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        counters.waits += 1
        counters.waiting += 1
        try:
            return await future
        except asyncio.CancelledError:
            if not future.cancelled():  # it was lent in the same moment
                self.give_back(future.result())
            raise
        finally:
            counters.waiting -= 1
            counters.wait_seconds += monotonic() - began

    def give_back(self, resource: Resource, *, is_ready: bool = True) -> None:
        """Pass the resource to the next waiter, or put it back; one that is not ready is lent after all others."""
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(resource)
                return
        self._counters.in_use -= 1
        if is_ready:
            self._idle.append(resource)
        else:
            self._idle.appendleft(resource)

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[Resource]:
        """Return a block with exclusive use of a resource."""
        resource = self.take() or await self.wait()
        try:
            yield resource
        finally:
            self.give_back(resource)
