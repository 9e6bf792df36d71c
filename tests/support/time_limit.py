"""The end of a test that waits for what does not come."""

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest


@contextmanager
def time_limit(seconds: float, name: str) -> Iterator[None]:
    """Fails the test called *name* that takes longer, and prints where all its tasks are; 0 is no limit."""

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        message = f"{name} took longer than {seconds:g} s"
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            pytest.fail(message)
        sys.stderr.write(f"{message}; its tasks:\n")
        for task in asyncio.all_tasks():
            task.print_stack(file=sys.stderr)
        # Who runs the loop fails. An exception would be raised in whichever task runs, and uvloop would go on.
        loop.call_soon_threadsafe(loop.stop)

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
