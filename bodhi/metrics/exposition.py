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

SESSION_COUNTS = tuple(counter.name for counter in fields(SessionCounters) if counter.type is int)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """Definition of a metric: name without suffix, help, and labels."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


_SESSION_HELP = {
    "loads": "Sessions loaded",
    "creations": "Sessions created",
    "saves": "Session changes stored",
    "rotations": "Sessions moved to a new id",
    "deletions": "Sessions ended explicitly",
    "merges": "Saves merged with a concurrent save of another request",
    "overwrites": "Keys changed by two concurrent requests; the later save won",
    "blocked_saves": "Saves discarded because the session had ended",
    "lost_changes": "Changes discarded because they came too late or their request failed",
    "unreadable": "Corrupt rows quarantined",
    "unknown_keys": "Rows encrypted with a key that is not configured; left unchanged",
    "touches": "Sessions whose idle timeout was extended",
    "touch_failures": "Failed batches of touches; they are retried",
    "swept": "Expired sessions deleted",
    "sweep_failures": "Failed sweeps; they are retried",
    "ambiguous_cookies": "Requests with several different session cookies",
    "unavailable": "Operations that failed because the database was unavailable",
}

COUNTERS = (
    *(
        MetricDefinition(f"bodhi_session_{name}", _SESSION_HELP.get(name, f"Sessions: {name.replace('_', ' ')}"))
        for name in SESSION_COUNTS
    ),
    MetricDefinition("bodhi_session_ended", "Sessions ended, by reason", ("reason",)),
    MetricDefinition("bodhi_logins", "Logins completed"),
    MetricDefinition("bodhi_login_refusals", "Logins refused, by error code", ("code",)),
    MetricDefinition("bodhi_refusals", "Requests refused, by error code", ("code",)),
    MetricDefinition("bodhi_refreshes", "Token refreshes requested from the provider"),
    MetricDefinition("bodhi_refresh_failures", "Token refreshes failed, by reason", ("failure",)),
    MetricDefinition("bodhi_api_token_checks", "Verifications of API tokens, by cache result", ("result",)),
    MetricDefinition("bodhi_exchange_cache", "Lookups in the cache of exchanged tokens, by result", ("result",)),
    MetricDefinition("bodhi_database_waits", "Waits for a connection, or for SQLite's single writer", ("database",)),
    MetricDefinition("bodhi_database_wait_seconds", "Time spent waiting for a connection or the writer", ("database",)),
    MetricDefinition("bodhi_database_errors", "Statements failed, by class of the error", ("database", "error")),
)
REQUESTS = MetricDefinition(
    "bodhi_http_request_duration_seconds", "Duration of HTTP requests", ("route", "method", "status")
)
GAUGES = (
    MetricDefinition("bodhi_processes", "Server processes"),
    MetricDefinition("bodhi_exchange_cache_entries", "Entries in the cache of exchanged tokens"),
    MetricDefinition(
        "bodhi_database_in_use", "Connections in use; on SQLite, 1 while the writer is in use", ("database",)
    ),
    MetricDefinition("bodhi_database_waiting", "Calls waiting for a connection or the writer", ("database",)),
)
LIVE = MetricDefinition("bodhi_sessions_live", "Live sessions in the database, counted at most 15 seconds ago")


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
        yield InfoMetricFamily("bodhi_build", "Build information", dict(self._build))
        for metric in COUNTERS:
            counter = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
            for labels, value in _of(f"{metric.name}_total", snapshot.counts):
                counter.add_metric(labels, value)
            yield counter
        for metric in GAUGES:
            gauge = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
            for labels, value in _of(metric.name, snapshot.levels):
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
