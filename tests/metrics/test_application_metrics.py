"""The metrics of a process, read on demand."""

import asyncio

import pytest

from bodhi.database import DatabaseCounters
from bodhi.metrics.exposition import COUNTERS, GAUGES, REQUESTS
from bodhi.metrics.snapshot import Live
from bodhi.server.access.ttl_cache import TtlCache
from bodhi.server.application_metrics import ApplicationMetrics, LoginCounters, cache_counts
from bodhi.server.authentication.refresh import Refresher
from bodhi.session import SessionUnavailable
from bodhi.session.counters import SessionCounters


class LiveSessions:
    """A count of live sessions that records its calls."""

    def __init__(self):
        self.calls = 0
        self.is_away = False

    async def count(self):
        self.calls += 1
        await asyncio.sleep(0)
        if self.is_away:
            raise SessionUnavailable
        return 40 + self.calls


@pytest.fixture
def live():
    """The live session count."""
    return LiveSessions()


@pytest.fixture
def now():
    """A manual clock, in seconds."""
    return [1_000.0]


@pytest.fixture
def watch(live, now):
    """The metrics under test."""
    return ApplicationMetrics(
        sessions=SessionCounters(saves=3, endings={"logout": 2}),
        count_live=live.count,
        logins=LoginCounters(logins=1),
        refresher=Refresher(None),
        more_counts=[
            lambda: cache_counts("bodhi_api_token_checks_total", TtlCache(seconds=1)),
            lambda: cache_counts("bodhi_exchange_cache_total", TtlCache(seconds=1)),
        ],
        more_levels=[lambda: {("bodhi_exchange_cache_entries",): 0}],
        databases={"session": DatabaseCounters(in_use=1, errors={"Conflict": 4})},
        clock=lambda: now[0],
    )


def test_every_counter_is_exposed_under_a_documented_name(watch):
    """A number without a description would never reach Prometheus."""
    watch.requests.observe("/", "GET", "2xx", 0.1)
    watch.refusals["auth_error-invalid_access"] = 7
    snapshot = watch.snapshot()

    assert 3 == snapshot.counts["bodhi_session_saves_total",]
    assert 2 == snapshot.counts["bodhi_session_ended_total", "logout"]
    assert 4 == snapshot.counts["bodhi_database_errors_total", "session", "Conflict"]
    described = {f"{one.name}_total": len(one.labels) for one in COUNTERS}
    described |= {one.name: len(one.labels) for one in (*GAUGES, REQUESTS)}
    told = [*snapshot.counts, *snapshot.levels, *snapshot.times]
    assert [] == [labels for labels in told if described.get(labels[0]) != len(labels) - 1]


async def test_live_sessions_are_counted_at_most_every_fifteen_seconds(watch, live, now):
    """Whoever scrapes at once, and also where another process has asked."""
    await asyncio.gather(*(watch.refresh_live_count(None) for _ in range(5)))
    now[0] += 14
    await watch.refresh_live_count(None)
    assert (1, Live(1_000.0, 41)) == (live.calls, watch.live)

    now[0] += 1
    await watch.refresh_live_count(Live(now[0] - 2, 50))
    assert 1 == live.calls
    await watch.refresh_live_count(Live(now[0] - 15, 50))
    assert (2, Live(1_015.0, 42)) == (live.calls, watch.live)


async def test_database_outage_fails_no_scrape(watch, live, caplog):
    """The number is left as it was, and grows old."""
    live.is_away = True

    await watch.refresh_live_count(None)

    assert watch.live is None
    assert "live session count failed" in caplog.text
