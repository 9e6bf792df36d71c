"""Migrations run once, and incompatible databases are refused."""

from urllib.parse import urlencode

import asyncpg
import pytest

from bodhi.database import CannotOpen, DatabaseError, Schema, SchemaOutdated, SchemaTooNew, mask_url, open_database
from bodhi.database.schema import Migration
from bodhi.errors import BodhiError
from bodhi.session import DefaultSessionService
from database.processes import outputs_of
from database.rows import insert, letters

KEY = "a key for tests, of at least thirty-two characters"

MIGRATE = """
import asyncio
from bodhi.database import Schema, open_database

async def main(url):
    async with open_database(url, limit_seconds=60) as database:
        ready()
        print(len(await Schema(database, "session").migrate()))
        await database.maybe("count_sessions", now=None)

asyncio.run(main(sys.argv[1]))
"""
FIRST_START = """
import asyncio
from bodhi.session import DefaultSessionService

async def main(url):
    service = DefaultSessionService.from_url(url, keys=["k" * 32], limit_seconds=60)
    ready()
    async with service:
        await service.create({"a": 1})

asyncio.run(main(sys.argv[1]))
"""


@pytest.fixture
async def empty(database_url):
    """A database without tables."""
    async with open_database(database_url) as database:
        yield database


async def test_an_empty_database_is_at_version_zero(empty):
    """Looking changes nothing."""
    schema = Schema(empty, "session")

    status = await schema.status()

    assert ("session", 0, len(schema.migrations)) == (status.part, status.applied, status.known)
    assert not status.is_current
    assert not await empty.maybe("find_version_table")


async def test_migrate_applies_pending_migrations(empty):
    """All of it on an empty database, and nothing the second time."""
    schema = Schema(empty, "session")

    applied = await schema.migrate()

    assert schema.migrations == applied
    assert (await schema.status()).is_current
    assert [] == await Schema(empty, "session").migrate()


async def test_migrations_are_numbered_from_one_without_a_gap(empty):
    """A number is a version."""
    migrations = Schema(empty, "session").migrations

    assert list(range(1, len(migrations) + 1)) == [migration.version for migration in migrations]


async def test_migration_keeps_existing_rows(empty):
    """Only what is missing is applied, and data stays."""
    await Schema(empty, "session").migrate()
    await insert(empty, "a")
    newer = Schema(empty, "session")
    added = Migration(len(newer.migrations) + 1, "colour", "ALTER TABLE bodhi_session ADD COLUMN colour text;")
    newer.migrations.append(added)

    assert [added] == await newer.migrate()

    assert "a" == await letters(empty)
    assert (await newer.status()).is_current


async def test_failed_migration_keeps_the_previous_version(empty):
    """Neither its own steps nor the migrations before it in the same run stay."""
    schema = Schema(empty, "session")
    broken = "CREATE TABLE half (a integer);\nINSERT INTO no_such_table VALUES (1);"
    schema.migrations.append(Migration(len(schema.migrations) + 1, "broken", broken))

    with pytest.raises(DatabaseError, match="no_such_table"):
        await schema.migrate()

    assert 0 == (await Schema(empty, "session").status()).applied
    await Schema(empty, "session").migrate()
    await empty.script("CREATE TABLE half (a integer);")


async def test_a_newer_database_is_refused(empty):
    """By migrating and by checking; one line names the database without its password and both versions."""
    schema = Schema(empty, "session")
    await schema.migrate()
    newest = len(schema.migrations) + 1
    await empty.count("record_version", part="session", version=newest, name="of_tomorrow")

    for attempt in (schema.migrate, schema.check):
        with pytest.raises(SchemaTooNew) as caught:
            await attempt()
        assert 2 == caught.value.exit_status
        assert f"{empty.address} is at version {newest} of the session schema" in str(caught.value)
        assert f"knows only {newest - 1}" in str(caught.value)
        assert 1 == len(str(caught.value).splitlines())


async def test_an_outdated_database_is_refused_where_it_may_not_be_migrated(empty):
    """One line says which command migrates it."""
    schema = Schema(empty, "session")

    with pytest.raises(SchemaOutdated, match="at version 0 of the session schema") as caught:
        await schema.check()

    assert "`python -m bodhi db migrate`" in str(caught.value)
    assert 2 == caught.value.exit_status
    await schema.migrate()
    await schema.check()


async def test_schema_parts_have_separate_versions(empty):
    """The application's tables may live in the same database as the sessions."""
    await Schema(empty, "session").migrate()
    await empty.count("record_version", part="application", version=7, name="of_another_part")

    assert (await Schema(empty, "session").status()).is_current


async def test_concurrent_migrations_run_once(database_url):
    """One of them does it, the others wait and find nothing to do; none fails."""
    outputs = await outputs_of(4, MIGRATE, database_url)

    async with open_database(database_url) as database:
        all_of_them = len(Schema(database, "session").migrations)
    assert [0, 0, 0, all_of_them] == sorted(int(output) for output in outputs)


async def test_processes_starting_on_an_empty_database_all_start(database_url):
    """Opening and migrating together, as servers do: on SQLite even the file is not there yet."""
    await outputs_of(4, FIRST_START, database_url)

    async with open_database(database_url) as database:
        assert 4 == (await database.maybe("count_sessions", now=None))["sessions"]


async def test_tables_live_in_the_schema_that_is_named(postgres_url):
    """It is made if it is missing; two of them in one database do not know each other."""
    for schema, letter in (("one", "a"), ("two", "b")):
        async with open_database(postgres_url, schema=schema) as database:
            assert 0 == (await Schema(database, "session").status()).applied
            await Schema(database, "session").migrate()
            await insert(database, letter)
            assert letter == await letters(database)

    connection = await asyncpg.connect(postgres_url)
    found = await connection.fetch("SELECT schemaname FROM pg_tables WHERE tablename = 'bodhi_session' ORDER BY 1")
    await connection.close()
    assert ["one", "two"] == [row[0] for row in found]


async def test_creating_the_tables_is_logged_once(database_url, dialect, caplog):
    """With the place, so that a file or schema whose name is misspelt does not pass for one that is empty."""
    caplog.set_level("INFO", "bodhi")
    schema = {"schema": "misspelt"} if dialect == "postgres" else {}
    for _ in range(2):
        async with open_database(database_url, **schema) as database:
            await Schema(database, "session").migrate()

    place = " (schema misspelt)" if schema else ""
    assert [f"created the session tables in {mask_url(database_url)}{place}, which had none"] == caplog.messages


async def test_a_migration_is_logged_once(empty, caplog):
    """With both versions: who looks at the log after an upgrade sees what became of the database."""
    await Schema(empty, "session").migrate()
    newer = Schema(empty, "session")
    applied = len(newer.migrations)
    newer.migrations += [
        Migration(applied + number, f"colour_{number}", f"CREATE TABLE colour_{number} (a integer);")
        for number in (1, 2)
    ]
    caplog.set_level("INFO", "bodhi")

    for _ in range(2):
        await newer.migrate()

    assert [
        f"migrated the session schema in {empty.address} from version {applied} to {applied + 2}"
    ] == caplog.messages


NAMES = ["Sales", "my app", "Tenant_A", 'a"b', "a,b", "a.b", "select", "Füße", "x" * 63, "'; DROP TABLE t; --"]


@pytest.mark.parametrize("exists", [False, True], ids=["missing", "existing"])
@pytest.mark.parametrize("schema", NAMES)
async def test_a_schema_has_exactly_the_name_that_is_given(postgres_url, schema, exists):
    """In capitals, with spaces, quotes and commas; beside it there is one in small letters that stays empty."""
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("CREATE SCHEMA sales; CREATE SCHEMA tenant_a")
    if exists:
        await connection.execute('CREATE SCHEMA "{}"'.format(schema.replace('"', '""')))

    async with DefaultSessionService.from_url(postgres_url, keys=[KEY], schema=schema) as service:
        session_id, _ = await service.create({"user_id": "ann"})
        assert 1 == await service.count_sessions()
        assert 1 == await service.clear_sessions_for_user("ann")
        assert await service.load(session_id) is None
    async with open_database(postgres_url, schema=schema) as database:
        await insert(database, "a")
        async with database.transaction() as transaction:
            await transaction.fill("bodhi_session_format", ["written"], [(2,)])

    found = await connection.fetch("SELECT DISTINCT schemaname FROM pg_tables WHERE tablename LIKE 'bodhi%'")
    await connection.close()
    assert [schema] == [row[0] for row in found]


@pytest.mark.parametrize("schema", ["", "$user", "pg_own", "x" * 64, "ü" * 32, "sales\n", "a\0b", "\ud800"])
def test_a_schema_that_cannot_have_this_name_is_refused(database_url, schema):
    """PostgreSQL would cut it, or mean another; on SQLite as well, so that it shows before the move."""
    with pytest.raises(CannotOpen, match=r"^schema is .*allowed: "):
        open_database(database_url, schema=schema)


@pytest.mark.parametrize("path", ["absent, missing", '"$user", absent'])
async def test_no_schema_is_made_of_a_path_of_several(postgres_url, path):
    """Which of them is not known; the error names the search_path."""
    async with open_database(f"{postgres_url}?{urlencode({'search_path': path})}") as database:
        with pytest.raises(BodhiError, match="no schema of the search_path exists: "):
            await Schema(database, "session").migrate()
