"""What runs in the thread of an aiosqlite connection: a batch in one hop, and nothing after its caller gave up."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import Any, cast

import aiosqlite

BUSY_SHARE = 0.8  # of the caller's time is for waiting for another process's lock: SQLite gives up before the caller


@dataclass(slots=True)
class Work:
    """The parameter sets that one statement is run with, in order."""

    values: Sequence[dict[str, object]] = ({},)
    until: float = inf  # by the monotonic clock: after it nothing is begun
    begin: str | None = None  # a transaction of its own, which it begins with
    counted: bool = False  # answer how many rows were touched instead of the rows
    rows: Sequence[Sequence[object]] | None = None  # instead of values, by position: answers nothing


class TooLate(sqlite3.OperationalError):
    """The caller has given up by the time the thread came to it: what was refused must not happen later."""

    sqlite_errorcode = sqlite3.SQLITE_BUSY


async def run(connection: aiosqlite.Connection, sql: str, work: Work) -> list[Any]:
    """The rows of *work*, or its row counts, in one hop to the thread of *connection*."""
    return cast("list[Any]", await connection.execute_fetchall(sql, cast("Iterable[Any]", work)))


class WorkConnection(sqlite3.Connection):
    """A connection whose ``execute`` takes a :class:`Work` as well, and then answers for all of it.

    It is how a batch rides in one of aiosqlite's hops without reaching into aiosqlite.
    """

    def __init__(self, path: str, timeout: float, **options: Any) -> None:
        super().__init__(path, timeout=timeout, **options)
        self._most_busy = self._busy = timeout

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        """A cursor; for a :class:`Work` something with its ``fetchall`` alone."""
        if not isinstance(parameters, Work):
            return super().execute(sql, parameters)
        self._heed(parameters.until)
        if parameters.begin is None:
            return _Answer(self._each(sql, parameters))
        super().execute(parameters.begin)
        try:
            # On a busy machine SQLite waits for the lock for longer than its time limit.
            if monotonic() > parameters.until:
                raise TooLate("its time was up before the lock was free")
            rows = self._each(sql, parameters)
            super().execute("COMMIT")
        except BaseException:
            if self.in_transaction:
                super().execute("ROLLBACK")
            raise
        return _Answer(rows)

    def _heed(self, until: float) -> None:
        left = until - monotonic()
        if left <= 0:
            raise TooLate("its time was up before it began")
        busy = min(self._most_busy, left * BUSY_SHARE)
        if abs(busy - self._busy) > self._most_busy / 20:  # setting it for every statement would cost as much as one
            super().execute(f"PRAGMA busy_timeout = {round(busy * 1000)}")
            self._busy = busy

    def _each(self, sql: str, work: Work) -> list[Any]:
        execute = super().execute
        if work.rows is not None:
            super().executemany(sql, work.rows)
            return []
        if work.counted:
            return [execute(sql, values).rowcount for values in work.values]
        return [row for values in work.values for row in execute(sql, values).fetchall()]


class _Answer:
    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows

    def fetchall(self) -> list[Any]:
        return self._rows
