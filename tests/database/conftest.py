"""A database of each kind with the session tables, and rows to insert."""

from collections.abc import AsyncIterator

import pytest

from bodhi.database import Database, Schema, open_database


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The test's database, with the session tables."""
    async with open_database(database_url, limit_seconds=60) as database:
        await Schema(database, "session").migrate()
        yield database
