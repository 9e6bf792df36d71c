"""Concurrent calls that share a trip to the database."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

from msgspec import Struct

from bodhi.database.errors import DatabaseUnavailable
from bodhi.database.limits import SharedTimer

Item = TypeVar("Item")
Answer = TypeVar("Answer")

# A trip costs more than what it carries: while one is quick, the next waits for it rather than going beside it.
PATIENCE_SECONDS = 0.001


class _Request(Struct, Generic[Item, Answer], eq=False):
    key: bytes
    item: Item
    answer: "asyncio.Future[Answer | None]"
    until: float  # by the loop's clock


Batch = dict[bytes, list[_Request[Item, Answer]]]


class Coalescer(Generic[Item, Answer]):
    """Calls go straight through one at a time, and share trips as soon as there are more.

    *run* takes items with distinct keys, sorted by key, and answers by key. What arrives while a trip is under way
    leaves together with the next: when it returns, or when it takes longer than *patience_seconds*; at most *trips* of
    them run at once. Waiting for a place or an answer ends after *limit_seconds* with :exc:`DatabaseUnavailable`.
    With *shared*, items of one key are the same question and get one answer; without, the second waits for a trip of
    its own.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Awaitable[Mapping[bytes, Answer]]],
        *,
        max_in_flight: int,
        largest: int,
        shared: bool,
        limit_seconds: float,
        max_wait_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._run = run
        self._max_in_flight = max_in_flight
        self._largest = largest
        self._shared = shared
        self._max_wait_seconds = max_wait_seconds
        self._under_way = 0
        self._flushed_at = 0.0  # the last trip
        self._is_filling = False  # a trip begins in the next turn of the loop
        self._max_wait_timer: asyncio.TimerHandle | None = None
        self._is_idle = True  # the last trip carried one alone
        self._queue: list[_Request[Item, Answer]] = []
        self._in_flight: list[Batch[Item, Answer]] = []
        self._alarm = SharedTimer(limit_seconds, self._give_up)
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, key: bytes, item: Item) -> Answer | None:
        """The answer to *item*, or None where *run* gave none for *key*."""
        if not self._is_idle or self._under_way or self._queue:
            return await self._enqueue(key, item)
        self._under_way += 1
        self._flushed_at = asyncio.get_running_loop().time()
        try:
            return (await self._run([item])).get(key)
        finally:
            self._under_way -= 1
            if self._queue and not self._is_filling:
                self._start_flush()

    def _enqueue(self, key: bytes, item: Item) -> "asyncio.Future[Answer | None]":
        loop = asyncio.get_running_loop()
        now = loop.time()
        waiting: _Request[Item, Answer] = _Request(key, item, loop.create_future(), self._alarm.set(loop, now))
        self._queue.append(waiting)
        if not self._under_way:
            self._start_flush()
        elif self._max_wait_timer is None and self._under_way < self._max_in_flight:
            self._max_wait_timer = loop.call_at(self._flushed_at + self._max_wait_seconds, self._max_wait_over)
        return waiting.answer

    def _max_wait_over(self) -> None:
        self._max_wait_timer = None
        if not self._queue or self._is_filling:
            return
        loop = asyncio.get_running_loop()
        until = self._flushed_at + self._max_wait_seconds
        if until <= loop.time():
            self._start_flush()
        else:  # of a trip that departed since
            self._max_wait_timer = loop.call_at(until, self._max_wait_over)

    def _start_flush(self) -> None:
        if self._under_way < self._max_in_flight:
            self._under_way += 1
            self._is_filling = True
            task = asyncio.get_running_loop().create_task(self._flush())
            self._tasks.add(task)  # the loop itself holds tasks only weakly
            task.add_done_callback(self._tasks.discard)

    async def _flush(self) -> None:
        # A task begins in the next turn of the loop: what is asked for in the same turn leaves together.
        self._is_filling = False
        try:
            while batch := self._next_batch():
                self._is_idle = len(batch) == 1
                self._flushed_at = asyncio.get_running_loop().time()
                self._in_flight.append(batch)
                try:
                    await self._run_batch(batch)
                finally:
                    self._in_flight.remove(batch)
        finally:
            self._under_way -= 1
            if self._queue and not self._is_filling:  # this trip was cancelled
                self._start_flush()

    def _next_batch(self) -> Batch[Item, Answer]:
        batch: Batch[Item, Answer] = {}
        left: list[_Request[Item, Answer]] = []
        for waiting in self._queue:
            if waiting.answer.done():
                continue
            if waiting.key in batch:
                (batch[waiting.key] if self._shared else left).append(waiting)
            elif len(batch) < self._largest:
                batch[waiting.key] = [waiting]
            else:
                left.append(waiting)
        self._queue = left
        return batch

    async def _run_batch(self, batch: Batch[Item, Answer]) -> None:
        try:
            # Sorted, so that two processes lock the same rows in the same order and never wait for each other.
            answers = await self._run([batch[key][0].item for key in sorted(batch)])
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer that each of them waits for
            failure = error
            _resolve(batch, lambda waiting: waiting.answer.set_exception(failure))
        except asyncio.CancelledError:
            _resolve(batch, lambda waiting: waiting.answer.cancel())
            raise
        else:
            _resolve(batch, lambda waiting: waiting.answer.set_result(answers.get(waiting.key)))

    def _give_up(self, now: float) -> float | None:
        following: float | None = None
        aboard = [waiting for batch in self._in_flight for group in batch.values() for waiting in group]
        for waiting in (*aboard, *self._queue):
            if waiting.answer.done():
                continue
            if waiting.until <= now:
                waiting.answer.set_exception(DatabaseUnavailable())
            elif following is None or waiting.until < following:
                following = waiting.until
        return following


def _resolve(batch: Batch[Item, Answer], tell: Callable[[_Request[Item, Answer]], object]) -> None:
    for group in batch.values():
        for waiting in group:
            if not waiting.answer.done():
                tell(waiting)
