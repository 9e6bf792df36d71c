"""What runs in the thread of an aiosqlite connection: a batch in one hop, and nothing after its caller gave up."""

import sqlite3
from collections.abc import Iterator, Sequence
from math import inf
from threading import Lock
from time import monotonic
from typing import Any

from msgspec import Struct

from bodhi.database.sqlite_errors import TooLate, is_busy
from bodhi.database.statements import Statement

# How long SQLite itself waits for another process's lock. It asks ever more seldom, ten times a second in the end, and
# so misses the moments in which a process that writes all the time lets others in.
ASK_MS = 3
BUSY_SHARE = 0.8  # of the caller's time is for waiting for another process's lock: SQLite gives up before the caller

# SQLite takes "$1" for a parameter named "1". There are more of them than of any statement's arguments.
_NUMBERS = tuple(str(number) for number in range(1, 100))


class Work(Struct, eq=False):
    """The parameters of each run of one statement, in order."""

    runs: Sequence[Any] = ((),)
    result: str = "many"  # as a statement's header declares it; "count" is the rows that a run touched
    begin: str | None = None  # a transaction around them, which this statement begins
    until: float = inf  # by the monotonic clock: nothing begins after it
    is_bulk: bool = False  # answers nothing

    def __iter__(self) -> Iterator[Any]:
        return iter(self.runs)


def work_of(statement: Statement, arguments: Sequence[Any], *, is_batch: bool) -> Work:
    """Return the work of a statement with *arguments*, or with each of them as a batch."""
    # Without strict=, which would take as long as all the rest.
    if not is_batch:
        return Work([dict(zip(_NUMBERS, arguments))], statement.result)  # noqa: B905
    # In a transaction, or it would take and leave its locks for each.
    begin = "BEGIN" if statement.is_read_only else "BEGIN IMMEDIATE"
    runs = [dict(zip(_NUMBERS, one)) for one in arguments]  # noqa: B905
    return Work(runs, begin=begin if len(runs) > 1 else None)


class WorkConnection(sqlite3.Connection):
    """A connection whose ``execute`` takes a :class:`Work` as well, and then answers for all of it.

    It is how a batch takes one of aiosqlite's hops without reaching into aiosqlite.
    """

    def __init__(self, path: str, timeout: float, **options: Any) -> None:
        super().__init__(path, timeout=timeout, **options)
        self._longest_busy = timeout
        self._is_patient = False

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        """Return a cursor; for a :class:`Work` something with its ``fetchall`` at least."""
        if type(parameters) is not Work:
            return super().execute(sql, parameters)
        left = parameters.until - monotonic()
        if left <= 0:
            raise TooLate("its time was up before it began")
        if not self._is_patient:
            super().execute(f"PRAGMA busy_timeout = {ASK_MS}")
            self._is_patient = True
        give_up_at = monotonic() + min(self._longest_busy, left * BUSY_SHARE)
        while True:
            try:
                return self._execute(sql, parameters)
            except sqlite3.OperationalError as error:  # nothing of it happened
                if not is_busy(error) or monotonic() > give_up_at:
                    raise

    def _execute(self, sql: str, parameters: Work) -> Any:
        if parameters.begin is None:
            return self._run(sql, parameters)
        super().execute(parameters.begin)
        try:
            # On a busy machine SQLite waits for the lock for longer than its time limit.
            if monotonic() > parameters.until:
                raise TooLate("its time was up before the lock was free")
            answer = self._run(sql, parameters)
            super().execute("COMMIT")
        except BaseException:
            if self.in_transaction:
                super().execute("ROLLBACK")
            raise
        return answer

    def _run(self, sql: str, work: Work) -> Any:
        execute = super().execute
        if work.is_bulk:
            return super().executemany(sql, work.runs)
        if work.result == "count":
            return _Answer([execute(sql, parameters).rowcount for parameters in work.runs])
        if len(work.runs) == 1:
            return execute(sql, work.runs[0])
        return _Answer([row for parameters in work.runs for row in execute(sql, parameters).fetchall()])


class Opening:
    """Makes one connection, and closes it where its opener has given up: aiosqlite forgets it then."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._made: WorkConnection | None = None
        self._is_abandoned = False

    def make(self, *arguments: Any, **options: Any) -> WorkConnection:
        """Return the connection; what ``sqlite3.connect`` takes for a factory."""
        connection = WorkConnection(*arguments, **options)
        with self._lock:
            self._made = connection
            if self._is_abandoned:
                connection.close()
        return connection

    def abandon(self) -> None:
        """Close it, now or as soon as it is made."""
        with self._lock:
            self._is_abandoned = True
            if self._made is not None:
                self._made.close()


class _Answer:
    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows

    def fetchall(self) -> list[Any]:
        return self._rows
