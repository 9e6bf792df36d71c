"""What cannot be used is refused as it is opened: a ConfigurationError with address, cause and what to do."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from bodhi.database import CannotOpen, Schema, mask_url, open_database
from bodhi.errors import ConfigurationError
from bodhi.postgres_urls import read_postgres_url
from bodhi.session import DefaultSessionService
from support.databases import with_database
from support.raw_database import RawDatabase

KEY = "a key for tests, of at least thirty-two characters"
NOBODY = 65_534


@contextmanager
def without_privileges() -> Iterator[None]:
    """The block runs as nobody where the tests run as root, for whom every file is writable."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a database that belong to whoever runs the block above."""
    # What is read as a database is opened is read now: the block may not be allowed to read the installation.
    open_database("sqlite::memory:")
    with without_privileges():
        folder = Path(tempfile.mkdtemp(dir="/tmp"))
        connection = sqlite3.connect(folder / "session.sqlite")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.close()
    yield folder
    folder.chmod(0o700)
    shutil.rmtree(folder)


async def _refused(url: str, **options: object) -> str:
    """What both ways of opening say; a library user catches ConfigurationError."""
    with pytest.raises(ConfigurationError) as caught:
        await DefaultSessionService.connect(url, keys=[KEY], **options)
    assert isinstance(caught.value, CannotOpen)
    text = str(caught.value)
    assert text.startswith(f"cannot open {mask_url(url)}")
    assert len(text.splitlines()) == 1
    return text


async def test_an_unwritable_folder_around_a_writable_file(folder):
    """SQLite would say that the database is read-only, at the first write."""
    folder.chmod(0o500)

    with without_privileges():
        text = await _refused(f"sqlite:{folder}/session.sqlite")

    assert "its folder is not writable" in text
    assert f"write to {folder}" in text


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
@pytest.mark.parametrize("mode", [0o400, 0o000])
async def test_a_file_that_is_not_writable(folder, suffix, mode):
    """The database, or its log that a command left which ran as another user."""
    file = folder / f"session.sqlite{suffix}"
    file.touch()
    file.chmod(mode)

    with without_privileges():
        text = await _refused(f"sqlite:{folder}/session.sqlite")

    assert f"read and write {file}" in text


@pytest.fixture
async def admin(postgres_url):
    """The owner of the database."""
    connection = await asyncpg.connect(postgres_url)
    yield connection
    await connection.close()


@pytest.fixture
async def guest_url(admin, postgres_url):
    """The URL of a role that may do nothing but connect, as PostgreSQL 15 makes them."""
    name = f"guest_{os.urandom(6).hex()}"
    database = read_postgres_url(postgres_url).database
    await admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'hidden'; REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    ((host, port),) = read_postgres_url(postgres_url).hosts
    yield f"postgres://{name}:hidden@{host}:{port}/{database}"
    await admin.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


async def test_no_right_to_create_in_the_schema(guest_url):
    """As for every role but the owner since PostgreSQL 15."""
    text = await _refused(guest_url)

    assert "permission denied for schema public: GRANT USAGE, CREATE ON SCHEMA public TO" in text
    assert "hidden" not in text


async def test_no_right_to_make_the_schema(guest_url):
    """Nor to use it, where it exists and is somebody else's."""
    assert "permission denied for database" in await _refused(guest_url, schema="sales")


async def test_no_right_to_a_schema_of_somebody_else(guest_url, admin):
    """It looks like one that is missing."""
    await admin.execute("CREATE SCHEMA sales")

    assert "GRANT CREATE ON DATABASE" in await _refused(guest_url, schema="sales")


async def test_no_right_to_the_tables(guest_url, admin, postgres_url):
    """Which somebody else has made."""
    async with open_database(postgres_url) as database:
        await Schema(database, "session").migrate()

    for auto_migrate in (True, False):
        text = await _refused(guest_url, auto_migrate=auto_migrate)
        assert "permission denied for table bodhi_schema" in text


async def test_a_database_that_is_read_only(admin, postgres_url):
    """Its tables cannot be made. One that has them opens, and serves reads: see tests/session/test_isolation.py."""
    name = read_postgres_url(postgres_url).database
    await admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")

    assert "it is read-only: name the primary" in await _refused(postgres_url)


async def test_a_standby_alone(replication_pair):
    """Its own words would come with the first write."""
    assert "it is read-only: name the primary" in await _refused(replication_pair.standby.url())


@pytest.mark.parametrize("path", ["absent", "absent, other", '"$user"'])
async def test_a_schema_that_is_missing(admin, postgres_url, path):
    """Of several, or of the role's own name, nobody knows which to make; a single one is made."""
    name = read_postgres_url(postgres_url).database
    await admin.execute(f"ALTER DATABASE {name} SET search_path = {path}")

    if path == "absent":
        await (await DefaultSessionService.connect(postgres_url, keys=[KEY])).close()
    else:
        assert "no schema of the search_path exists" in await _refused(postgres_url)


@pytest.mark.parametrize("encoding", ["LATIN1", "WIN1252", "EUC_JP"])
async def test_an_encoding_that_cannot_hold_every_text(admin, postgres_url, encoding):
    """Rather than 500 for the first name with another letter."""
    name = f"latin_{os.urandom(6).hex()}"
    await admin.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
    try:
        text = await _refused(with_database(postgres_url, name))
    finally:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")

    assert f"its encoding is {encoding}" in text
    assert "ENCODING 'UTF8'" in text


async def test_an_encoding_that_keeps_bytes_as_they_are(admin, postgres_url):
    """SQL_ASCII, of servers with the locale C: what is stored comes back."""
    name = f"ascii_{os.urandom(6).hex()}"
    await admin.execute(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    try:
        url = with_database(postgres_url, name)
        async with DefaultSessionService.from_url(url, keys=[KEY]) as service:
            session_id, _ = await service.create({"user_id": "zoë 😀", "name": "Łukasz"})
            assert "zoë 😀" == (await service.load(session_id)).record.user_id
            assert 1 == await service.count_sessions_for_user("zoë 😀")
    finally:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("table", ["bodhi_session", "bodhi_session_set_aside", "bodhi_session_format"])
@pytest.mark.parametrize("auto_migrate", [True, False])
async def test_a_table_that_was_dropped(database_url, table, auto_migrate):
    """Both databases refuse to start, whether they migrate or not."""
    await (await DefaultSessionService.connect(database_url, keys=[KEY])).close()
    async with RawDatabase(database_url) as raw:
        await raw.rows(f"DROP TABLE {table}")

    text = await _refused(database_url, auto_migrate=auto_migrate)

    assert f"{table} is missing" in text
