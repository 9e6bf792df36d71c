"""The floor's queries on SQLite: one reader, one writer, one thread hop per batch."""

import sqlite3
import time
from contextlib import AsyncExitStack
from typing import Any

import aiosqlite

from bench.floor_queries import Batcher, Queries, Query, Row, Values, arguments_of
from bench.sql_files import Statement, statements_of

# The same durability as bodhi's: the comparison is not about pragmas.
PRAGMAS = ("journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 250", "secure_delete = ON")


class Rows(list[Row]):
    """Rows with the interface of the cursor that aiosqlite fetches from."""

    def fetchall(self) -> list[Row]:
        """Return all rows."""
        return self


class Connection(sqlite3.Connection):
    """Runs a statement for a list of parameters in one transaction and one call to the thread."""

    begin = "BEGIN"

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        if type(parameters) is not list:
            return super().execute(sql, parameters)
        execute = super().execute
        execute(self.begin)
        rows = Rows(row for each in parameters for row in execute(sql, each).fetchall())
        execute("COMMIT")
        return rows


class WritingConnection(Connection):
    """The same, with the write lock from the start."""

    begin = "BEGIN IMMEDIATE"


async def open_queries(url: str, stack: AsyncExitStack, *, batched: bool) -> Queries:
    """Open queries on the database of *url* until *stack* closes; if *batched*, concurrent calls run as one batch."""
    statements = statements_of("sqlite")
    path = url.removeprefix("sqlite:")
    reader, writer = [await _connect(path, factory, stack) for factory in (Connection, WritingConnection)]
    return Queries(
        _query(writer, statements["create_session"], batched=batched),
        _query(reader, statements["load_session"], batched=batched),
        _query(writer, statements["save_session"], batched=batched),
    )


async def _connect(path: str, factory: type[Connection], stack: AsyncExitStack) -> aiosqlite.Connection:
    connection = await aiosqlite.connect(path, isolation_level=None, factory=factory)
    stack.push_async_callback(connection.close)
    await connection.create_function("now_ms", 1, _now_ms, deterministic=True)
    for pragma in PRAGMAS:
        await connection.execute_fetchall(f"PRAGMA {pragma}")
    return connection


def _now_ms(fixed: int | None) -> int:
    """Implement ``now_ms()``, which the statements call: milliseconds since 1970."""
    return time.time_ns() // 1_000_000 if fixed is None else fixed


def _query(connection: aiosqlite.Connection, statement: Statement, *, batched: bool) -> Query:
    sql, arguments, digest = statement.sql, arguments_of(statement), statement.columns.index("digest")
    names = [str(number) for number in range(1, len(statement.parameters) + 1)]  # SQLite treats $1 as a name
    fetch: Any = connection.execute_fetchall

    async def single(values: Values) -> Row | None:
        rows: list[Row] = await fetch(sql, dict(zip(names, arguments(values), strict=True)))
        return rows[0] if rows else None

    async def batch(calls: list[Values]) -> list[Row | None]:
        if len(calls) == 1:
            return [await single(calls[0])]
        rows = await fetch(sql, [dict(zip(names, arguments(values), strict=True)) for values in calls])
        by_digest: dict[bytes, Row] = {row[digest]: row for row in rows}
        return [by_digest.get(values[0]) for values in calls]

    return Batcher(single, batch) if batched else single
