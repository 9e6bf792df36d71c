"""Cancel a call at each of the places where it waits."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from enum import Enum
from functools import partial
from typing import Any, TypeVar

Answer = TypeVar("Answer")

SECONDS = 60


class Moment(Enum):
    """When a call that waits is cancelled."""

    WAITING = "waiting"  # at once
    ANSWERED = "answered"  # as what it waits for has come, before it goes on with it
    REPEATEDLY = "repeatedly"  # at once, and wherever it waits after that


class _Cancelled(Awaitable[Answer]):
    """Runs *call*, and cancels the task that awaits this as the call waits for the *number*-th time."""

    def __init__(self, call: Coroutine[Any, Any, Answer], number: int, moment: Moment) -> None:
        self.waits = 0
        self._call = call
        self._number = number
        self._moment = moment

    def __await__(self) -> Generator[Any, Any, Answer]:
        steps = self._call.__await__()
        step: Callable[[], Any] = partial(next, steps)
        while True:
            try:
                awaited = step()
            except StopIteration as end:
                answer: Answer = end.value
                return answer
            self.waits += 1
            self._cancel_now(awaited)
            try:
                yield awaited
            except asyncio.CancelledError as error:
                step = partial(steps.throw, error)
            else:
                step = partial(next, steps)

    def _cancel_now(self, awaited: "asyncio.Future[Any] | None") -> None:
        is_repeated = self._moment is Moment.REPEATEDLY and self.waits > self._number
        if self.waits != self._number and not is_repeated:
            return
        task = asyncio.current_task()
        assert task is not None
        if self._moment is Moment.ANSWERED and awaited is not None:
            awaited.add_done_callback(lambda _: task.cancel())  # before the task itself is called
        else:
            asyncio.get_running_loop().call_soon(task.cancel)


async def cancelled_at(number: int, moment: Moment, call: Coroutine[Any, Any, object]) -> bool:
    """Run *call* in a task of its own, cancelled as it waits for the *number*-th time; whether it came to that.

    Raises what the call raises, but for the cancellation; and waits until all that it has started is done.
    """
    before = asyncio.all_tasks()
    cancelled = _Cancelled(call, number, moment)

    async def run() -> None:
        await cancelled

    task = asyncio.get_running_loop().create_task(run())
    try:
        async with asyncio.timeout(SECONDS):
            await asyncio.wait({task})
            if not task.cancelled():
                task.result()
            await _ended(before)
    except TimeoutError as error:
        left = asyncio.all_tasks() - before
        raise AssertionError(f"cancelled at wait {number} ({moment.value}), these go on: {left}") from error
    return cancelled.waits >= number


async def _ended(before: "set[asyncio.Task[Any]]") -> None:
    while started := asyncio.all_tasks() - before:
        await asyncio.wait(started)
