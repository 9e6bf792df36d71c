"""Metrics in the text format of Prometheus."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from bodhi.metrics.requests import BOUNDS
from bodhi.metrics.snapshot import Labels, Snapshot
from bodhi.session import SessionCounters

SESSION_COUNTS = tuple(one.name for one in fields(SessionCounters) if one.type is int)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Described:
    """A metric: name without suffix, help, and labels."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


_SESSION_HELP = {
    "loads": "Sessions that requests asked for",
    "creations": "Sessions that were made",
    "saves": "Changes that were stored",
    "rotations": "Sessions that moved to a new id",
    "deletions": "Sessions that were ended on purpose",
    "merges": "Saves that met another request's save and were merged with it",
    "overwrites": "Keys that two requests had changed: the later save won",
    "blocked_saves": "Saves of a session that had ended meanwhile: they did not bring it back",
    "lost_changes": "Changes that came too late to be kept, or whose request failed",
    "unreadable": "Corrupt rows that were set aside",
    "unknown_keys": "Rows under a key that is not configured, left alone",
    "touches": "Sessions whose idle time was extended",
    "touch_failures": "Batches of touches that failed and are tried again",
    "swept": "Expired sessions that were deleted",
    "sweep_failures": "Sweeps that failed and are tried again",
    "ambiguous_cookies": "Requests with several different session cookies",
    "unavailable": "Operations that the database did not answer in time",
}

COUNTERS = (
    *(
        Described(f"bodhi_session_{name}", _SESSION_HELP.get(name, f"Sessions: {name.replace('_', ' ')}"))
        for name in SESSION_COUNTS
    ),
    Described("bodhi_session_ended", "Sessions that ended, by the reason", ("reason",)),
    Described("bodhi_logins", "Logins that were completed"),
    Described("bodhi_login_refusals", "Logins that were refused, by the code of the error", ("code",)),
    Described("bodhi_refusals", "Requests that were refused, by the code of the error", ("code",)),
    Described("bodhi_refreshes", "Refreshes of a login's tokens that the provider was asked for"),
    Described("bodhi_refresh_failures", "Refreshes that failed", ("failure",)),
    Described("bodhi_api_token_checks", "Checks of API tokens, spared by memory (hit) or not", ("result",)),
    Described("bodhi_exchange_cache", "Lookups of exchanged tokens", ("result",)),
    Described("bodhi_database_waits", "Waits for a connection, or for SQLite's one writer", ("database",)),
    Described("bodhi_database_wait_seconds", "Time spent in these waits", ("database",)),
    Described("bodhi_database_errors", "Statements that failed, by the class of the error", ("database", "error")),
)
REQUESTS = Described(
    "bodhi_http_request_duration_seconds", "Time until a request was answered", ("route", "method", "status")
)
GAUGES = (
    Described("bodhi_processes", "Processes that serve"),
    Described("bodhi_exchange_cache_entries", "Exchanged tokens that are remembered"),
    Described("bodhi_database_in_use", "Connections in use; on SQLite, whether its writer is", ("database",)),
    Described("bodhi_database_waiting", "Calls that wait for one now", ("database",)),
)
LIVE = Described("bodhi_sessions_live", "Live sessions in the database, as of at most 15 seconds ago")


def exposition(snapshot: Snapshot, build: Mapping[str, str]) -> bytes:
    """Return *snapshot* in Prometheus's text format; *build* becomes the labels of ``bodhi_build_info``."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(snapshot, build))
    return generate_latest(registry)


class _Collector:
    """Collector that prometheus-client calls for one snapshot."""

    def __init__(self, snapshot: Snapshot, build: Mapping[str, str]) -> None:
        self._snapshot = snapshot
        self._build = build

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        snapshot = self._snapshot
        yield InfoMetricFamily("bodhi_build", "Which program this is", dict(self._build))
        for one in COUNTERS:
            counter = CounterMetricFamily(one.name, one.help, labels=one.labels)
            for labels, value in _of(f"{one.name}_total", snapshot.counts):
                counter.add_metric(labels, value)
            yield counter
        for one in GAUGES:
            gauge = GaugeMetricFamily(one.name, one.help, labels=one.labels)
            for labels, value in _of(one.name, snapshot.levels):
                gauge.add_metric(labels, value)
            yield gauge
        live = GaugeMetricFamily(LIVE.name, LIVE.help)
        if snapshot.live is not None:
            live.add_metric((), snapshot.live.sessions)
        yield live
        yield self._requests()

    def _requests(self) -> Metric:
        histogram = HistogramMetricFamily(REQUESTS.name, REQUESTS.help, labels=REQUESTS.labels)
        bounds = [*map(str, BOUNDS), "+Inf"]
        for (_, *labels), (*counts, seconds) in sorted(self._snapshot.times.items()):
            histogram.add_metric(labels, list(zip(bounds, accumulate(counts), strict=True)), seconds)
        return histogram


def _of(name: str, values: Mapping[Labels, float]) -> list[tuple[Labels, float]]:
    return sorted((labels[1:], value) for labels, value in values.items() if labels[0] == name)
