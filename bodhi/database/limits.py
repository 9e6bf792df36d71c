"""Bounds for many waits of one length by one timer: one for each would cost as much as what is waited for."""

import asyncio
from collections.abc import Callable
from types import TracebackType

EXACTNESS = 0.02  # of the length: waits that end within it of each other share a ring


class SharedTimer:
    """Rings when the first of many waits is over, and again for the others.

    *ring* is given the loop's time; it ends what is over and answers when the next is, or None where nobody waits.
    """

    def __init__(self, seconds: float, ring: Callable[[float], float | None]) -> None:
        self._seconds = seconds
        self._ring = ring
        self._timer: asyncio.TimerHandle | None = None

    def set(self, loop: asyncio.AbstractEventLoop, now: float) -> float:
        """A wait has begun; when it is over."""
        until = now + self._seconds
        # One that is overdue belongs to a loop that has ended, or to one that was held up: another does no harm.
        if self._timer is None or self._timer.when() < now:
            self._timer = loop.call_at(until, self._fire)
        return until

    def _fire(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        following = self._ring(now)
        if following is None:
            self._timer = None
        else:
            self._timer = loop.call_at(max(following, now + self._seconds * EXACTNESS), self._fire)


class TimeLimit:
    """What ``asyncio.timeout(seconds)`` does for one task at a time, for any number of them."""

    def __init__(self, seconds: float) -> None:
        self._alarm = SharedTimer(seconds, self._end)
        self._waits: dict[_Wait, None] = {}  # in the order in which their time is up

    def __call__(self) -> "_Wait":
        """A context that raises :exc:`TimeoutError` in place of what takes longer than the limit; for one use."""
        return _Wait(self)

    def begin(self, wait: "_Wait") -> float:
        """When *wait* is over, by the loop's clock."""
        loop = asyncio.get_running_loop()
        self._waits[wait] = None
        return self._alarm.set(loop, loop.time())

    def finish(self, wait: "_Wait") -> None:
        """*wait* is no longer of interest."""
        del self._waits[wait]

    def _end(self, now: float) -> float | None:
        for wait in self._waits:
            if wait.is_over:
                continue
            if wait.until > now:
                return wait.until
            wait.end()
        return None


class _Wait:
    __slots__ = ("_cancelling", "_limit", "_task", "is_over", "until")

    def __init__(self, limit: TimeLimit) -> None:
        self._limit = limit
        self.is_over = False

    def __enter__(self) -> float:
        """When the time is up, by the loop's clock."""
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._cancelling = task.cancelling()
        self.until = self._limit.begin(self)
        return self.until

    def end(self) -> None:
        self.is_over = True
        self._task.cancel()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._limit.finish(self)
        # As in asyncio.timeout: who else cancelled the task in the same moment has the word.
        if self.is_over and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error
