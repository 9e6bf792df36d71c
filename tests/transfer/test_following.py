"""The end of ``copy --follow``, with scripted passes."""

import asyncio
from types import SimpleNamespace

import pytest

from bodhi.cli import sessions_move
from bodhi.cli.sessions_move import StillChanging
from bodhi.database import DatabaseUnavailable
from bodhi.transfer.copy import Tally


class Passes:
    """A transfer with scripted passes."""

    def __init__(self, *passes):
        self._passes = list(passes)

    async def run(self):
        one = self._passes.pop(0) if self._passes else Tally(read=3, kept=3)
        if isinstance(one, Exception):
            yield Tally(read=2, written=1, ended=1)
            raise one
        yield one


@pytest.fixture
def stop_signal(monkeypatch):
    """The stop signal, already set."""
    stop_signal = asyncio.Event()
    stop_signal.set()
    monkeypatch.setattr(sessions_move, "_interrupted", lambda: stop_signal)
    return stop_signal


@pytest.mark.usefixtures("stop_signal")
async def test_following_ends_after_a_pass_without_a_change():
    """What all passes wrote is told, beside what the last one saw."""
    tally = await sessions_move._follow(Passes(Tally(read=3, written=2, kept=1), Tally(read=3, written=1, kept=2)))

    assert Tally(read=3, written=3, kept=3) == tally


@pytest.mark.usefixtures("stop_signal")
async def test_following_continues_while_the_source_changes():
    """Some of what it writes would be lost."""
    with pytest.raises(StillChanging):
        await sessions_move._follow(Passes(*(Tally(read=1, written=1) for _ in range(20))))


async def test_following_waits_for_an_outage_to_end(stop_signal, monkeypatch):
    """A database that restarts does not end the copy; after the signal it does."""
    monkeypatch.setattr(sessions_move, "PAUSE_SECONDS", 0)
    stop_signal.clear()
    following = asyncio.create_task(sessions_move._follow(Passes(DatabaseUnavailable(), Tally(read=1, written=1))))
    while not following.done():
        await asyncio.sleep(0)
        stop_signal.set()
    tally = await following
    assert (2, 1) == (tally.written, tally.ended)  # what the pass that broke off did is told as well

    with pytest.raises(DatabaseUnavailable):
        await sessions_move._follow(Passes(DatabaseUnavailable()))


async def test_progress_is_reported_while_following(monkeypatch, capsys):
    """By the last digest that is done; on stderr, so that the output stays that of the result."""
    monkeypatch.setattr("bodhi.cli.output.REPORT_SECONDS", 0)
    monkeypatch.setattr("bodhi.cli.output.time", SimpleNamespace(monotonic=iter([100.0, 102.0, 103.0, 105.0]).__next__))
    tally = Tally(read=4000, written=2000, reached=b"\x40" + bytes(31))

    await sessions_move._pass(Passes(tally), Tally())
    assert ("", "4000 read, 2000 written so far (25%, 2000 a second)\n") == capsys.readouterr()
    await sessions_move._pass(Passes(tally), Tally(), dry_run=True)
    assert ("", "4000 read, 2000 would be written so far (25%, 2000 a second)\n") == capsys.readouterr()
