"""Fixtures shared by the tests of metrics."""

import re

import pytest

from bodhi.database import Schema, open_database
from bodhi.testing.clock import Clock

_SAMPLE = re.compile(r"^(?P<name>[a-z_]+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$", re.MULTILINE)


def samples_of(text):
    """Return the values of an exposition by name and labels."""
    return {(match["name"], match["labels"] or ""): float(match["value"]) for match in _SAMPLE.finditer(text)}


@pytest.fixture
def read_samples():
    """Parses an exposition."""
    return samples_of


@pytest.fixture
def clock():
    """A manual clock."""
    return Clock()


@pytest.fixture
async def application(database_url):
    """The application's database."""
    async with open_database(database_url) as database:
        await Schema(database, "application").migrate()
        yield database
