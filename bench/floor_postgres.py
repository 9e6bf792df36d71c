"""The floor's queries on PostgreSQL: a pool of connections with prepared statements."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import asyncpg

from bench.floor_queries import Batcher, Queries, Query, Row, Values, arguments_of
from bench.sql_files import Statement, statements_of

CONNECTIONS = 10  # bodhi's own default


class Pool:
    """A LIFO pool of connections, each represented by its prepared statements."""

    def __init__(self) -> None:
        self.idle: list[list[Any]] = []
        self._waiting: list[asyncio.Future[list[Any]]] = []

    async def acquire(self) -> list[Any]:
        """Acquire a connection; return its prepared statements."""
        if self.idle:
            return self.idle.pop()
        future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        return await future

    def release(self, prepared: list[Any]) -> None:
        """Release a connection."""
        if self._waiting:
            self._waiting.pop(0).set_result(prepared)
        else:
            self.idle.append(prepared)


async def open_queries(url: str, stack: AsyncExitStack, *, batched: bool) -> Queries:
    """Open queries on the database of *url* until *stack* closes; if *batched*, concurrent calls run as one batch."""
    statements = [statements_of("postgres")[f"{name}_session"] for name in ("create", "load", "save")]
    pool = Pool()
    for _ in range(CONNECTIONS):
        connection = await asyncpg.connect(url)
        stack.push_async_callback(connection.close)
        pool.release([await connection.prepare(statement.sql) for statement in statements])
    return Queries(*(_query(pool, position, each, batched=batched) for position, each in enumerate(statements)))


def _query(pool: Pool, position: int, statement: Statement, *, batched: bool) -> Query:
    arguments, digest = arguments_of(statement), statement.columns.index("digest")

    async def single(values: Values) -> Row | None:
        prepared = await pool.acquire()
        try:
            row: Row | None = await prepared[position].fetchrow(*arguments(values))
        finally:
            pool.release(prepared)
        return row

    async def batch(calls: list[Values]) -> list[Row | None]:
        if len(calls) == 1:
            return [await single(calls[0])]
        prepared = await pool.acquire()
        try:
            rows = await prepared[position].fetchmany([arguments(values) for values in calls])
        finally:
            pool.release(prepared)
        by_digest: dict[bytes, Row] = {row[digest]: row for row in rows}
        return [by_digest.get(values[0]) for values in calls]

    return Batcher(single, batch) if batched else single
