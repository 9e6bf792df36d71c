"""Batch concurrent calls, so that calls waiting for the database at the same time share a round trip."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

from msgspec import Struct

from bodhi.database.errors import NO_ANSWER, DatabaseUnavailable
from bodhi.database.limits import SharedTimer

Item = TypeVar("Item")
Answer = TypeVar("Answer")

# A round trip costs more than its statements: a call waits this long for the current one before starting another.
MAX_WAIT_SECONDS = 0.001


class _Request(Struct, Generic[Item, Answer], eq=False):
    key: bytes
    item: Item
    answer: "asyncio.Future[Answer | None]"
    until: float  # by the loop's clock


Batch = dict[bytes, list[_Request[Item, Answer]]]


class Batcher(Generic[Item, Answer]):
    """Runs a lone call directly, and the calls that arrive meanwhile in batches.

    *run_one* answers an item, or gives None. *run_batch* takes items with distinct keys, sorted by key, and answers
    by key. A batch starts when a query returns, or beside it after *max_wait_seconds*; at most *max_in_flight* of them
    run at once. After a shared batch the next one waits, within *max_wait_seconds*, for as long as each turn of the
    event loop brings further calls. Waiting for a batch and its answer ends after *limit_seconds* with
    :exc:`DatabaseUnavailable`.
    With *shared*, items of one key get one answer; without, the second waits for a batch of its own.
    """

    def __init__(
        self,
        run_one: Callable[[Item], Awaitable[Answer | None]],
        run_batch: Callable[[Sequence[Item]], Awaitable[Mapping[bytes, Answer]]],
        *,
        max_in_flight: int,
        max_batch: int,
        shared: bool,
        limit_seconds: float,
        max_wait_seconds: float = MAX_WAIT_SECONDS,
    ) -> None:
        self._run_one = run_one
        self._run_batch = run_batch
        self._max_in_flight = max_in_flight
        self._max_batch = max_batch
        self._shared = shared
        self._max_wait_seconds = max_wait_seconds
        self._in_flight = 0
        self._queue: list[_Request[Item, Answer]] = []
        self._batches: list[Batch[Item, Answer]] = []  # in flight
        self._starting: asyncio.Task[None] | None = None  # a batch, in the next turn of the loop
        self._was_shared = False  # the last batch: its callers are likely to call together again
        self._max_wait_ends_at = 0.0  # by the loop's clock; in the past where no batch is to start beside another
        self._limit_seconds = limit_seconds
        self._timer = SharedTimer(limit_seconds, self._expire)
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, key: bytes, item: Item) -> Answer | None:
        """Return the answer to *item*, or None."""
        if self._in_flight or self._queue or self._was_shared:
            return await self._enqueue(key, item)
        self._in_flight += 1
        try:
            return await self._run_one(item)
        finally:
            self._in_flight -= 1
            if self._queue and self._starting is None:
                self._start_flush()

    def _enqueue(self, key: bytes, item: Item) -> "asyncio.Future[Answer | None]":
        loop = asyncio.get_running_loop()
        now = loop.time()
        until = self._timer.start(loop, now)
        request: _Request[Item, Answer] = _Request(key, item, loop.create_future(), until)
        self._queue.append(request)
        if not self._in_flight:
            self._start_flush()
        # An overdue timer belongs to a loop that has ended or was blocked: a second one does no harm.
        elif self._max_wait_ends_at < now and self._in_flight < self._max_in_flight:
            self._set_max_wait(loop, now + self._max_wait_seconds)
        return request.answer

    def _set_max_wait(self, loop: asyncio.AbstractEventLoop, ends_at: float) -> None:
        self._max_wait_ends_at = ends_at
        loop.call_at(ends_at, self._end_wait)

    def _end_wait(self) -> None:
        self._max_wait_ends_at = 0.0
        if not self._queue or self._starting is not None:
            return
        loop = asyncio.get_running_loop()
        ends_at = self._longest_wait()
        if ends_at <= loop.time():
            self._start_flush()
        else:  # it arrived after the batch that the timer was for
            self._set_max_wait(loop, ends_at)

    def _longest_wait(self) -> float:
        """Return until when the oldest call in the queue may wait for others, by the loop's clock."""
        return self._queue[0].until - self._limit_seconds + self._max_wait_seconds

    def _start_flush(self) -> None:
        if self._in_flight < self._max_in_flight:
            self._in_flight += 1
            self._starting = task = asyncio.get_running_loop().create_task(self._flush())
            self._tasks.add(task)  # the loop itself holds tasks only weakly
            task.add_done_callback(self._flush_ended)

    def _flush_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task is self._starting:  # cancelled before it began, as by a loop that ends: it ran none of its own code
            self._starting = None
            self._in_flight -= 1
            if any(not request.answer.done() for request in self._queue):
                self._start_flush()

    async def _flush(self) -> None:
        # A task begins in the next turn of the loop: calls of the same turn share the batch.
        self._starting = None
        try:
            while batch := await self._gather():
                self._was_shared = len(batch) > 1
                self._batches.append(batch)
                try:
                    await self._answer(batch)
                finally:
                    self._batches.remove(batch)
        finally:
            self._in_flight -= 1
            if self._queue and self._starting is None:  # this task was cancelled
                self._start_flush()

    async def _gather(self) -> Batch[Item, Answer]:
        """Return the next batch, empty if nothing waits."""
        if self._was_shared:  # the callers of the last batch are likely to come back in a moment, one after another
            loop, number = asyncio.get_running_loop(), 0
            while number < len(self._queue) < self._max_batch and loop.time() < self._longest_wait():
                number = len(self._queue)
                await asyncio.sleep(0)
        return self._next_batch()

    def _next_batch(self) -> Batch[Item, Answer]:
        batch: Batch[Item, Answer] = {}
        left: list[_Request[Item, Answer]] = []
        for request in self._queue:
            if request.answer.done():
                continue
            if request.key in batch:
                (batch[request.key] if self._shared else left).append(request)
            elif len(batch) < self._max_batch:
                batch[request.key] = [request]
            else:
                left.append(request)
        self._queue = left
        return batch

    async def _answer(self, batch: Batch[Item, Answer]) -> None:
        try:
            answers = await self._answers(batch)
        except Exception as error:  # noqa: BLE001 - each of the callers raises it
            for request in _pending(batch):
                request.answer.set_exception(error)
        except asyncio.CancelledError:
            for request in _pending(batch):
                request.answer.cancel()
            raise
        else:
            for request in _pending(batch):
                request.answer.set_result(answers.get(request.key))

    async def _answers(self, batch: Batch[Item, Answer]) -> Mapping[bytes, Answer | None]:
        if len(batch) == 1:
            ((key, (request, *_)),) = batch.items()
            return {key: await self._run_one(request.item)}
        # Sorted, so that two processes lock the same rows in the same order and never wait for each other.
        return await self._run_batch([batch[key][0].item for key in sorted(batch)])

    def _expire(self, now: float) -> float | None:
        following: float | None = None
        for request in (*(request for batch in self._batches for request in _pending(batch)), *self._queue):
            if request.answer.done():
                continue
            if request.until <= now:
                request.answer.set_exception(DatabaseUnavailable(NO_ANSWER))
            elif following is None or request.until < following:
                following = request.until
        return following


def _pending(batch: Batch[Item, Answer]) -> list[_Request[Item, Answer]]:
    return [request for group in batch.values() for request in group if not request.answer.done()]
