"""Shared counters of processes, which may crash."""

import os
import signal
import time

import pytest

from bodhi.metrics.shared_counters import HALF, SharedCounters
from bodhi.metrics.snapshot import Live, Snapshot

SAVES = ("bodhi_session_saves_total",)
IN_USE = ("bodhi_database_in_use", "session")
TIMES = ("bodhi_http_request_duration_seconds", "/ping", "GET", "2xx")


def snapshot(saves, at=1_000.0, **others):
    """Return the metrics of a process with this number of saves and one connection in use."""
    return Snapshot(taken_at=at, counts={SAVES: saves}, levels={IN_USE: 1}, **others)


@pytest.fixture
def board():
    """A board of two places."""
    return SharedCounters(2)


def test_every_process_reports_the_same_sum(board):
    """Counts, levels and times of all places; the newest word about live sessions."""
    first, second = board.take(0), board.take(1)
    first.put(snapshot(3, times={TIMES: [1, 0, 0.5]}, live=Live(990.0, 8)))
    second.put(snapshot(4, times={TIMES: [1, 2, 0.25]}, live=Live(995.0, 9)))

    total = first.total(now=1_000)

    assert total == second.total(now=1_000)
    assert ({SAVES: 7}, {IN_USE: 2}, {TIMES: [2, 2, 0.75]}) == (total.counts, total.levels, total.times)
    assert 9 == total.live.sessions


def test_stale_slots_are_not_counted_as_levels(board):
    """A process that hangs has used no connection that anybody knows of; what it counted, it counted."""
    board.take(0).put(snapshot(3, live=Live(1_000.0, 8)))

    total = board.take(1).total(now=1_100)

    assert ({SAVES: 3}, {}, None) == (total.counts, total.levels, total.live)


def test_process_that_takes_over_a_slot_continues_its_counts(board):
    """Nothing is lost with a process that died, and nothing counted twice."""
    board.take(0).put(snapshot(3))
    for _ in range(3):
        follower = board.take(0)
        assert {SAVES: 3} == follower.total(now=1_000).counts
        follower.put(snapshot(0))

    follower.put(snapshot(2))
    follower.put(snapshot(4))
    assert {SAVES: 7} == follower.total(now=1_000).counts
    assert {SAVES: 7} == board.take(0).total(now=1_000).counts


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_process_killed_during_a_write_keeps_its_previous_counts(board):
    """Again and again, at whatever point of a writing: what can be read is whole, and never goes back."""
    told = 0
    for _ in range(20):
        child = os.fork()
        if child == 0:  # pragma: no cover - another process
            place = board.take(0)
            saves = 0
            while True:
                saves += 1
                place.put(snapshot(saves, times={(str(number),): [0.0] * 15 for number in range(100)}))
        until = time.monotonic() + 300
        while board.take(1).total(now=1_000).counts.get(SAVES, 0) <= told:
            assert time.monotonic() < until
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        now = board.take(1).total(now=1_000).counts[SAVES]
        assert now > told
        told = now


def test_counts_that_do_not_fit_are_dropped_and_logged_once(board, caplog):
    """The numbers stand still, rather than to run over into another's."""
    place = board.take(0)
    place.put(snapshot(1))
    for _ in range(2):
        place.put(Snapshot(counts={("x" * HALF,): 1.0}))

    assert {SAVES: 1} == place.total(now=1_000).counts
    assert 1 == len(caplog.records)
