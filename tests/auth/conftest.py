"""The application's own tables on each database, and a clock that tests move."""

from collections.abc import AsyncIterator

import pytest

from bodhi.database import Database, Schema, open_database
from bodhi.testing.clock import Clock


@pytest.fixture
def clock() -> Clock:
    """The time of every service of this test."""
    return Clock()


@pytest.fixture
async def application(database_url: str) -> AsyncIterator[Database]:
    """The test's own database, with the application's tables."""
    async with open_database(database_url, limit_seconds=10) as database:
        await Schema(database, "application").migrate()
        yield database
