"""The two SQL folders have the same statements, parameters and result columns."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest

import bodhi
from bodhi.database import Database, Schema, open_database, sqlite_path
from bodhi.database.statements import load_statements, sql_folder

NAMES = sorted(load_statements("sqlite"))
# What they answer is not looked at: they wait for a lock, or make something.
ONLY_DONE = {"lock_user", "lock_schema", "create_schema", "create_version_table", "drop_test_schema"}
ONLY_DONE |= {"drop_user_index", "make_user_index"}
READ = [name for name in NAMES if load_statements("sqlite")[name].result != "count" and name not in ONLY_DONE]
READ_ONLY = [name for name in NAMES if load_statements("sqlite")[name].is_read_only]
OF_ANOTHER_PROGRAM = {name for name in NAMES if name.startswith("list_tower_sessions")}  # whose tables are not there
VALUES = {"bytea": b"x" * 32, "text": "text", "json": "[]"}  # on PostgreSQL, by the types of parameters
BYTES = {"digest", "new_digest", "data", "low", "high", "after", "after_digest", "keep", "keep_low", "keep_high"}
BYTES |= {"before", "client_secret", "resealed", "digests"}
TEXTS = {"user_id", "ip", "user_agent", "reason", "part", "name"}


async def migrate(database: Database) -> None:
    """Create all tables of both parts."""
    for part in ("session", "application"):
        await Schema(database, part).migrate()


def value_for(param: str) -> object:
    """Return a value of the right type for a statement's parameter *param*."""
    if param == "user_ids":
        return '["text"]'
    return b"x" * 32 if param in BYTES else "text" if param in TEXTS else 1_000


def files_of(dialect: str) -> list[str]:
    """Return the SQL files of *dialect* by relative path."""
    folder = Path(str(sql_folder(dialect)))
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*.sql"))


def test_both_folders_hold_the_same_files():
    """Statements and migrations alike: a part has as many versions on the one as on the other."""
    assert files_of("sqlite") == files_of("postgres")


def test_both_folders_hold_the_same_signatures():
    """Names, parameters in their order, result words, and whether they are read only."""

    def signatures(dialect: str) -> dict[str, tuple[tuple[str, ...], str, bool]]:
        return {one.name: (one.params, one.result, one.is_read_only) for one in load_statements(dialect).values()}

    assert signatures("sqlite") == signatures("postgres")


@pytest.fixture
async def columns_on_sqlite(sqlite_url):
    """Returns the columns of a statement on SQLite."""
    async with open_database(sqlite_url) as database:
        await migrate(database)
    with sqlite3.connect(sqlite_path(sqlite_url), isolation_level=None) as connection:
        connection.create_function("now_ms", 1, lambda fixed: fixed)
        connection.execute("PRAGMA ignore_check_constraints = ON")  # any value will do
        connection.execute("CREATE TABLE tower_sessions (id TEXT PRIMARY KEY, data BLOB, expiry_date INTEGER)")

        def columns(name: str, *, query_only: bool = False) -> list[str]:
            connection.execute(f"PRAGMA query_only = {query_only}")
            statement = load_statements("sqlite")[name]
            values = {str(number): value_for(param) for number, param in enumerate(statement.params, 1)}
            return [column[0] for column in connection.execute(statement.sql, values).description]

        yield columns
    connection.close()


@pytest.fixture
async def columns_on_postgres(postgres_url):
    """Returns the columns of a statement on PostgreSQL."""
    async with open_database(postgres_url) as database:
        await migrate(database)
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("CREATE SCHEMA tower_sessions")  # another program's, in each place that it may be in
    for table in ("tower_sessions", "tower_sessions.tower_sessions", "tower_sessions.session"):
        await connection.execute(f"CREATE TABLE {table} (id text PRIMARY KEY, data bytea, expiry_date timestamptz)")

    async def columns(name: str) -> list[str]:
        statement = await connection.prepare(load_statements("postgres")[name].sql)
        return [attribute.name for attribute in statement.get_attributes()]

    yield columns
    await connection.close()


async def test_both_dialects_return_the_same_columns(columns_on_sqlite, columns_on_postgres):
    """A row of the one has what a row of the other has, in the same order."""
    assert {name: columns_on_sqlite(name) for name in READ} == {name: await columns_on_postgres(name) for name in READ}


async def test_tables_have_the_same_columns(sqlite_url, postgres_url):
    """In the same order: what ``SELECT *`` reads from the one may be copied into the other."""
    for url in (sqlite_url, postgres_url):
        async with open_database(url) as database:
            await migrate(database)
    with closing(sqlite3.connect(sqlite_path(sqlite_url))) as connection:
        named = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'bodhi_*'")
        on_sqlite = {
            table: [column[0] for column in connection.execute(f"SELECT * FROM {table}").description]
            for (table,) in named.fetchall()
        }
    postgres = await asyncpg.connect(postgres_url)
    on_postgres = {
        table: [attribute.name for attribute in (await postgres.prepare(f"SELECT * FROM {table}")).get_attributes()]
        for table in on_sqlite
    }
    await postgres.close()

    assert "bodhi_person" in on_sqlite
    assert on_sqlite == on_postgres


async def test_read_only_statements_change_nothing(columns_on_sqlite, postgres_url):
    """Every such statement runs where no other may."""
    for name in READ_ONLY:
        columns_on_sqlite(name, query_only=True)
    async with open_database(postgres_url) as database:
        await migrate(database)
    connection = await asyncpg.connect(postgres_url, server_settings={"default_transaction_read_only": "on"})
    for name in READ_ONLY:
        if name not in OF_ANOTHER_PROGRAM:
            statement = await connection.prepare(load_statements("postgres")[name].sql)
            await statement.fetch(*(VALUES.get(param.name, 1_000) for param in statement.get_parameters()))
    await connection.close()


def test_every_statement_is_used():
    """What nobody calls is not kept in two dialects."""
    code = "".join(file.read_text() for file in Path(bodhi.__file__).parent.rglob("*.py"))

    assert [] == [name for name in NAMES if f'"{name}"' not in code]


def test_every_called_statement_exists():
    """Names in the code are only strings: a slip would show in service."""
    code = "".join(file.read_text() for file in Path(bodhi.__file__).parent.rglob("*.py"))
    called = set(re.findall(r'\.(?:maybe|many|count|each)\(\s*"(\w+)"', code))

    assert called
    assert set() == called - set(NAMES)
