"""SQLite through aiosqlite: one writer, and readers on separate connections.

Every call is one hop to a connection's thread, since the hop costs more than most statements. Coroutines sharing a
connection would share its transaction too, so writes take turns.
"""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from time import monotonic
from typing import Any, Self

import aiosqlite

from bodhi.database.errors import CannotOpen, DatabaseError, NotOpen
from bodhi.database.executor import DatabaseExecutor, StatementExecutor
from bodhi.database.limits import TimeLimit
from bodhi.database.pool import Pool
from bodhi.database.protocol import DatabaseCounters, Executor, Row
from bodhi.database.sqlite_connection import connect, open_connection, read_only_uri
from bodhi.database.sqlite_errors import cause_of, translate
from bodhi.database.sqlite_files import OpenFile, check_file, make_file
from bodhi.database.sqlite_thread import Work, work_of
from bodhi.database.statements import Statement, load_statements
from bodhi.database.turns import Turns
from bodhi.forks import REFUSAL, note_closed, note_opened

MEMORY = ":memory:"
CHANGES_SECONDS = 0.1  # between two reads of the change counter
OLDEST_SQLITE = (3, 37)  # STRICT tables; RETURNING came with 3.35

_parents_files: set[tuple[int, int]] = set()  # identities of the files that the parent process had open


class SqliteDatabase(DatabaseExecutor):
    """One SQLite file, or a database in memory that lives as long as this object is entered."""

    dialect = "sqlite"
    system = "sqlite"

    def __init__(
        self,
        path: str,
        *,
        readers: int = 2,
        limit_seconds: float = 5.0,
        synchronous: str = "full",
        read_only: bool = False,
    ) -> None:
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

    @property
    def address(self) -> str:
        """The database's URL."""
        return f"sqlite:{self._path}"

    async def __aenter__(self) -> Self:
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise CannotOpen(f"SQLite {sqlite3.sqlite_version} is too old: bodhi needs 3.37 or newer")
        try:
            if self._path != MEMORY and self._read_only:
                check_file(self._path, os.R_OK)
            elif self._path != MEMORY:
                make_file(self._path)
            self._file = OpenFile(self._path) if self._path != MEMORY else None
            if self._file is not None:
                self._stack.callback(self._file.close)
                if self._file.identity in _parents_files:
                    raise CannotOpen(f"cannot open {self.address}: {REFUSAL}")
            self._writer = Pool([await self._connect()], self.counters)
            readers = [await self._connect() for _ in range(self._reader_count)]
            self._readers = Pool(readers, DatabaseCounters()) if readers else self._writer
        except (OSError, sqlite3.Error) as error:
            await self._stack.aclose()
            raise CannotOpen(f"cannot open {self.address}: {cause_of(error)}") from error
        except BaseException:
            await self._stack.aclose()
            raise
        self._is_open = True
        note_opened(self)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_open = False
        note_closed(self)
        await self._stack.aclose()

    def _leave_to_parent(self) -> object:
        """Become closed, in a child process, and never open again."""
        self._is_open = False
        if self._file is not None:
            _parents_files.add(self._file.identity)
        return self._stack.pop_all()

    async def _connect(self) -> aiosqlite.Connection:
        return await connect(
            self._path,
            self._stack,
            limit_seconds=self.limit_seconds,
            synchronous=self._synchronous,
            read_only=self._read_only,
        )

    @asynccontextmanager
    async def transaction(self, *, limit_seconds: float | None = None) -> AsyncIterator[Executor]:
        """Return a transaction that takes the write lock at its start, so that no later statement waits for it."""
        self._check(for_write=True)
        limit = limit_seconds or self.limit_seconds
        until = monotonic() + limit
        try:
            async with asyncio.timeout(limit), self._writer.lend() as writer, _transaction(writer, until):
                yield _Transaction(writer, self._statements, until)
        except (TimeoutError, sqlite3.Error) as error:
            raise self._failure(error) from error
        except ValueError as error:
            self._refuse_if_closed(error)
            raise

    async def listen(self, _channel: str, notify: Callable[[str | None], None], /) -> None:
        """SQLite has no notifications: poll its change counter, which is cheap to read."""
        if self._path == MEMORY:
            await asyncio.Event().wait()  # no other connection can see, or change, what is in it
        while True:
            with suppress(sqlite3.Error):
                await self._follow_changes(notify)
            await asyncio.sleep(self.limit_seconds)

    async def _follow_changes(self, notify: Callable[[str | None], None]) -> None:
        # On a separate connection, since the counter covers only what other connections wrote.
        async with open_connection(read_only_uri(self._path), uri=True, timeout=self.limit_seconds) as connection:
            seen = None
            while True:
                ((version,),) = await connection.execute_fetchall("PRAGMA data_version")
                if version != seen:
                    seen = version
                    notify(None)
                await asyncio.sleep(CHANGES_SECONDS)

    async def _run(self, statement: Statement, arguments: Sequence[Any], *, is_batch: bool = False) -> Any:
        self._check(for_write=not statement.is_read_only)
        work = work_of(statement, arguments, is_batch=is_batch)
        connections = self._readers if statement.is_read_only else self._writer
        try:
            wait = self._limit.start()
            work.until = wait.until
            try:
                connection = connections.take() or await connections.wait()
                try:
                    rows: Any = await connection.execute_fetchall(statement.sql, work)
                finally:
                    connections.give_back(connection)
            finally:
                wait.stop()
        except (TimeoutError, sqlite3.Error) as error:
            raise self._failure(error) from error
        except ValueError as error:
            self._refuse_if_closed(error)
            raise
        return rows if work.result == "many" else next(iter(rows), None)

    def _check(self, *, for_write: bool) -> None:
        if not self._is_open:
            raise NotOpen
        # At each write, where its cost is negligible; the sweeper writes even if there is no other writer.
        if self._file is not None and (for_write or self._file.is_lost):
            self._file.check()

    def _refuse_if_closed(self, error: ValueError) -> None:
        """Raise :exc:`NotOpen` if *error* is aiosqlite's for a connection that was closed while the call waited."""
        if not self._is_open:
            raise NotOpen from error

    def _failure(self, error: TimeoutError | sqlite3.Error) -> DatabaseError:
        failure = translate(error)
        self.counters.failed(failure)
        return failure


@asynccontextmanager
async def _transaction(writer: aiosqlite.Connection, until: float) -> AsyncIterator[None]:
    try:
        await writer.execute_fetchall("BEGIN IMMEDIATE", Work(until=until))
        yield
        await writer.execute_fetchall("COMMIT", Work(until=until))
    except BaseException:
        # Shielded, and queued behind the thread's other work: a BEGIN that timed out may still succeed, and would
        # leave its transaction open for the next caller.
        await asyncio.shield(_roll_back(writer))
        raise


async def _roll_back(writer: aiosqlite.Connection) -> None:
    with suppress(sqlite3.Error):
        await writer.execute_fetchall("ROLLBACK")


class _Transaction(StatementExecutor):
    """The writer inside a transaction: no lock and no time limit of its own."""

    system = SqliteDatabase.system

    def __init__(self, writer: aiosqlite.Connection, statements: Mapping[str, Statement], until: float) -> None:
        self._writer = writer
        self._statements = statements
        self._until = until

    async def _run(self, statement: Statement, arguments: Sequence[Any], *, is_batch: bool = False) -> Any:
        work = work_of(statement, arguments, is_batch=is_batch)
        work.begin = None
        rows: Any = await self._do(statement.sql, work)
        return rows if work.result == "many" else next(iter(rows), None)

    async def fill(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]], /) -> None:
        marks = ", ".join("?" * len(columns))
        sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - names of the program
        await self._do(sql, Work(rows, is_bulk=True))

    async def script(self, sql: str, /) -> None:
        for statement in _split(sql):
            await self._do(statement, Work())

    async def _do(self, sql: str, work: Work) -> Iterable[Row]:
        work.until = self._until
        return await self._writer.execute_fetchall(sql, work)


def _split(sql: str) -> Iterator[str]:
    statement = ""
    for piece in sql.split(";"):
        statement += piece + ";"
        if sqlite3.complete_statement(statement):  # this semicolon is in no comment, no text and no trigger's body
            yield statement
            statement = ""
