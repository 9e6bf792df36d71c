"""Concurrent calls that share a trip to the database."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from bodhi.database.errors import DatabaseUnavailable

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(slots=True, eq=False)
class _Waiting(Generic[Item, Answer]):
    key: bytes
    item: Item
    answer: "asyncio.Future[Answer | None]"
    until: float  # by the loop's clock


class Coalescer(Generic[Item, Answer]):
    """Calls go straight through one at a time, and share trips as soon as there are more.

    *run* takes items with distinct keys, sorted by key, and answers by key. At most *trips* of them run at
    once; what arrives meanwhile leaves together with the next. Waiting for a place or an answer ends
    after *limit_seconds* with :exc:`DatabaseUnavailable`. With *shared*, items of one key are the same question
    and get one answer; without, the second waits for a trip of its own.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Awaitable[Mapping[bytes, Answer]]],
        *,
        trips: int,
        largest: int,
        shared: bool,
        limit_seconds: float,
    ) -> None:
        self._run = run
        self._trips = trips
        self._largest = largest
        self._shared = shared
        self._limit_seconds = limit_seconds
        self._under_way = 0
        self._is_quiet = True  # the last trip carried one alone
        self._queue: list[_Waiting[Item, Answer]] = []
        self._waiting: dict[_Waiting[Item, Answer], None] = {}  # in the order in which their time is up
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, key: bytes, item: Item) -> Answer | None:
        """The answer to *item*, or None where *run* gave none for *key*."""
        if self._is_quiet and not self._under_way and not self._queue:
            self._under_way += 1
            try:
                return (await self._run([item])).get(key)
            finally:
                self._under_way -= 1
                self._depart()
        return await self._ride(key, item)

    async def _ride(self, key: bytes, item: Item) -> Answer | None:
        loop = asyncio.get_running_loop()
        waiting = _Waiting(key, item, loop.create_future(), loop.time() + self._limit_seconds)
        self._waiting[waiting] = None
        if self._timer is None:
            self._timer = loop.call_at(waiting.until, self._give_up)
        if not self._queue and self._under_way < self._trips:
            loop.call_soon(self._depart)  # what is asked for in the same turn of the loop leaves together
        self._queue.append(waiting)
        try:
            return await waiting.answer
        finally:
            del self._waiting[waiting]

    def _give_up(self) -> None:
        # One timer for all who wait, since one each would cost more than the rest of this class.
        loop = asyncio.get_running_loop()
        self._timer = None
        for waiting in self._waiting:
            if waiting.until > loop.time():
                self._timer = loop.call_at(waiting.until, self._give_up)
                return
            if not waiting.answer.done():
                waiting.answer.set_exception(DatabaseUnavailable())

    def _depart(self) -> None:
        while self._queue and self._under_way < self._trips:
            batch = self._board()
            if not batch:
                return
            self._under_way += 1
            self._is_quiet = len(batch) == 1
            task = asyncio.get_running_loop().create_task(self._travel(batch))
            self._tasks.add(task)  # the loop itself holds tasks only weakly
            task.add_done_callback(self._tasks.discard)

    def _board(self) -> dict[bytes, list[_Waiting[Item, Answer]]]:
        batch: dict[bytes, list[_Waiting[Item, Answer]]] = {}
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

    async def _travel(self, batch: dict[bytes, list[_Waiting[Item, Answer]]]) -> None:
        try:
            # Sorted, so that two processes lock the same rows in the same order and never wait for each other.
            answers = await self._run([batch[key][0].item for key in sorted(batch)])
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer that each of them waits for
            failure = error
            self._answer(batch, lambda waiting: waiting.answer.set_exception(failure))
        except asyncio.CancelledError:
            self._answer(batch, lambda waiting: waiting.answer.cancel())
            raise
        else:
            self._answer(batch, lambda waiting: waiting.answer.set_result(answers.get(waiting.key)))
        finally:
            self._under_way -= 1
            self._depart()

    @staticmethod
    def _answer(
        batch: dict[bytes, list[_Waiting[Item, Answer]]], tell: Callable[[_Waiting[Item, Answer]], object]
    ) -> None:
        for group in batch.values():
            for waiting in group:
                if not waiting.answer.done():
                    tell(waiting)
