"""The metrics of an application: all its counters, read on demand."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from bodhi.database import DatabaseCounters
from bodhi.errors import BodhiError, root_cause
from bodhi.metrics.exposition import SESSION_COUNTS
from bodhi.metrics.requests import RequestTimes
from bodhi.metrics.snapshot import LIVE_SECONDS, Labels, Live, Snapshot
from bodhi.server.access.errors import api_error_of
from bodhi.server.access.ttl_cache import TtlCache
from bodhi.server.authentication.refresh import Refresher
from bodhi.session import SessionCounters


@dataclass(slots=True)
class LoginCounters:
    """Completed and refused logins since the start of the process."""

    logins: int = 0
    refused_logins: dict[str, int] = field(default_factory=dict)  # by error code

    def count_refusal(self, error: BodhiError) -> None:
        """Count a login that ended with *error*."""
        if (api_error := api_error_of(error)) is not None:
            self.refused_logins[api_error.code] = self.refused_logins.get(api_error.code, 0) + 1


Numbers = Callable[[], Mapping[Labels, float]]

log = logging.getLogger(__name__)


@dataclass
class ApplicationMetrics:
    """Sources of the application's metrics."""

    sessions: SessionCounters
    count_live: Callable[[], Awaitable[int]]
    logins: LoginCounters
    refresher: Refresher
    databases: Mapping[str, DatabaseCounters] = field(default_factory=dict)
    requests: RequestTimes = field(default_factory=RequestTimes)
    refusals: dict[str, int] = field(default_factory=dict)  # by code
    clock: Callable[[], float] = time.time
    more_counts: list[Numbers] = field(default_factory=list)  # registered by features
    more_levels: list[Numbers] = field(default_factory=list)
    live: Live | None = None

    def __post_init__(self) -> None:
        self._counting = asyncio.Lock()

    def snapshot(self) -> Snapshot:
        """Return the current values of all metrics."""
        return Snapshot(
            taken_at=self.clock(),
            counts={
                **self._session_counts(),
                **self._auth_counts(),
                **self._database_counts(),
                **_all_of(self.more_counts),
            },
            times={("bodhi_http_request_duration_seconds", *labels): row for labels, row in self._request_times()},
            levels=self._levels(),
            live=self.live,
        )

    async def refresh_live_count(self, known: Live | None) -> None:
        """Count the live sessions in the database, unless the *known* count is recent enough.

        While the database is unavailable, the count is unknown rather than stale.
        """
        async with self._counting:
            newest = max((count for count in (known, self.live) if count is not None), default=None)
            if newest is not None and 0 <= self.clock() - newest.counted_at < LIVE_SECONDS:
                return
            try:
                self.live = Live(self.clock(), await self.count_live())
            except BodhiError as error:
                log.warning("live session count failed: %s", root_cause(error))

    def _session_counts(self) -> dict[Labels, float]:
        counts: dict[Labels, float] = {
            (f"bodhi_session_{name}_total",): getattr(self.sessions, name) for name in SESSION_COUNTS
        }
        return counts | _by_label("bodhi_session_ended_total", self.sessions.endings)

    def _auth_counts(self) -> dict[Labels, float]:
        return {
            ("bodhi_logins_total",): self.logins.logins,
            **_by_label("bodhi_login_refusals_total", self.logins.refused_logins),
            **_by_label("bodhi_refusals_total", self.refusals),
            ("bodhi_refreshes_total",): self.refresher.grants,
            **_by_label("bodhi_refresh_failures_total", self.refresher.failures),
        }

    def _database_counts(self) -> dict[Labels, float]:
        counts: dict[Labels, float] = {}
        for name, database in self.databases.items():
            counts["bodhi_database_waits_total", name] = database.waits
            counts["bodhi_database_wait_seconds_total", name] = database.wait_seconds
            for error, number in database.errors.items():
                counts["bodhi_database_errors_total", name, error] = number
        return counts

    def _levels(self) -> dict[Labels, float]:
        levels: dict[Labels, float] = {("bodhi_processes",): 1, **_all_of(self.more_levels)}
        for name, database in self.databases.items():
            levels["bodhi_database_in_use", name] = database.in_use
            levels["bodhi_database_waiting", name] = database.waiting
        return levels

    def _request_times(self) -> list[tuple[Labels, list[float]]]:
        return [(labels, list(row)) for labels, row in self.requests.by_labels.items()]


def cache_counts(metric: str, cache: TtlCache[Any]) -> dict[Labels, float]:
    """Return the hits and misses of *cache*."""
    return {(metric, "hit"): cache.hits, (metric, "miss"): cache.misses}


def _all_of(sources: Iterable[Numbers]) -> dict[Labels, float]:
    return {labels: number for numbers in sources for labels, number in numbers().items()}


def _by_label(metric: str, counts: Mapping[str, int]) -> dict[Labels, float]:
    return {(metric, label): count for label, count in counts.items()}


METRICS = web.AppKey("METRICS", ApplicationMetrics)
