"""Time limits for many waits of one length by one timer: a timer for each would cost as much as what is waited for."""

import asyncio
from asyncio import current_task
from collections.abc import Callable
from types import TracebackType

TOLERANCE = 0.02  # of the length: waits that end within it of each other are ended together


class SharedTimer:
    """Fires when the first of many waits has to end, and again for the others.

    *expire* is given the loop's time; it ends the waits that are over and returns when the next one has to end, or
    None where nobody waits.
    """

    def __init__(self, seconds: float, expire: Callable[[float], float | None]) -> None:
        self._seconds = seconds
        self._expire = expire
        self._timer: asyncio.TimerHandle | None = None

    def start(self, loop: asyncio.AbstractEventLoop, now: float) -> float:
        """Watch a wait that begins *now*; returns when it has to end."""
        until = now + self._seconds
        # An overdue timer belongs to a loop that has ended, or to one that was held up: another one does no harm.
        if self._timer is None or self._timer.when() < now:
            self._timer = loop.call_at(until, self._fire)
        return until

    def _fire(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        following = self._expire(now)
        if following is None:
            self._timer = None
        else:
            self._timer = loop.call_at(max(following, now + self._seconds * TOLERANCE), self._fire)


class TimeLimit:
    """What ``asyncio.timeout(seconds)`` does for one task at a time, for any number of them."""

    def __init__(self, seconds: float) -> None:
        self.timer = SharedTimer(seconds, self._expire)
        self.waits: dict[_Wait, None] = {}  # in the order in which they have to end
        self.loop: asyncio.AbstractEventLoop | None = None  # the last one used: another may follow

    def __call__(self) -> "_Wait":
        """A context that raises :exc:`TimeoutError` in place of what takes longer than the limit; for one use."""
        return _Wait(self)

    def _expire(self, now: float) -> float | None:
        for wait in self.waits:
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
        limit = self._limit
        # Up to Python 3.11, to ask for the running loop is a system call. A loop that has ended runs no task.
        task = current_task(limit.loop) or current_task()
        assert task is not None
        self._task = task
        self._cancelling = task.cancelling()
        limit.loop = loop = task.get_loop()
        limit.waits[self] = None
        self.until = until = limit.timer.start(loop, loop.time())
        return until

    def end(self) -> None:
        self.is_over = True
        self._task.cancel()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        del self._limit.waits[self]
        # As in asyncio.timeout: a cancellation from elsewhere in the same moment wins.
        if self.is_over and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error
