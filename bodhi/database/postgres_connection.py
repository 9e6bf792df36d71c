"""One connection to PostgreSQL, kept with the statements that are prepared on it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from time import monotonic
from typing import Any

import asyncpg

from bodhi.database.errors import NotOpen
from bodhi.database.postgres_errors import leaves_usable
from bodhi.database.protocol import Row
from bodhi.database.statements import Statement

LONGEST_IDLE_SECONDS = 240  # firewalls forget a silent connection after 5 minutes or more, without notice
CLOSE_SECONDS = 1.0  # for closing connections politely, which spares the server's log

_closing: set["asyncio.Task[None]"] = set()


class Connection:
    """A slot in asyncpg's pool: its connection is opened at the first use, and again after it was dropped."""

    def __init__(self, *, prepares: bool) -> None:
        self._prepares = prepares
        self._raw: Any = None  # asyncpg does not type the connections of a pool
        self.is_sound = False  # open, and not lost or distrusted since
        self._used_at = 0.0

    def begin_use(self) -> bool:
        """Return whether a statement may be sent at once; otherwise call :meth:`open` first."""
        now = monotonic()
        is_fresh = now - self._used_at < LONGEST_IDLE_SECONDS
        self._used_at = now
        return self.is_sound and is_fresh

    async def open(self, pool: asyncpg.Pool | None) -> None:
        """Open a new connection."""
        self.drop()
        if pool is None:
            raise NotOpen
        self._raw = raw = await pool.acquire()
        raw.add_termination_listener(partial(self._lose, raw))
        self._calls: dict[str, Callable[..., Awaitable[Any]]] = {}  # by the names of statements
        self._queries: dict[str, Any] = {}
        self.is_sound = True

    def _lose(self, raw: object, _: object) -> None:
        if raw is self._raw:
            self.is_sound = False

    def distrust(self) -> None:
        """Reconnect before the next use; a running statement continues."""
        self.is_sound = False

    def drop(self) -> None:
        """Close at once, without notifying a server that may be unreachable; the pool may then open another."""
        raw = self._detach()
        if raw is not None:
            _terminate(raw)

    def drop_after(self, error: BaseException) -> None:
        """Drop it unless *error* leaves it fit for the next caller."""
        if isinstance(error, asyncio.CancelledError):  # by the time limit, most often
            # Cancel the statement on the server before closing. Otherwise a statement that waits for a lock would
            # stay in the queue for it, though its caller is gone.
            task = asyncio.get_running_loop().create_task(self.close())
            _closing.add(task)  # the loop itself holds tasks only weakly
            task.add_done_callback(_closing.discard)
        elif not leaves_usable(error):
            self.drop()

    def close(self) -> Coroutine[Any, Any, None]:
        """Close the connection, and cancel its running statement."""
        return _close(self._detach())

    def leave_to_parent(self) -> object:
        """Detach and return the connection, which a child process must neither use nor close."""
        return self._detach()

    def _detach(self) -> Any:
        raw, self._raw = self._raw, None
        self.is_sound = False
        return raw

    def run(self, statement: Statement, arguments: Sequence[Any], *, is_batch: bool) -> Awaitable[Any]:
        """Run *statement*, and return what its header declares; or a batch of it, in one implicit transaction."""
        if is_batch:
            return self._run_batch(statement, arguments)
        call = self._calls.get(statement.name)
        return call(*arguments) if call is not None else self._run_first(statement, arguments)

    async def _run_first(self, statement: Statement, arguments: Sequence[Any]) -> Any:
        if statement.result == "count":
            call = partial(_count, self._raw, statement.sql)
        else:
            query = await self._query(statement)
            call = query.fetchrow if statement.result == "maybe" else query.fetch
        self._calls[statement.name] = call
        return await call(*arguments)

    async def _run_batch(self, statement: Statement, arguments: Sequence[Any]) -> Sequence[Row]:
        query = await self._query(statement)
        rows: Sequence[Row] = await query.fetchmany(arguments)
        return rows

    async def _query(self, statement: Statement) -> Any:
        query = self._queries.get(statement.name)
        if query is None:
            raw, sql = self._raw, statement.sql
            query = self._queries[statement.name] = await raw.prepare(sql) if self._prepares else _Unprepared(raw, sql)
        return query

    async def fill(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Insert *rows* by COPY."""
        await self._raw.copy_records_to_table(table, records=rows, columns=columns)

    async def script(self, sql: str) -> None:
        """Run several statements in one implicit transaction."""
        await self._raw.execute(sql)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Run the block in a READ COMMITTED transaction."""
        transaction = self._raw.transaction(isolation="read_committed")
        await transaction.start()
        try:
            yield
        except BaseException as error:
            # For a dropped connection the server rolls back on its own: waiting for that could take for ever.
            if leaves_usable(error):
                await transaction.rollback()
            raise
        try:
            await transaction.commit()
        except BaseException:
            # A commit that timed out or failed may still have taken effect, and the connection's state is unknown.
            self.drop()
            raise


class _Unprepared:
    """A query that is parsed at each use: PgBouncer may send it to another server connection each time."""

    def __init__(self, raw: Any, sql: str) -> None:
        self.fetchrow = partial(raw.fetchrow, sql)
        self.fetch = partial(raw.fetch, sql)
        self.fetchmany = partial(raw.fetchmany, sql)


async def _count(raw: Any, sql: str, *arguments: object) -> int:
    tag: str = await raw.execute(sql, *arguments)
    return int(tag.rpartition(" ")[2])


async def _close(raw: Any) -> None:
    if raw is not None:
        with suppress(TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await raw.close()
        _terminate(raw)


def _terminate(raw: Any) -> None:
    with suppress(asyncpg.InterfaceError):  # it was closed, and went back to the pool, already
        raw.terminate()
