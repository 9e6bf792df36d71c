"""Whoever gives up while a SQLite file is opened leaves no connection behind."""

import asyncio
import sqlite3
import threading

import pytest

from bodhi.database import open_database
from bodhi.database.sqlite_thread import WorkConnection

DEADLINE_SECONDS = 60


class _Slow(WorkConnection):
    """A connection that takes until it may go on; it is as slow as a loaded machine."""

    made: list["_Slow"]
    may_go_on: threading.Event
    began: threading.Event

    def __init__(self, *arguments, **options):
        self.began.set()
        assert self.may_go_on.wait(DEADLINE_SECONDS)
        super().__init__(*arguments, **options)
        self.made.append(self)


@pytest.fixture
def slow(monkeypatch):
    """Connections that are opened slowly."""
    _Slow.made, _Slow.may_go_on, _Slow.began = [], threading.Event(), threading.Event()
    monkeypatch.setattr("bodhi.database.sqlite_thread.WorkConnection", _Slow)
    return _Slow


def _is_closed(connection):
    try:
        connection.execute("SELECT 1")
    except sqlite3.ProgrammingError:
        return True
    return False


async def _until(happened):
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not happened():
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("is_made", [False, True], ids=["before it is made", "after it was made"])
async def test_an_opening_that_is_cancelled_closes_its_connection(sqlite_url, slow, is_made):
    """In the thread that is still opening it, or at once where its opener had only not heard of it."""
    opening = asyncio.create_task(open_database(sqlite_url).__aenter__())
    await _until(slow.began.is_set)
    if is_made:
        slow.may_go_on.set()
        while not slow.made:  # without a turn of the loop, in which the opener would hear of it
            pass
    opening.cancel()
    await asyncio.sleep(0)
    slow.may_go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await opening

    await _until(lambda: len(slow.made) == 1)
    await _until(lambda: _is_closed(slow.made[0]))


async def test_listening_that_is_cancelled_at_its_beginning_closes_its_connection(sqlite_url, slow):
    """As where a service ends right after it began, on a loaded machine."""
    slow.may_go_on.set()
    async with open_database(sqlite_url) as database:
        before = len(slow.made)
        slow.may_go_on.clear()
        slow.began.clear()
        listening = asyncio.create_task(database.listen("channel", lambda _: None))
        await _until(slow.began.is_set)
        listening.cancel()
        await asyncio.sleep(0)
        slow.may_go_on.set()
        await asyncio.gather(listening, return_exceptions=True)
        await _until(lambda: len(slow.made) == before + 1)
        await _until(lambda: _is_closed(slow.made[-1]))
