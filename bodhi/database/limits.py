"""Time limits for many waits of one length by one timer: a timer for each would cost as much as the wait itself."""

import asyncio
import sys
from asyncio import current_task
from collections.abc import Callable
from threading import get_ident
from typing import Any

from msgspec import Struct

TOLERANCE = 0.02  # of the length: waits that end within it of each other are ended together

OTHER_LOOP = "this is in use in another event loop, which runs in another thread: open one in each thread"


class SharedTimer:
    """Fires when the first of many waits has to end, and again for the others.

    *expire* takes the loop's time, ends the waits that are over, and returns when the next one has to end, or None if
    there is none.
    """

    def __init__(self, seconds: float, expire: Callable[[float], float | None]) -> None:
        self.seconds = seconds
        self.fires_at = 0.0  # by the loop's clock; in the past where no wait is watched
        self.loop: asyncio.AbstractEventLoop | None = None  # the last one used: another may follow
        self.thread = 0  # in which it ran
        self._expire = expire

    def start(self, loop: asyncio.AbstractEventLoop, now: float) -> float:
        """Watch a wait that begins *now*; returns when it has to end."""
        until = now + self.seconds
        # An overdue timer belongs to a loop that was blocked: a second one does no harm.
        if self.fires_at < now or self.loop is not loop:
            self._set(loop, until)
        return until

    def _set(self, loop: asyncio.AbstractEventLoop, until: float) -> None:
        if self.loop is not loop and self.loop is not None and self.loop.is_running():
            raise RuntimeError(OTHER_LOOP)
        self.fires_at, self.loop, self.thread = until, loop, get_ident()
        loop.call_at(until, self._fire, loop)

    def _fire(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        following = self._expire(now)
        if following is None:
            self.fires_at = 0.0
        else:
            self._set(loop, max(following, now + self.seconds * TOLERANCE))


class TimeLimit:
    """``asyncio.timeout(seconds)`` for any number of tasks, with one shared timer."""

    def __init__(self, seconds: float) -> None:
        self.timer = SharedTimer(seconds, self._expire)
        self.waits: dict[Wait, None] = {}  # in the order in which they have to end

    def start(self) -> "Wait":
        """Limit the current task until :meth:`Wait.stop`, which the caller must call."""
        timer = self.timer
        # Up to Python 3.11, to ask for the running loop is a system call. A loop that has ended runs no task.
        # In another thread it may run one right now, which is not this one.
        task = (timer.thread == get_ident() and current_task(timer.loop)) or current_task()
        assert task is not None
        loop = task.get_loop()
        now = loop.time()
        if timer.fires_at < now or timer.loop is not loop:
            timer.start(loop, now)
        wait = Wait(self.waits, task, task.cancelling(), now + timer.seconds)
        self.waits[wait] = None
        return wait

    def _expire(self, now: float) -> float | None:
        for wait in self.waits:
            if wait.is_over:
                continue
            if wait.until > now:
                return wait.until
            wait.end()
        return None


class Wait(Struct, eq=False):
    """A limited wait, from :meth:`TimeLimit.start` to :meth:`stop`: a context manager would take twice as long."""

    waits: "dict[Wait, None]"
    task: "asyncio.Task[Any]"
    cancelling: int
    until: float  # by the loop's clock
    is_over: bool = False

    def end(self) -> None:
        """Cancel the task: its time is up."""
        self.is_over = True
        self.task.cancel()

    def stop(self) -> None:
        """End the limit, in a ``finally`` clause; raises :exc:`TimeoutError` if it has cancelled the task."""
        del self.waits[self]
        # As in asyncio.timeout: a cancellation from elsewhere in the same moment wins.
        if self.is_over and self.task.uncancel() <= self.cancelling:
            error = sys.exception()
            if type(error) is asyncio.CancelledError:
                raise TimeoutError from error
