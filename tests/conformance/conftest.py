"""A migrated database for bodhi's stores, with small pages and batches."""

from collections.abc import AsyncIterator, Iterator

import pytest

from bodhi.database import Database, open_database
from bodhi.session import PostgresSessionStore, SqliteSessionStore
from bodhi.session.sql_store import upkeep
from support.databases import Databases


@pytest.fixture(scope="module")
def migrated_postgres_url(postgres_databases: Databases) -> Iterator[str]:
    """A database shared by the tests of a file: creating one per test would take longer than the tests."""
    url = postgres_databases.create(postgres_databases.migrated)
    yield url
    postgres_databases.drop(url)


@pytest.fixture(scope="module")
def partitioned_postgres_url(postgres_databases: Databases) -> Iterator[str]:
    """A shared database whose session table has partitions."""
    url = postgres_databases.create(postgres_databases.partitioned)
    yield url
    postgres_databases.drop(url)


@pytest.fixture
def has_tables() -> bool:
    """They are there: that they are created is tested elsewhere."""
    return True


@pytest.fixture
def database_url(dialect: str, request: pytest.FixtureRequest) -> str:
    """The URL of an empty SQLite file, or of the shared PostgreSQL database, which may contain sessions."""
    url: str = request.getfixturevalue("sqlite_url" if dialect == "sqlite" else "migrated_postgres_url")
    return url


@pytest.fixture
async def database(dialect: str, database_url: str) -> AsyncIterator[Database]:
    """An empty database with the session tables."""
    # Nothing here has to survive a power cut: synchronous="normal" spares the disk.
    async with open_database(database_url, synchronous="normal") as database:
        if dialect == "postgres":
            await database.script("TRUNCATE bodhi_session, bodhi_session_set_aside, bodhi_session_ended")
        yield database


@pytest.fixture
async def partitioned_database(partitioned_postgres_url: str) -> AsyncIterator[Database]:
    """An empty database whose session table has partitions."""
    async with open_database(partitioned_postgres_url) as database:
        await database.script("TRUNCATE bodhi_session, bodhi_session_set_aside, bodhi_session_ended")
        yield database


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages and batches of ten."""
    monkeypatch.setattr(upkeep, "PAGE", 10)
    for kind in (SqliteSessionStore, PostgresSessionStore):
        monkeypatch.setattr(kind, "sweep_batch", 10)
        monkeypatch.setattr(kind, "clear_batch", 10)
