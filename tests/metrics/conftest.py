"""What several of these tests need."""

import re

import pytest

from bodhi.database import Schema, open_database
from bodhi.testing.clock import Clock

_SAMPLE = re.compile(r"^(?P<name>[a-z_]+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$", re.MULTILINE)


def samples_of(text):
    """The values of an exposition, by name and labels as they are written."""
    return {(match["name"], match["labels"] or ""): float(match["value"]) for match in _SAMPLE.finditer(text)}


@pytest.fixture
def read_samples():
    """Reads an exposition."""
    return samples_of


@pytest.fixture
def clock():
    """The time of what is tested."""
    return Clock()


@pytest.fixture
async def application(database_url):
    """The application's database."""
    async with open_database(database_url) as database:
        await Schema(database, "application").migrate()
        yield database
