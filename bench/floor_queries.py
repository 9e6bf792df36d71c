"""The floors' queries on bodhi's table, and the batching of concurrent calls."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from bench.sql_files import Statement

# The parameters that a floor sets, in the order of Values. All others, such as the time, are NULL.
PARAMETERS = ("digest", "version", "data", "user_id", "idle_ms", "longest_ms")

Row = Sequence[Any]
Values = tuple[Any, ...]  # values of the statement's leading PARAMETERS, and None
Query = Callable[[Values], Awaitable[Row | None]]
Batch = Callable[[list[Values]], Awaitable[list[Row | None]]]


@dataclass(frozen=True, slots=True)
class Queries:
    """The three statements, ready to run."""

    create: Query
    load: Query
    save: Query


def arguments_of(statement: Statement) -> Callable[[Values], Sequence[Any]]:
    """Return a function that maps values to the arguments of *statement*, by the names in its header."""
    # The None at the end stands for every parameter without a value.
    positions = [PARAMETERS.index(name) if name in PARAMETERS else -1 for name in statement.parameters]
    if len(positions) == 1:  # itemgetter with one position returns the value itself, not a tuple
        return lambda values: (values[positions[0]],)
    return itemgetter(*positions)


class Batcher:
    """Runs a lone call at once; calls that arrive while one is in flight are batched into the next round trip."""

    def __init__(self, single: Query, batch: Batch) -> None:
        self._single = single
        self._batch = batch
        self._waiting: list[tuple[Values, asyncio.Future[Row | None]]] = []
        self._in_flight = False
        self._was_batch = False
        self._task: asyncio.Task[None] | None = None  # a strong reference: the loop only has a weak one

    async def __call__(self, values: Values) -> Row | None:
        # After a batch, a call waits for one iteration of the loop: calls answered together tend to come together.
        if not self._in_flight and not self._was_batch:
            self._in_flight = True
            try:
                return await self._single(values)
            finally:
                self._in_flight = False
                if self._waiting:
                    self._start()
        future: asyncio.Future[Row | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((values, future))
        if not self._in_flight:
            self._start()
        return await future

    def _start(self) -> None:
        self._in_flight = True
        self._task = asyncio.get_running_loop().create_task(self._flush())

    async def _flush(self) -> None:
        try:
            while self._waiting:
                calls, self._waiting = self._waiting, []
                self._was_batch = len(calls) > 1
                await self._run_batch(calls)
        finally:
            self._in_flight = False

    async def _run_batch(self, calls: list[tuple[Values, "asyncio.Future[Row | None]"]]) -> None:
        try:
            rows = await self._batch([values for values, _ in calls])
        except BaseException as error:
            for _, future in calls:
                future.set_exception(error)
            raise
        for (_, future), row in zip(calls, rows, strict=True):
            if not future.done():
                future.set_result(row)
