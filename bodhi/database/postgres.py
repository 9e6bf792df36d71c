"""PostgreSQL through asyncpg: its pool, with the connections kept while they work.

A connection is taken from asyncpg's pool once and kept, last in first out, with its prepared statements: giving it back
after every use would cost a reset query and the statements. Connecting, several hosts, and finding the
primary again after a failover stay the pool's work. Nothing here may set state on a connection outside a transaction.

Everything runs READ COMMITTED, whatever the server, the database, the role or the URL has for a default. Transactions
say so as they begin, and connections as they start. Where a pooler takes no such start-up parameter, a single statement
runs under the default, and once more in a READ COMMITTED transaction if that refuses it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Any, Self, TypeVar, cast

import asyncpg

from bodhi.database.counters import CountedSemaphore, DatabaseCounters
from bodhi.database.errors import CannotOpen, Conflict, DatabaseError, DatabaseUnavailable
from bodhi.database.limits import TimeLimit
from bodhi.database.notifications import listen
from bodhi.database.postgres_hosts import HostsInTurn
from bodhi.database.protocol import Executor, Row
from bodhi.database.statements import Statement, load_statements
from bodhi.database.turns import Turns
from bodhi.postgres_urls import read_postgres_url
from bodhi.telemetry import statement_spans
from bodhi.urls import mask_url

LONGEST_IDLE_SECONDS = 240  # firewalls forget a silent connection after 5 minutes or more, without telling it
CLOSE_SECONDS = 1.0  # for closing connections politely, which spares the server's log
ATTEMPTS = 3  # of a single statement that lost a deadlock or a stale plan: nothing of it happened

Answer = TypeVar("Answer")


class PostgresDatabase:
    """One PostgreSQL database, on one server or on a primary with standbys."""

    dialect = "postgres"

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 10,
        limit_seconds: float = 5.0,
        statement_cache_size: int = 100,
        schema: str | None = None,
    ) -> None:
        self._url = read_postgres_url(url)
        self._address = mask_url(url)
        self._pool_size = pool_size
        self.limit_seconds = limit_seconds
        self._limit = TimeLimit(limit_seconds)
        self.turn = Turns(limit_seconds)
        self._statement_cache_size = statement_cache_size
        self._schema = schema
        self._statements = load_statements("postgres")
        self._kept: list[_Connection] = []
        self._distrusted_until = 0.0  # connections opened before are not used again, by the monotonic clock
        self.counters = DatabaseCounters()
        self._free = CountedSemaphore(pool_size, self.counters)
        self._pool: asyncpg.Pool | None = None

    @property
    def address(self) -> str:
        """The database's URL with the password masked."""
        return self._address

    async def __aenter__(self) -> Self:
        try:
            async with asyncio.timeout(self.limit_seconds * 2):
                self._pool = await asyncpg.create_pool(
                    # One to see that it works; no floor, which the pool would keep up behind the back of a close.
                    min_size=0,
                    init_size=1,
                    max_size=self._pool_size,
                    connect=self._hosts(self._distrust),
                    statement_cache_size=self._statement_cache_size,
                    server_settings={"search_path": self._schema} if self._schema else None,
                )
        except (ValueError, *_FAILURES) as error:
            raise CannotOpen(f"cannot open {self.address}: {_cause(error)}") from error
        return self

    async def __aexit__(self, *_: object) -> None:
        with suppress(TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await asyncio.gather(*(connection.raw.close() for connection in self._kept if connection.is_open))
        self._kept.clear()
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()

    def maybe(self, name: str, /, **values: object) -> Coroutine[Any, Any, Row | None]:
        """The only row of the answer, or None."""
        return self._run(_Connection.maybe, self._statements[name], values)

    def many(self, name: str, /, **values: object) -> Coroutine[Any, Any, Sequence[Row]]:
        """All rows of the answer."""
        return self._run(_Connection.many, self._statements[name], values)

    def count(self, name: str, /, **values: object) -> Coroutine[Any, Any, int]:
        """How many rows the statement touched."""
        return self._run(_Connection.count, self._statements[name], values)

    def each(self, name: str, values: Sequence[Mapping[str, object]], /) -> Coroutine[Any, Any, Sequence[Row]]:
        """The statement run once for each of *values*, pipelined in one implicit transaction."""
        return self._run(_Connection.each, self._statements[name], values)

    async def fill(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]], /) -> None:
        """Insert many rows by COPY."""
        await self._run(_Connection.fill, table, columns, rows)

    async def script(self, sql: str, /) -> None:
        """Run several statements in one implicit transaction."""
        await self._run(_Connection.script, sql)

    @asynccontextmanager
    async def transaction(self, *, limit_seconds: float | None = None) -> AsyncIterator[Executor]:
        """A READ COMMITTED transaction on one connection, as a whole within the time limit."""
        async with self._lent(limit_seconds) as connection, connection.transaction():
            milliseconds = str(round((limit_seconds or self.limit_seconds) * 1000))
            await connection.maybe(self._statements["limit_transaction"], {"milliseconds": milliseconds})
            yield _Transaction(connection, self._statements)

    async def listen(self, channel: str, heard: Callable[[str | None], None], /) -> None:
        """Notifications by LISTEN, on a connection beside the pool.

        None come where the statement cache is off, which says that PgBouncer is between: it lends connections for a
        transaction, and whoever has one next would get them.
        """
        if not self._statement_cache_size:
            await asyncio.Event().wait()
        await listen(self._hosts(lambda: None), channel, heard, probe=self._statements["probe_connection"].sql)

    def _hosts(self, moved: Callable[[], None]) -> HostsInTurn:
        # Where the statement cache is off PgBouncer is between, which takes no parameter that it does not know.
        sets_isolation = self._statement_cache_size > 0
        return HostsInTurn(self._url, limit_seconds=self.limit_seconds, moved=moved, sets_isolation=sets_isolation)

    # Two ways to a connection: _run for one statement, and _lent for several, which may take another time limit.

    async def _run(self, call: Callable[..., Awaitable[Answer]], *arguments: object) -> Answer:
        is_serialized = False  # by the server's default isolation level, which then refused the statement
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self._limit():
                    connection = await self._take()
                    try:
                        if not is_serialized:
                            return await call(connection, *arguments)
                        async with connection.transaction():
                            return await call(connection, *arguments)
                    except BaseException as error:
                        connection.drop_after(error)
                        raise
                    finally:
                        self._put_back(connection)
            except _FAILURES as error:
                failure = self._told(error)
                if attempt == ATTEMPTS or not isinstance(failure, _Undone):
                    raise failure from error
                is_serialized = isinstance(error, asyncpg.SerializationError)
        raise AssertionError("the last attempt returns or raises")

    @asynccontextmanager
    async def _lent(self, limit_seconds: float | None) -> "AsyncIterator[_Connection]":
        try:
            async with asyncio.timeout(limit_seconds or self.limit_seconds):
                connection = await self._take()
                try:
                    yield connection
                except BaseException as error:
                    connection.drop_after(error)
                    raise
                finally:
                    self._put_back(connection)
        except _FAILURES as error:
            raise self._told(error) from error

    def _told(self, error: Exception) -> DatabaseError:
        if _affects_all_requests(error):
            # The idle connections share the fate of this one, most likely, and each would cost a caller the
            # whole limit to find out: a network that swallows packets says nothing.
            self._distrust()
        told = _translated(error)
        self.counters.failed(told)
        return told

    def _distrust(self) -> None:
        """Use no connection again that is open now; those in use are dropped as they come back."""
        self._distrusted_until = monotonic()

    async def _take(self) -> "_Connection":
        if self._pool is None:
            raise asyncpg.InterfaceError("it is not connected")
        await self._free.acquire()
        try:
            while self._kept:
                connection = self._kept.pop()
                is_trusted = connection.opened_at > self._distrusted_until
                if is_trusted and connection.is_open and monotonic() - connection.used_at < LONGEST_IDLE_SECONDS:
                    return connection
                connection.drop()
            return _Connection(await self._pool.acquire(), prepares=self._statement_cache_size > 0)
        except BaseException:
            self._free.release()
            raise

    def _put_back(self, connection: "_Connection") -> None:
        if connection.raw is not None and connection.opened_at > self._distrusted_until:
            connection.used_at = monotonic()
            self._kept.append(connection)
        else:
            connection.drop()
        self._free.release()


class _Connection:
    """One kept connection with the statements prepared on it."""

    def __init__(self, raw: Any, *, prepares: bool) -> None:
        self.raw = raw
        self.opened_at = self.used_at = monotonic()
        self._prepares = prepares
        self._prepared: dict[str, Any] = {}

    @property
    def is_open(self) -> bool:
        try:
            return self.raw is not None and not self.raw.is_closed()
        except asyncpg.InterfaceError:  # it was lost while nobody used it, and went back to the pool by itself
            return False

    def drop(self) -> None:
        """Close at once, without a word to a server that may not listen; the pool may then open another."""
        raw, self.raw = self.raw, None
        if raw is not None:
            with suppress(asyncpg.InterfaceError):  # it was closed, and went back to the pool, already
                raw.terminate()

    def drop_after_cancelling(self) -> None:
        """Close as soon as the server heard that nobody waits for the statement any more, or did not hear.

        Otherwise a statement that waits for a lock would keep its place on the server, though its caller is gone.
        """
        raw, self.raw = self.raw, None
        if raw is not None:
            task = asyncio.get_running_loop().create_task(_close_quietly(raw))
            _FAREWELLS.add(task)  # the loop itself holds tasks only weakly
            task.add_done_callback(_FAREWELLS.discard)

    def drop_after(self, error: BaseException) -> None:
        """Drop the connection unless *error* leaves it fit for the next caller."""
        if isinstance(error, asyncio.CancelledError):  # by the time limit, most often
            self.drop_after_cancelling()
        elif not _leaves_usable(error):
            self.drop()

    @statement_spans("postgresql")
    async def maybe(self, statement: Statement, values: Mapping[str, object]) -> Row | None:
        arguments = statement.arguments(values)
        if not self._prepares:
            return cast("Row | None", await self.raw.fetchrow(statement.sql, *arguments))
        prepared = self._prepared.get(statement.name) or await self._prepare(statement)
        return cast("Row | None", await prepared.fetchrow(*arguments))

    @statement_spans("postgresql")
    async def many(self, statement: Statement, values: Mapping[str, object]) -> Sequence[Row]:
        arguments = statement.arguments(values)
        if not self._prepares:
            return cast("Sequence[Row]", await self.raw.fetch(statement.sql, *arguments))
        prepared = self._prepared.get(statement.name) or await self._prepare(statement)
        return cast("Sequence[Row]", await prepared.fetch(*arguments))

    @statement_spans("postgresql")
    async def each(self, statement: Statement, values: Sequence[Mapping[str, object]]) -> Sequence[Row]:
        arguments = [statement.arguments(one) for one in values]
        if not self._prepares:
            return cast("Sequence[Row]", await self.raw.fetchmany(statement.sql, arguments))
        prepared = self._prepared.get(statement.name) or await self._prepare(statement)
        return cast("Sequence[Row]", await prepared.fetchmany(arguments))

    @statement_spans("postgresql")
    async def count(self, statement: Statement, values: Mapping[str, object]) -> int:
        tag: str = await self.raw.execute(statement.sql, *statement.arguments(values))
        return int(tag.rpartition(" ")[2])

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """A READ COMMITTED transaction around what runs in the block."""
        transaction = self.raw.transaction(isolation="read_committed")
        await transaction.start()
        try:
            yield
        except BaseException as error:
            # Where the connection is dropped the server rolls back by itself: waiting for it could take for ever.
            if _leaves_usable(error):
                await transaction.rollback()
            raise
        try:
            await transaction.commit()
        except BaseException:
            # Given up on or failed, it may still have happened, and what state the connection is in is not known.
            self.drop()
            raise

    async def fill(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        await self.raw.copy_records_to_table(table, records=rows, columns=columns)

    async def script(self, sql: str) -> None:
        await self.raw.execute(sql)

    async def _prepare(self, statement: Statement) -> Any:
        prepared = self._prepared[statement.name] = await self.raw.prepare(statement.sql)
        return prepared


_FAREWELLS: set["asyncio.Task[None]"] = set()


async def _close_quietly(raw: Any) -> None:
    with suppress(TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await raw.close()
    with suppress(asyncpg.InterfaceError):
        raw.terminate()


class _Transaction:
    """A connection inside a transaction."""

    def __init__(self, connection: _Connection, statements: Mapping[str, Statement]) -> None:
        self._connection = connection
        self._statements = statements

    async def maybe(self, name: str, /, **values: object) -> Row | None:
        return await self._connection.maybe(self._statements[name], values)

    async def many(self, name: str, /, **values: object) -> Sequence[Row]:
        return await self._connection.many(self._statements[name], values)

    async def count(self, name: str, /, **values: object) -> int:
        return await self._connection.count(self._statements[name], values)

    async def each(self, name: str, values: Sequence[Mapping[str, object]], /) -> Sequence[Row]:
        return await self._connection.each(self._statements[name], values)

    async def fill(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]], /) -> None:
        await self._connection.fill(table, columns, rows)

    async def script(self, sql: str, /) -> None:
        await self._connection.script(sql)


class _Undone(DatabaseUnavailable):
    """The server did nothing, for a passing reason: a deadlock, a plan made before a migration, a lost primary."""


_FAILURES = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

# Classes of SQLSTATE in which the server, not the statement, is at fault.
_OUTAGE_CLASSES = frozenset({"08", "28", "3D", "53", "57", "58", "XX"})
_OUTAGE_STATES = frozenset({"25006", "55P03"})  # a primary that became a standby; a lock that is held too long
_UNDONE = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.InvalidCachedStatementError,
    asyncpg.ReadOnlySQLTransactionError,  # a primary that became a standby: the next connection finds the new one
)


def _affects_all_requests(error: Exception) -> bool:
    """Whether *error* is about the server or the network, rather than about one connection or one statement."""
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return state[:2] in {"08", "57"} or state == "25006"
    return True


def _leaves_usable(error: BaseException) -> bool:
    """Whether the connection may serve the next caller: only after a plain refusal by a healthy server."""
    if isinstance(error, asyncpg.InvalidCachedStatementError):
        return False  # prepare everything anew
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return state[:2] not in _OUTAGE_CLASSES and state != "25006"
    return isinstance(error, Exception) and not isinstance(
        error, OSError | asyncpg.InterfaceError | asyncpg.InternalClientError
    )


def _translated(error: Exception) -> DatabaseError:
    if isinstance(error, asyncpg.UniqueViolationError):
        return Conflict(str(error))
    if isinstance(error, _UNDONE):
        return _Undone(f"PostgreSQL: {_cause(error)}")
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        if state[:2] not in _OUTAGE_CLASSES and state not in _OUTAGE_STATES:
            return DatabaseError(f"PostgreSQL: {_cause(error)}")
    if isinstance(error, asyncpg.DataError):
        return DatabaseError("PostgreSQL cannot hold this value")
    return DatabaseUnavailable(f"PostgreSQL: {_cause(error)}")


def _cause(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
