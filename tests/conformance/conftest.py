"""A migrated database for bodhi's stores, with small pages and batches."""

from collections.abc import AsyncIterator, Iterator

import pytest

from bodhi.database import Database, open_database
from bodhi.session import PostgresSessionStore, SqliteSessionStore
from bodhi.session.sql_store import upkeep
from support.databases import Databases


@pytest.fixture(scope="module")
def partitioned_postgres_url(postgres_databases: Databases) -> Iterator[str]:
    """A database whose session table has partitions, shared by the tests of a file."""
    with postgres_databases.created(postgres_databases.partitioned) as url:
        yield url


@pytest.fixture
def has_tables() -> bool:
    """They are there: that they are created is tested elsewhere."""
    return True


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An empty database with the session tables."""
    # Nothing here has to survive a power cut: synchronous="normal" spares the disk.
    async with open_database(database_url, synchronous="normal") as database:
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
