"""The same work wanted by several at once, done once."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


class SingleFlight(Generic[Result]):
    """Work that runs once for each key at a time; whoever asks meanwhile gets the same result, or the same error."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, asyncio.Task[Result]] = {}
        self._tasks: set[asyncio.Task[Result]] = set()

    async def __call__(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """The result of the work under way for *key*, which is begun if there is none."""
        # Shielded: who goes away must not take the work from the others.
        return await asyncio.shield(self.start(key, work))

    def start(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, Result]]) -> "asyncio.Task[Result]":
        """The work for *key*, going on by itself."""
        task = self._flights.get(key)
        if task is None:
            task = self._flights[key] = asyncio.get_running_loop().create_task(work())
            self._tasks.add(task)
            task.add_done_callback(lambda done: self._landed(key, done))
        return task

    @property
    def is_busy(self) -> bool:
        """Whether there is work under way that one can join."""
        return bool(self._flights)

    def part(self) -> None:
        """Nobody joins the work that is under way now: who asks from here on begins anew."""
        self._flights.clear()

    async def finish(self, limit_seconds: float) -> None:
        """Wait until the work under way is done, for *limit_seconds* at most."""
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=limit_seconds)

    async def close(self) -> None:
        """End all work under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _landed(self, key: Hashable, task: "asyncio.Task[Result]") -> None:
        self._tasks.discard(task)
        if self._flights.get(key) is task:
            del self._flights[key]
        if not task.cancelled():
            task.exception()  # seen, so that asyncio does not report an error that nobody waited for
