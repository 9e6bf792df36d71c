"""SQLite through aiosqlite: one writer, readers on connections of their own.

Every call is one hop to a connection's thread, since the hop costs more than most statements. Coroutines that shared
a connection would share its transaction too, so writes take turns.
"""

import asyncio
import errno
import os
import sqlite3
import stat
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from time import monotonic, time_ns
from typing import Self
from urllib.parse import quote

import aiosqlite

from bodhi.database.counters import CountedLock, DatabaseCounters
from bodhi.database.errors import CannotOpen, Conflict, DatabaseError, DatabaseUnavailable
from bodhi.database.limits import TimeLimit
from bodhi.database.protocol import Executor, Row
from bodhi.database.sqlite_thread import BUSY_SHARE, Work, WorkConnection, run
from bodhi.database.statements import Statement, load_statements
from bodhi.database.turns import Turns
from bodhi.telemetry import statement_spans

MEMORY = ":memory:"
CHANGES_SECONDS = 0.1  # between two looks at the counter of changes
SYNCHRONOUS = ("full", "normal")  # what was answered survives a power cut; or only the death of the process
NOT_OPEN = "SQLite: it is not open"
_NUMBERS = tuple(str(number) for number in range(1, 100))
OLDEST_SQLITE = (3, 37)  # STRICT tables; RETURNING came with 3.35

# A megabyte, a quarter of what SQLite takes by itself: every save waits while the writer brings it to the file.
CHECKPOINT_PAGES = 250


class SqliteDatabase:
    """One SQLite file, or a database in memory that lives as long as this object is entered."""

    dialect = "sqlite"

    def __init__(
        self,
        path: str,
        *,
        readers: int = 2,
        limit_seconds: float = 5.0,
        synchronous: str = "full",
        read_only: bool = False,
    ) -> None:
        if synchronous.lower() not in SYNCHRONOUS:
            raise CannotOpen(f"synchronous is {' or '.join(SYNCHRONOUS)}, not {synchronous!r}")
        self._path = path
        self._reader_count = 0 if path == MEMORY else readers
        self.limit_seconds = limit_seconds
        self._limit = TimeLimit(limit_seconds)
        self.turn = Turns(limit_seconds)
        self._synchronous = synchronous
        self._read_only = read_only
        self._statements = load_statements("sqlite")
        self._is_open = False
        self._stack = AsyncExitStack()
        self.counters = DatabaseCounters()
        self._writing = CountedLock(self.counters)
        self._readers: list[aiosqlite.Connection] = []
        self._reader_free = asyncio.Semaphore(self._reader_count)

    @property
    def address(self) -> str:
        """The database's URL."""
        return f"sqlite:{self._path}"

    async def __aenter__(self) -> Self:
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise CannotOpen(f"SQLite {sqlite3.sqlite_version} is too old: bodhi needs 3.37 or newer")
        try:
            if self._read_only:
                _look_at_file(self._path, os.R_OK)
            else:
                _make_file(self._path)
            self._writer = await self._connect()
            self._readers = [await self._connect() for _ in range(self._reader_count)]
        except (OSError, sqlite3.Error) as error:
            await self._stack.aclose()
            raise CannotOpen(f"cannot open {self.address}: {_cause(error)}") from error
        except BaseException:
            await self._stack.aclose()
            raise
        self._is_open = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_open = False
        await self._stack.aclose()

    async def maybe(self, name: str, /, **values: object) -> Row | None:
        """The only row of the answer, or None."""
        rows = await self._run(self._statements[name], [values])
        return rows[0] if rows else None

    async def many(self, name: str, /, **values: object) -> Sequence[Row]:
        """All rows of the answer."""
        return await self._run(self._statements[name], [values])

    async def count(self, name: str, /, **values: object) -> int:
        """How many rows the statement touched."""
        statement = self._statements[name]
        async with self._limited() as until, self._writing:
            return await _touched(self._writer, statement, values, until)

    async def each(self, name: str, values: Sequence[Mapping[str, object]], /) -> Sequence[Row]:
        """The statement run once for each of *values*, in one transaction and one hop."""
        return await self._run(self._statements[name], values)

    async def fill(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]], /) -> None:
        """Insert many rows in one transaction."""
        async with self.transaction() as transaction:
            await transaction.fill(table, columns, rows)

    async def script(self, sql: str, /) -> None:
        """Run several statements in one transaction."""
        async with self.transaction() as transaction:
            await transaction.script(sql)

    @asynccontextmanager
    async def transaction(self, *, limit_seconds: float | None = None) -> AsyncIterator[Executor]:
        """A transaction that holds the write lock from its start, so that it never fails half-way for want of it."""
        async with self._limited(limit_seconds) as until, self._writing:
            try:
                await run(self._writer, "BEGIN IMMEDIATE", Work(until=until))
                yield _Transaction(self._writer, self._statements, until)
                await run(self._writer, "COMMIT", Work(until=until))
            except BaseException:
                # Shielded, and queued behind whatever the thread still does: a BEGIN that was given up
                # on may succeed late and would leave its transaction open for the next one.
                await asyncio.shield(self._roll_back())
                raise

    async def listen(self, _channel: str, heard: Callable[[str | None], None], /) -> None:
        """SQLite has no notifications: a counter, cheap to read, says whether anybody wrote anything."""
        if self._path == MEMORY:
            await asyncio.Event().wait()  # no other connection can see, or change, what is in it
        while True:
            with suppress(sqlite3.Error):
                await self._follow_changes(heard)
            await asyncio.sleep(self.limit_seconds)

    async def _follow_changes(self, heard: Callable[[str | None], None]) -> None:
        # A connection of its own, since the counter is about what the others of it wrote.
        async with aiosqlite.connect(f"file:{quote(self._path)}?mode=ro", uri=True) as connection:
            seen = None
            while True:
                ((version,),) = await connection.execute_fetchall("PRAGMA data_version")
                if version != seen:
                    seen = version
                    heard(None)
                await asyncio.sleep(CHANGES_SECONDS)

    async def _roll_back(self) -> None:
        with suppress(sqlite3.Error):
            await self._writer.execute_fetchall("ROLLBACK")

    @statement_spans("sqlite")
    async def _run(self, statement: Statement, values: Sequence[Mapping[str, object]]) -> Sequence[Row]:
        if not self._is_open:
            raise DatabaseUnavailable(NOT_OPEN)
        # What _limited does at less cost: this is the way of every load and save.
        try:
            with self._limit() as until:
                work = Work([_bound(statement, one) for one in values], until)
                is_batch = len(values) > 1
                if statement.reads_only and self._reader_count:
                    work.begin = "BEGIN" if is_batch else None  # or it would take and leave its locks for each
                    return await self._read(statement, work)
                work.begin = "BEGIN IMMEDIATE" if is_batch else None
                async with self._writing:
                    return await run(self._writer, statement.sql, work)
        except (TimeoutError, sqlite3.Error) as error:
            raise self._told(error) from error

    async def _read(self, statement: Statement, work: Work) -> Sequence[Row]:
        async with self._reader_free:
            reader = self._readers.pop()
            try:
                return await run(reader, statement.sql, work)
            finally:
                self._readers.append(reader)

    @asynccontextmanager
    async def _limited(self, limit_seconds: float | None = None) -> AsyncIterator[float]:
        """Bound the waiting inside; gives when the time is up, by the monotonic clock."""
        if not self._is_open:
            raise DatabaseUnavailable(NOT_OPEN)
        limit = limit_seconds or self.limit_seconds
        try:
            async with asyncio.timeout(limit):
                yield monotonic() + limit
        except (TimeoutError, sqlite3.Error) as error:
            raise self._told(error) from error

    def _told(self, error: TimeoutError | sqlite3.Error) -> DatabaseError:
        told = DatabaseUnavailable() if isinstance(error, TimeoutError) else _translated(error)
        self.counters.failed(told)
        return told

    async def _connect(self) -> aiosqlite.Connection:
        connection = await self._stack.enter_async_context(
            aiosqlite.connect(
                f"file:{quote(self._path)}?mode=ro" if self._read_only else self._path,
                uri=self._read_only,
                isolation_level=None,  # transactions are begun and ended here, never by the driver
                timeout=self.limit_seconds * BUSY_SHARE,
                factory=WorkConnection,
            )
        )
        connection.row_factory = sqlite3.Row
        connection.text_factory = _text_or_bytes if self._read_only else _legible
        await connection.create_function("now_ms", 1, _now_ms, deterministic=True)
        if self._read_only:
            return connection
        await self._write_ahead(connection)
        for pragma in (
            f"synchronous = {self._synchronous}",
            f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
            "foreign_keys = ON",
            "secure_delete = ON",
        ):
            await connection.execute_fetchall(f"PRAGMA {pragma}")
        return connection

    async def _write_ahead(self, connection: aiosqlite.Connection) -> None:
        # The switch to WAL does not wait for locks by itself: two processes that start at once would collide.
        deadline = asyncio.get_running_loop().time() + self.limit_seconds
        while True:
            try:
                await connection.execute_fetchall("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if not _is_busy(error) or asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(0.02)


class _Transaction:
    """The writer inside a transaction: no lock and no time limit of its own."""

    def __init__(self, writer: aiosqlite.Connection, statements: Mapping[str, Statement], until: float) -> None:
        self._writer = writer
        self._statements = statements
        self._until = until

    async def maybe(self, name: str, /, **values: object) -> Row | None:
        rows = await self.each(name, [values])
        return rows[0] if rows else None

    async def many(self, name: str, /, **values: object) -> Sequence[Row]:
        return await self.each(name, [values])

    async def count(self, name: str, /, **values: object) -> int:
        return await _touched(self._writer, self._statements[name], values, self._until)

    @statement_spans("sqlite")
    async def each(self, name: str, values: Sequence[Mapping[str, object]], /) -> Sequence[Row]:
        statement = self._statements[name]
        work = Work([_bound(statement, one) for one in values], self._until)
        return await run(self._writer, statement.sql, work)

    async def fill(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]], /) -> None:
        marks = ", ".join("?" * len(columns))
        sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - names of the program
        await run(self._writer, sql, Work(rows=rows, until=self._until))

    async def script(self, sql: str, /) -> None:
        for statement in _split(sql):
            await run(self._writer, statement, Work(until=self._until))


def _bound(statement: Statement, values: Mapping[str, object]) -> dict[str, object]:
    # SQLite takes "$1" for a parameter named "1".
    return dict(zip(_NUMBERS, statement.arguments(values), strict=False))


@statement_spans("sqlite")
async def _touched(
    connection: aiosqlite.Connection, statement: Statement, values: Mapping[str, object], until: float
) -> int:
    rows = await run(connection, statement.sql, Work([_bound(statement, values)], until, counted=True))
    return int(rows[0])


def _now_ms(fixed: int | None) -> int:
    """SQL's ``now_ms($n)``: milliseconds since 1970, or what a test says the time is."""
    return time_ns() // 1_000_000 if fixed is None else fixed


# SQLite keeps whatever another program called text, and a row with bytes that are none must not hide the others.
# A partial of a C function, since it runs for every text of every row.
_legible = partial(str, encoding="utf-8", errors="replace")


def _text_or_bytes(text: bytes) -> str | bytes:
    """*text*, or its bytes where they are not UTF-8, for who has to tell the difference."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text


def _split(sql: str) -> Iterable[str]:
    statement = ""
    for piece in sql.split(";"):
        statement += piece + ";"
        if sqlite3.complete_statement(statement):  # this semicolon is in no comment, no text and no trigger's body
            yield statement
            statement = ""


def _make_file(path: str) -> None:
    """Create the file and its folder for this user alone; SQLite gives its WAL the same mode."""
    if path == MEMORY:
        return
    folder = Path(path).parent
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True)
    # Only where it is missing: closing a file takes away all of the process's locks on it, those of other connections
    # too, and the next process that leaves would delete the log under them, with all they write from then on.
    if not Path(path).exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    _look_at_file(path, os.R_OK | os.W_OK)


def _look_at_file(path: str, mode: int) -> None:
    """Say why SQLite could not open the file, which it would not itself. It is not opened: see above."""
    if path == MEMORY:
        return
    if stat.S_ISDIR(Path(path).stat().st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not os.access(path, mode):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _is_busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _translated(error: sqlite3.Error) -> DatabaseError:
    if isinstance(error, sqlite3.IntegrityError) and "UNIQUE" in str(error):
        return Conflict(str(error))
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_MISUSE):
        return DatabaseError(str(error))
    return DatabaseUnavailable(f"SQLite: {error}")  # busy, full, read-only, input/output, malformed, cannot open


def _cause(error: OSError | sqlite3.Error) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
