"""The PostgreSQL server of a test run, and a separate database for each test."""

import asyncio
import functools
import os
import uuid
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import asyncpg
from dotenv import dotenv_values

from bodhi.database import Schema, open_database
from support.binaries import BINARIES_VARIABLE, NoPostgres
from support.postgres import PASSWORD, USER, PostgresServer, partitions_setting
from support.reuse import ReusableDatabase

URL_VARIABLE = "BODHI_TEST_SESSION_PG_URL"
COMPOSE_URL = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:54320/bodhi_sessions"
# It has no connections; template1 of a user's server may contain anything.
EMPTY = "template0"
PARTITIONS = 8  # of the tests that ask for them
T = TypeVar("T")
# Raised for a server that is absent, foreign, or not a PostgreSQL.
_UNUSABLE = (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class RunningPostgres:
    """A server to create databases on; *origin* describes how it was found."""

    url: str
    origin: str
    close: Callable[[], None] = lambda: None


def find_postgres() -> RunningPostgres:
    """Return the server to test on: from a variable, else the compose service, else a newly started one.

    Raises :exc:`NoPostgres`, with what to do, where none can be had. A server that is named but does not answer is
    such a fault too: to go on with another one would test something else than was asked for. For the same reason
    named binaries go before the compose service.
    """
    if url := os.environ.get(URL_VARIABLE) or dotenv_values(_ROOT / ".env.test").get(URL_VARIABLE):
        try:
            return RunningPostgres(url, f"{URL_VARIABLE}, PostgreSQL {_version_of(url)}")
        except _UNUSABLE as error:
            cause = f"{type(error).__name__}: {error}"
            raise NoPostgres(f"the server that {URL_VARIABLE} names cannot be used: {cause}") from error
    if os.environ.get(BINARIES_VARIABLE):
        return _own_server()
    try:
        # The compose service accepts our user and password.
        return RunningPostgres(COMPOSE_URL, f"compose service bodhi_session_db, PostgreSQL {_version_of(COMPOSE_URL)}")
    except _UNUSABLE:
        return _own_server()


def _own_server() -> RunningPostgres:
    try:
        server = PostgresServer.start()
        origin = f"own server, PostgreSQL {_version_of(server.url())} from {server.binaries}"
    except (OSError, RuntimeError) as error:
        raise NoPostgres(
            f"no PostgreSQL could be started for the tests: {error}\nSet {URL_VARIABLE} instead"
        ) from error
    return RunningPostgres(server.url(), origin, server.close)


def with_database(url: str, database: str) -> str:
    """Return *url* with another database name."""
    return urlsplit(url)._replace(path=f"/{database}").geturl()


class Databases:
    """Creates and drops databases on a server, over one permanent connection.

    The connection lives in a thread with a loop of its own, so that plain fixtures work in coroutine tests as well.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="test-databases")
        self._runner = asyncio.Runner()
        self._connection: asyncpg.Connection = self._run(asyncpg.connect(url, timeout=300))
        # Before version 15 there is no other. It takes a third less than to log every page.
        self._strategy = " STRATEGY FILE_COPY" if self._connection.get_server_version().major >= 15 else ""
        self._returned: deque[ReusableDatabase] = deque()

    def create(self, template: str = EMPTY, *, settings: Mapping[str, str] | None = None) -> str:
        """Create a copy of *template*, with *settings* of its own, and return its URL."""
        name = f"bodhi_test_{uuid.uuid4().hex}"
        self._run(self._connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}{self._strategy}"))
        for setting, value in (partitions_setting() if settings is None else settings).items():
            self._run(self._connection.execute(f"ALTER DATABASE {name} SET {setting} = {value}"))
        return with_database(self.url, name)

    @contextmanager
    def created(self, template: str = EMPTY, *, settings: Mapping[str, str] | None = None) -> Iterator[str]:
        """The URL of a copy of *template*, which is dropped at the end."""
        url = self.create(template, settings=settings)
        try:
            yield url
        finally:
            self.drop(url)

    @contextmanager
    def reused(self) -> Iterator[str]:
        """The URL of a database that has its tables and nothing in them: one of an earlier test, or a new one."""
        database = self._renewed() or self._run(ReusableDatabase.open(self.create(self.migrated)))
        yield database.url
        self._returned.append(database)

    def _renewed(self) -> ReusableDatabase | None:
        # Not that of the last test, whose connections may be about to end.
        while len(self._returned) > 1:
            database = self._returned.popleft()
            if self._run(database.renewed()):
                return database
            self._discard(database)
        return None

    @functools.cached_property
    def migrated(self) -> str:
        """A template with all tables of bodhi; copying it takes half the time of creating them."""
        return self._migrated(partitions_setting())

    @functools.cached_property
    def partitioned(self) -> str:
        """The same, whose session table has partitions."""
        return self._migrated({"bodhi.session_partitions": str(PARTITIONS)})

    def _migrated(self, settings: Mapping[str, str]) -> str:
        url = self.create(settings=settings)
        self._run(migrate(url))
        return urlsplit(url).path.lstrip("/")

    def drop(self, url: str) -> None:
        """Drop the database of *url* and close its connections."""
        name = urlsplit(url).path.lstrip("/")
        self._run(self._connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))

    def _discard(self, database: ReusableDatabase) -> None:
        self._run(database.close())
        self.drop(database.url)

    def close(self) -> None:
        """Drop the templates and what was used again, close the connection and end the thread."""
        while self._returned:
            self._discard(self._returned.pop())
        for template in {"migrated", "partitioned"} & self.__dict__.keys():
            self.drop(with_database(self.url, self.__dict__[template]))
        self._run(self._connection.close())
        self._thread.submit(self._runner.close).result(timeout=300)
        self._thread.shutdown()

    def _run(self, coroutine: Coroutine[object, object, T]) -> T:
        return self._thread.submit(self._runner.run, coroutine).result(timeout=300)


async def migrate(url: str) -> None:
    """Makes all tables of bodhi."""
    async with open_database(url, limit_seconds=60) as database:
        for kind in ("session", "application"):
            await Schema(database, kind).migrate()


def _version_of(url: str) -> str:
    async def ask() -> str:
        connection = await asyncpg.connect(url, timeout=60)
        try:
            version: str = await connection.fetchval("SHOW server_version")
            return version
        finally:
            await connection.close()

    return asyncio.run(ask())
