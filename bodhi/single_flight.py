"""Deduplication of concurrent calls."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


class SingleFlight(Generic[Result]):
    """Runs one call per key at a time; concurrent callers share its result or error."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, asyncio.Task[Result]] = {}
        self._tasks: set[asyncio.Task[Result]] = set()

    async def __call__(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Return the result of the running call for *key*, starting *work* if there is none."""
        # Shielded: a cancelled caller must not cancel the call for the others.
        return await asyncio.shield(self.start(key, work))

    def start(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, Result]]) -> "asyncio.Task[Result]":
        """Return the running task for *key*, starting *work* if there is none."""
        task = self._flights.get(key)
        if task is None:
            task = self._flights[key] = asyncio.get_running_loop().create_task(work())
            self._tasks.add(task)
            task.add_done_callback(lambda done: self._landed(key, done))
        return task

    @property
    def is_busy(self) -> bool:
        """Whether a call is running that others can join."""
        return bool(self._flights)

    def part(self) -> None:
        """Detach running calls: later callers start a new one."""
        self._flights.clear()

    async def finish(self, limit_seconds: float) -> None:
        """Wait for running calls, for at most *limit_seconds*."""
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=limit_seconds)

    async def close(self) -> None:
        """Cancel running calls."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _landed(self, key: Hashable, task: "asyncio.Task[Result]") -> None:
        self._tasks.discard(task)
        if self._flights.get(key) is task:
            del self._flights[key]
        if not task.cancelled():
            task.exception()  # retrieve it, or asyncio reports an unhandled exception
