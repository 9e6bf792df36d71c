"""Single statements on both drivers."""

import asyncio
import sqlite3
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from time import monotonic
from typing import Any

import asyncpg
import pytest

from bodhi.database import CannotOpen, Conflict, DatabaseError, DatabaseUnavailable, Schema, open_database, sqlite_path
from database.rows import insert, letters, row


async def test_maybe_returns_a_row_or_none(database):
    """Columns are read by name and by position."""
    await insert(database, "a")

    found = await database.maybe("load_session", digest=b"a" * 32, now=None)

    assert b"a" * 32 == found["digest"] == found[0]
    assert await database.maybe("load_session", digest=b"b" * 32, now=None) is None


async def test_many_returns_all_rows(database):
    """In the statement's order; none is an empty answer."""
    for letter in "bca":
        await insert(database, letter)

    rows = await database.many("list_sessions", after=b"", batch=10, now=None)

    assert [b"a", b"b", b"c"] == [row["digest"][:1] for row in rows]
    assert 0 == len(await database.many("list_sessions", after=b"c" * 32, batch=10, now=None))


async def test_count_returns_the_number_of_affected_rows(database):
    """Zero where there were none."""
    for letter in "abc":
        await insert(database, letter)
    later = (await database.maybe("load_session", digest=b"a" * 32, now=None))["expires_at"]

    counts = [await database.count("sweep_sessions", batch=2, now=later + 60_000) for _ in range(3)]

    assert [2, 1, 0] == counts


async def test_each_runs_a_statement_for_every_set_of_values(database):
    """In their order, with the answers in one list; a run without an answer leaves no gap."""
    await database.each("create_session", [row("b"), row("a")])

    rows = await database.each("load_session", [{"digest": letter * 32, "now": None} for letter in (b"a", b"x", b"b")])

    assert [b"a", b"b"] == [row["digest"][:1] for row in rows]


async def test_each_without_values_does_nothing(database):
    """An empty batch, reading or writing."""
    assert 0 == len(await database.each("load_session", [])) == len(await database.each("create_session", []))


async def test_each_is_all_or_nothing(database):
    """The first runs are undone where a later one fails."""
    await insert(database, "b")

    with pytest.raises(Conflict):
        await database.each("create_session", [row("a"), row("b"), row("c")])

    assert "b" == await letters(database)


async def test_a_unique_value_that_is_taken_is_a_conflict(database):
    """Its own kind of error, with the driver's error as the cause; the database goes on working."""
    await insert(database, "a")

    with pytest.raises(Conflict) as caught:
        await insert(database, "a")

    assert isinstance(caught.value.__cause__, sqlite3.IntegrityError | asyncpg.UniqueViolationError)
    assert "a" == await letters(database)


@pytest.mark.parametrize("wrong", [{"digest": b"short"}, {"data": None}])
async def test_constraint_violation_is_a_caller_error(database, wrong):
    """Neither a conflict nor an outage: to try again would not help."""
    with pytest.raises(DatabaseError) as caught:
        await database.maybe("create_session", **row("a", **wrong))

    assert type(caught.value) is DatabaseError
    assert "" == await letters(database)


async def test_wrong_parameters_are_a_programming_error(database):
    """A TypeError, as for any function; nothing is sent."""
    with pytest.raises(TypeError, match="count_user takes"):
        await database.maybe("count_user", user_id="ann")
    with pytest.raises(TypeError, match="count_user takes"):
        await database.each("count_user", [{"user_id": "ann"}])


async def test_a_statement_runs_as_its_header_declares(database):
    """By no method of another result word, in a transaction either."""
    async with database.transaction() as transaction:
        for executor in (database, transaction):
            for call in (executor.many, executor.count):
                with pytest.raises(TypeError, match="count_sessions answers maybe, not"):
                    await call("count_sessions", now=None)


async def test_unknown_statement_is_a_programming_error(database):
    """A KeyError with its name."""
    with pytest.raises(KeyError, match="no_such_statement"):
        await database.maybe("no_such_statement")


async def test_default_clock_is_the_databases(database):
    """A time of NULL is now, to the millisecond; another one is taken as it is."""
    by_database = await database.maybe("create_session", **row("a"))
    by_test = await database.maybe("create_session", **row("b", now=1_234_567_890_123))

    assert 1_700_000_000_000 < by_database["now"] == by_database["created_at"]
    assert 1_234_567_890_123 == by_test["now"] == by_test["created_at"]


async def test_a_lock_that_is_held_too_long_makes_the_database_unavailable(database_url, dialect, database):
    """The wait ends at the time limit, and what was refused does not happen later."""
    async with _impatient(database_url) as impatient, _table_locked(database_url, dialect):
        began = monotonic()
        for call in (insert(impatient, "a"), impatient.each("create_session", [row("b"), row("c")])):
            with pytest.raises(DatabaseUnavailable):
                await call
        waited_seconds = monotonic() - began

    assert 30 > waited_seconds
    assert "" == await letters(database)


@asynccontextmanager
async def _impatient(url):
    """A database with a short time limit, opened as often as a busy machine takes longer than that to connect."""
    async with AsyncExitStack() as stack:
        opened = None
        while opened is None:
            with suppress(CannotOpen):
                opened = await stack.enter_async_context(open_database(url, limit_seconds=0.3))
        yield opened


class _table_locked:  # noqa: N801 - used as a context
    """Another connection has locked the session table for writing."""

    def __init__(self, url: str, dialect: str) -> None:
        self._url, self._dialect = url, dialect
        self._connection: Any = None  # of either driver

    async def __aenter__(self) -> None:
        if self._dialect == "sqlite":
            self._connection = sqlite3.connect(sqlite_path(self._url), isolation_level=None)
            self._connection.execute("BEGIN IMMEDIATE")
        else:
            self._connection = await asyncpg.connect(self._url)
            await self._connection.execute("BEGIN; LOCK TABLE bodhi_session IN EXCLUSIVE MODE")

    async def __aexit__(self, *_: object) -> None:
        closing = self._connection.close()
        if closing is not None:
            await closing


async def test_readers_do_not_wait_for_a_writer(database_url, dialect, database):
    """Neither WAL nor PostgreSQL makes them wait."""
    await insert(database, "a")

    async with open_database(database_url, limit_seconds=60) as reader, _table_locked(database_url, dialect):
        assert "a" == await letters(reader)


async def test_concurrent_calls_all_succeed(database):
    """More of them than there are connections."""
    await asyncio.gather(*(insert(database, letter) for letter in "abcdefghijklmnopqrstuvwxyz"))
    answers = await asyncio.gather(*(letters(database) for _ in range(50)))

    assert {"abcdefghijklmnopqrstuvwxyz"} == set(answers)


async def test_a_database_in_memory_lives_as_long_as_it_is_open():
    """For a try-out; every one is another."""
    for _ in range(2):
        async with open_database("sqlite::memory:") as database:
            await Schema(database, "session").migrate()
            assert "" == await letters(database)
            await insert(database, "a")
            assert "a" == await letters(database)


async def test_a_closed_database_is_unavailable_until_it_is_entered_again(database_url):
    """What comes late, after the close, is told so as in an outage."""
    database = open_database(database_url)
    async with database:
        await Schema(database, "session").migrate()
        await insert(database, "a")

    for call in (database.many("list_data", after=b"", batch=1, now=None), insert(database, "b")):
        with pytest.raises(DatabaseUnavailable):
            await call
    async with database:
        assert "a" == await letters(database)


async def test_a_server_that_is_not_there_cannot_be_opened(unused_tcp_port):
    """One line names the address, without the password, and the cause."""
    with pytest.raises(CannotOpen) as caught:
        await open_database(f"postgres://ann:hidden@127.0.0.1:{unused_tcp_port}/x").__aenter__()

    assert 2 == caught.value.exit_status
    assert f"cannot open postgres://ann:***@127.0.0.1:{unused_tcp_port}/x: " in str(caught.value)
    assert 1 == len(str(caught.value).splitlines())


@pytest.mark.parametrize(
    "change", [("bodhi_test:kx7-password@", "bodhi_test:wrong-hidden@"), ("/bodhi_test_", "/none_")]
)
async def test_database_that_refuses_the_login_cannot_be_opened(postgres_url, change):
    """A wrong password or a database that is not there."""
    url = postgres_url.replace(*change)
    assert url != postgres_url

    with pytest.raises(CannotOpen, match="cannot open") as caught:
        await open_database(url).__aenter__()

    assert "hidden" not in str(caught.value)
    assert 1 == len(str(caught.value).splitlines())


async def test_file_that_is_no_database_cannot_be_opened(tmp_path):
    """A folder, a file with something else in it, a path through a file."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("not a database, and long enough to be told from an empty one" * 100)

    for name in ("folder", "text", "text/session.db"):
        with pytest.raises(CannotOpen, match=f"cannot open sqlite:{tmp_path}/{name}: "):
            await open_database(f"sqlite:{tmp_path}/{name}").__aenter__()


async def test_unknown_synchronous_mode_is_refused(sqlite_url):
    """The allowed ones are said."""
    with pytest.raises(CannotOpen, match="full or normal"):
        open_database(sqlite_url, synchronous="off; DROP TABLE bodhi_session")
