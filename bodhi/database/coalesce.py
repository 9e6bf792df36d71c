"""Concurrent calls that share a trip to the database."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

from msgspec import Struct

from bodhi.database.errors import DatabaseUnavailable
from bodhi.database.limits import Alarm

Item = TypeVar("Item")
Answer = TypeVar("Answer")

# A trip costs more than what it carries: while one is quick, the next waits for it rather than going beside it.
PATIENCE_SECONDS = 0.001


class _Waiting(Struct, Generic[Item, Answer], eq=False):
    key: bytes
    item: Item
    answer: "asyncio.Future[Answer | None]"
    until: float  # by the loop's clock


Batch = dict[bytes, list[_Waiting[Item, Answer]]]


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
        trips: int,
        largest: int,
        shared: bool,
        limit_seconds: float,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._run = run
        self._trips = trips
        self._largest = largest
        self._shared = shared
        self._patience_seconds = patience_seconds
        self._under_way = 0
        self._departed_at = 0.0  # the last trip
        self._is_boarding = False  # a trip begins in the next turn of the loop
        self._impatience: asyncio.TimerHandle | None = None
        self._is_quiet = True  # the last trip carried one alone
        self._queue: list[_Waiting[Item, Answer]] = []
        self._aboard: list[Batch[Item, Answer]] = []
        self._alarm = Alarm(limit_seconds, self._give_up)
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, key: bytes, item: Item) -> Answer | None:
        """The answer to *item*, or None where *run* gave none for *key*."""
        if not self._is_quiet or self._under_way or self._queue:
            return await self._ride(key, item)
        self._under_way += 1
        self._departed_at = asyncio.get_running_loop().time()
        try:
            return (await self._run([item])).get(key)
        finally:
            self._under_way -= 1
            if self._queue and not self._is_boarding:
                self._depart()

    def _ride(self, key: bytes, item: Item) -> "asyncio.Future[Answer | None]":
        loop = asyncio.get_running_loop()
        now = loop.time()
        waiting: _Waiting[Item, Answer] = _Waiting(key, item, loop.create_future(), self._alarm.set(loop, now))
        self._queue.append(waiting)
        if not self._under_way:
            self._depart()
        elif self._impatience is None and self._under_way < self._trips:
            self._impatience = loop.call_at(self._departed_at + self._patience_seconds, self._wait_no_longer)
        return waiting.answer

    def _wait_no_longer(self) -> None:
        self._impatience = None
        if not self._queue or self._is_boarding:
            return
        loop = asyncio.get_running_loop()
        until = self._departed_at + self._patience_seconds
        if until <= loop.time():
            self._depart()
        else:  # of a trip that departed since
            self._impatience = loop.call_at(until, self._wait_no_longer)

    def _depart(self) -> None:
        if self._under_way < self._trips:
            self._under_way += 1
            self._is_boarding = True
            task = asyncio.get_running_loop().create_task(self._travel())
            self._tasks.add(task)  # the loop itself holds tasks only weakly
            task.add_done_callback(self._tasks.discard)

    async def _travel(self) -> None:
        # A task begins in the next turn of the loop: what is asked for in the same turn leaves together.
        self._is_boarding = False
        try:
            while batch := self._board():
                self._is_quiet = len(batch) == 1
                self._departed_at = asyncio.get_running_loop().time()
                self._aboard.append(batch)
                try:
                    await self._bring(batch)
                finally:
                    self._aboard.remove(batch)
        finally:
            self._under_way -= 1
            if self._queue and not self._is_boarding:  # this trip was cancelled
                self._depart()

    def _board(self) -> Batch[Item, Answer]:
        batch: Batch[Item, Answer] = {}
        left: list[_Waiting[Item, Answer]] = []
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

    async def _bring(self, batch: Batch[Item, Answer]) -> None:
        try:
            # Sorted, so that two processes lock the same rows in the same order and never wait for each other.
            answers = await self._run([batch[key][0].item for key in sorted(batch)])
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer that each of them waits for
            failure = error
            _answer(batch, lambda waiting: waiting.answer.set_exception(failure))
        except asyncio.CancelledError:
            _answer(batch, lambda waiting: waiting.answer.cancel())
            raise
        else:
            _answer(batch, lambda waiting: waiting.answer.set_result(answers.get(waiting.key)))

    def _give_up(self, now: float) -> float | None:
        following: float | None = None
        aboard = [waiting for batch in self._aboard for group in batch.values() for waiting in group]
        for waiting in (*aboard, *self._queue):
            if waiting.answer.done():
                continue
            if waiting.until <= now:
                waiting.answer.set_exception(DatabaseUnavailable())
            elif following is None or waiting.until < following:
                following = waiting.until
        return following


def _answer(batch: Batch[Item, Answer], tell: Callable[[_Waiting[Item, Answer]], object]) -> None:
    for group in batch.values():
        for waiting in group:
            if not waiting.answer.done():
                tell(waiting)
