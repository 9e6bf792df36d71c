"""PostgreSQL through asyncpg: its pool, with the connections kept while they work.

A connection is taken from asyncpg's pool once and kept, last in first out, with its prepared statements: giving it back
after every use would cost a reset query and the statements. Connecting, several hosts, and finding the
primary again after a failover stay the pool's work. Nothing here may set state on a connection outside a transaction.

Everything runs READ COMMITTED, whatever the server, the database, the role or the URL has for a default. Transactions
say so as they begin, and connections as they start. Where a pooler takes no such start-up parameter, a single statement
runs under the default, and once more in a READ COMMITTED transaction if that refuses it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Self

import asyncpg

from bodhi.database.errors import CannotOpen, DatabaseError, RowMoved, Undone
from bodhi.database.executor import DatabaseExecutor, StatementExecutor
from bodhi.database.limits import TimeLimit
from bodhi.database.notifications import listen
from bodhi.database.pool import Pool
from bodhi.database.postgres_connection import CLOSE_SECONDS, Connection
from bodhi.database.postgres_errors import (
    FAILURES,
    affects_all_connections,
    cause_of,
    is_about_files,
    translate,
)
from bodhi.database.postgres_hosts import HostsInTurn
from bodhi.database.protocol import DatabaseCounters, Executor
from bodhi.database.statements import Statement, load_statements
from bodhi.database.turns import Turns
from bodhi.forks import REFUSAL, note_closed, note_opened
from bodhi.postgres_urls import find_unusable_file, read_postgres_url
from bodhi.urls import mask_url

ATTEMPTS = 3  # of a single statement that lost a deadlock or a stale plan: nothing of it happened
MOVES = 100  # of a statement whose rows move to other partitions


class PostgresDatabase(DatabaseExecutor):
    """One PostgreSQL database, on one server or on a primary with standbys."""

    dialect = "postgres"
    system = "postgresql"

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
        self._address = mask_url(url) + (f" (schema {schema})" if schema else "")
        self._pool_size = pool_size
        self.limit_seconds = limit_seconds
        self._limit = TimeLimit(limit_seconds)
        self.turn = Turns(limit_seconds)
        self._statement_cache_size = statement_cache_size
        self._search_path = _quoted(schema) if schema else None
        self._statements = load_statements("postgres")
        self.counters = DatabaseCounters()
        self._connections = [Connection(prepares=statement_cache_size > 0) for _ in range(pool_size)]
        self._idle = Pool(self._connections, self.counters)
        self._pool: asyncpg.Pool | None = None
        self._is_parents = False

    @property
    def address(self) -> str:
        """The database's URL with the password masked, and the schema if one is set."""
        return self._address

    async def __aenter__(self) -> Self:
        if self._is_parents:
            raise CannotOpen(f"cannot open {self.address}: {REFUSAL}")
        note_opened(self)
        try:
            async with asyncio.timeout(self.limit_seconds * 2):
                self._pool = await asyncpg.create_pool(
                    # One, to check that it works; no minimum, which the pool would maintain even while it is closed.
                    min_size=0,
                    init_size=1,
                    max_size=self._pool_size,
                    connect=self._hosts(self._distrust),
                    statement_cache_size=self._statement_cache_size,
                    server_settings={"search_path": self._search_path} if self._search_path else None,
                )
                await self._check_connection()
        except BaseException as error:
            await self.__aexit__()
            cause = self._cause_of(error)
            if cause is None:
                raise
            raise CannotOpen(f"cannot open {self.address}: {cause}") from error
        return self

    def _cause_of(self, error: BaseException) -> str | None:
        """Return why the database cannot be opened; None for an error that is not about the database."""
        if isinstance(error, DatabaseError):
            return str(error)
        if not isinstance(error, (ValueError, *FAILURES)):
            return None
        # OpenSSL does not name the file that it cannot read.
        return (is_about_files(error) and find_unusable_file(self._url.parameters)) or cause_of(error)

    async def _check_connection(self) -> None:
        found = await self.maybe("describe_connection")
        if self._search_path and (found is None or found["search_path"] != self._search_path):
            # The tables would be created, and looked for, in another schema.
            raise DatabaseError(
                "something between drops the start-up parameter search_path, so the schema is not in effect: "
                f"name none, and run ALTER ROLE … SET search_path = {self._search_path}"
            )

    async def __aexit__(self, *_: object) -> None:
        note_closed(self)
        pool, self._pool = self._pool, None
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await asyncio.gather(*(connection.close() for connection in self._idle))
        if pool is not None:
            pool.terminate()

    def _leave_to_parent(self) -> object:
        """Become closed, in a child process, and never open again."""
        pool, self._pool = self._pool, None
        self._is_parents = True
        return pool, [connection.leave_to_parent() for connection in self._connections]

    @asynccontextmanager
    async def transaction(self, *, limit_seconds: float | None = None) -> AsyncIterator[Executor]:
        """Return a READ COMMITTED transaction on one connection; the time limit covers all of it."""
        limit = limit_seconds or self.limit_seconds
        try:
            async with asyncio.timeout(limit), self._lend() as connection, connection.transaction():
                transaction = _Transaction(connection, self._statements)
                await transaction.maybe("limit_transaction", milliseconds=str(round(limit * 1000)))
                yield transaction
        except FAILURES as error:
            raise self._failure(error) from error

    async def listen(self, channel: str, notify: Callable[[str | None], None], /) -> None:
        """Receive notifications by LISTEN, on a connection outside the pool.

        None arrive if the statement cache is off, which means that PgBouncer is in between: it lends a connection for
        one transaction, and the notifications would go to its next user.
        """
        if not self._statement_cache_size:
            await asyncio.Event().wait()
        await listen(self._hosts(lambda: None), channel, notify, probe=self._statements["probe_connection"].sql)

    def _hosts(self, on_failover: Callable[[], None]) -> HostsInTurn:
        # With the statement cache off PgBouncer is in between, which refuses parameters that it does not know.
        sets_isolation = self._statement_cache_size > 0
        return HostsInTurn(
            self._url, limit_seconds=self.limit_seconds, on_failover=on_failover, sets_isolation=sets_isolation
        )

    # _run takes a connection for one statement, within the time limit and with retries; _lend takes one for a
    # transaction.

    async def _run(self, statement: Statement, arguments: Sequence[Any], *, is_batch: bool = False) -> Any:
        is_serialized = False  # by the server's default isolation level, which then refused the statement
        attempt = 0
        while True:
            attempt += 1
            try:
                wait = self._limit.start()
                try:
                    connection = self._idle.take() or await self._idle.wait()
                    try:
                        if not connection.begin_use():
                            await connection.open(self._pool)
                        if not is_serialized:
                            return await connection.run(statement, arguments, is_batch=is_batch)
                        async with connection.transaction():
                            return await connection.run(statement, arguments, is_batch=is_batch)
                    except BaseException as error:
                        connection.drop_after(error)
                        raise
                    finally:
                        self._idle.give_back(connection, is_ready=connection.is_sound)
                finally:
                    wait.stop()
            except FAILURES as error:
                failure = self._failure(error)
                has_moved = isinstance(failure, RowMoved)
                if not isinstance(failure, Undone) or attempt == (MOVES if has_moved else ATTEMPTS):
                    raise failure from error
                is_serialized = has_moved

    @asynccontextmanager
    async def _lend(self) -> AsyncIterator[Connection]:
        connection = self._idle.take() or await self._idle.wait()
        try:
            if not connection.begin_use():
                await connection.open(self._pool)
            yield connection
        except BaseException as error:
            connection.drop_after(error)
            raise
        finally:
            self._idle.give_back(connection, is_ready=connection.is_sound)

    def _failure(self, error: Exception) -> DatabaseError:
        if affects_all_connections(error):
            # The idle connections are most likely broken too, and each would cost a caller the whole limit to find
            # out: a network that drops packets reports no error.
            self._distrust()
        failure = translate(error)
        self.counters.failed(failure)
        return failure

    def _distrust(self) -> None:
        """Stop using the connections that are open now; running statements continue."""
        for connection in self._connections:
            connection.distrust()


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


class _Transaction(StatementExecutor):
    """A connection inside a transaction."""

    system = PostgresDatabase.system

    def __init__(self, connection: Connection, statements: Mapping[str, Statement]) -> None:
        self._connection = connection
        self._statements = statements

    async def _run(self, statement: Statement, arguments: Sequence[Any], *, is_batch: bool = False) -> Any:
        return await self._connection.run(statement, arguments, is_batch=is_batch)

    async def fill(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]], /) -> None:
        await self._connection.fill(table, columns, rows)

    async def script(self, sql: str, /) -> None:
        await self._connection.script(sql)
