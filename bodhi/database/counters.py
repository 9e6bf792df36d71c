"""What the connections to one database went through, counted, and the two locks that count."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from time import monotonic
from typing import Literal


@dataclass(slots=True)
class DatabaseCounters:
    """Counts since the database was made. ``in_use`` and ``waiting`` are how it stands now."""

    in_use: int = 0  # PostgreSQL: connections lent; SQLite: 1 while something writes
    waiting: int = 0
    waits: int = 0  # for a free connection, or for the one writer
    wait_seconds: float = 0.0
    errors: dict[str, int] = field(default_factory=dict)  # statements that failed, by the name of the error's class

    def failed(self, error: Exception) -> None:
        """A statement failed with *error*."""
        name = type(error).__name__.lstrip("_")
        self.errors[name] = self.errors.get(name, 0) + 1


class CountedLock(asyncio.Lock):
    """A lock that counts who has to wait for it; nobody pays who has not."""

    def __init__(self, counters: DatabaseCounters) -> None:
        super().__init__()
        self._counters = counters

    async def acquire(self) -> Literal[True]:
        """Wait for the lock, and take it."""
        if self.locked():
            await _timed(super().acquire(), self._counters)
        else:
            await super().acquire()
        self._counters.in_use += 1
        return True

    def release(self) -> None:
        """Give the lock back."""
        self._counters.in_use -= 1
        super().release()


class CountedSemaphore(asyncio.Semaphore):
    """The same for a number of places."""

    def __init__(self, places: int, counters: DatabaseCounters) -> None:
        super().__init__(places)
        self._counters = counters

    async def acquire(self) -> Literal[True]:
        """Wait for a place, and take it."""
        if self.locked():
            await _timed(super().acquire(), self._counters)
        else:
            await super().acquire()
        self._counters.in_use += 1
        return True

    def release(self) -> None:
        """Give the place back."""
        self._counters.in_use -= 1
        super().release()


async def _timed(acquiring: Awaitable[bool], counters: DatabaseCounters) -> None:
    began = monotonic()
    counters.waits += 1
    counters.waiting += 1
    try:
        await acquiring
    finally:
        counters.waiting -= 1
        counters.wait_seconds += monotonic() - began
