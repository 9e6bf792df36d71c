"""A migrated database for the stores of bodhi, whose pages and batches are small enough to fill several."""

from collections.abc import AsyncIterator

import pytest

from bodhi.database import Database, Schema, open_database
from bodhi.session import sql_store


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The test's own database, with the tables of sessions."""
    # Nothing here has to survive a power cut: synchronous="normal" spares the disk.
    async with open_database(database_url, synchronous="normal") as database:
        await Schema(database, "session").migrate()
        yield database


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages and batches of ten."""
    monkeypatch.setattr(sql_store, "PAGE", 10)
    monkeypatch.setattr(sql_store, "CLEAR_BATCH", 10)
    for kind in (sql_store.SqliteSessionStore, sql_store.PostgresSessionStore):
        monkeypatch.setattr(kind, "sweep_batch", 10)
