"""What of a process is watched: the counters of all rooms, read when somebody asks."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bodhi.database import DatabaseCounters
from bodhi.errors import BodhiError
from bodhi.metrics.exposition import SESSION_COUNTS
from bodhi.metrics.requests import RequestTimes
from bodhi.metrics.snapshot import LIVE_SECONDS, Labels, Live, Snapshot
from bodhi.server.authentication.login_counters import LoginCounters
from bodhi.server.authentication.refresh import Refresher
from bodhi.session.counters import SessionCounters


class Exchanges(Protocol):
    """What remembers exchanged tokens, as far as it is watched."""

    hits: int
    misses: int

    def __len__(self) -> int: ...


log = logging.getLogger(__name__)


@dataclass
class ApplicationMetrics:
    """The counters of one application."""

    sessions: SessionCounters
    count_live: Callable[[], Awaitable[int]]
    logins: LoginCounters
    refresher: Refresher
    api_tokens: Callable[[], tuple[int, int]]  # hits and misses
    exchanges: Exchanges
    databases: Mapping[str, DatabaseCounters] = field(default_factory=dict)
    requests: RequestTimes = field(default_factory=RequestTimes)
    refusals: dict[str, int] = field(default_factory=dict)  # by code
    clock: Callable[[], float] = time.time
    live: Live | None = None

    def __post_init__(self) -> None:
        self._asking = asyncio.Lock()

    def snapshot(self) -> Snapshot:
        """All numbers as they are now."""
        return Snapshot(
            taken_at=self.clock(),
            counts={**self._session_counts(), **self._auth_counts(), **self._database_counts()},
            times={("bodhi_http_request_duration_seconds", *labels): row for labels, row in self._request_times()},
            levels=self._levels(),
            live=self.live,
        )

    async def ask_live(self, known: Live | None) -> None:
        """Ask the database how many sessions are live, unless what is *known* of it is young enough.

        While the database does not answer the number is not known, rather than old.
        """
        async with self._asking:
            newest = max((one for one in (known, self.live) if one is not None), default=None)
            if newest is not None and 0 <= self.clock() - newest.asked_at < LIVE_SECONDS:
                return
            try:
                self.live = Live(self.clock(), await self.count_live())
            except BodhiError as error:
                log.warning("live sessions cannot be counted: %s", error.__cause__ or error)

    def _session_counts(self) -> dict[Labels, float]:
        counts: dict[Labels, float] = {
            (f"bodhi_session_{name}_total",): getattr(self.sessions, name) for name in SESSION_COUNTS
        }
        return counts | _by_label("bodhi_session_ended_total", self.sessions.endings)

    def _auth_counts(self) -> dict[Labels, float]:
        hits, misses = self.api_tokens()
        return {
            ("bodhi_logins_total",): self.logins.logins,
            **_by_label("bodhi_login_refusals_total", self.logins.refused_logins),
            **_by_label("bodhi_refusals_total", self.refusals),
            ("bodhi_refreshes_total",): self.refresher.grants,
            **_by_label("bodhi_refresh_failures_total", self.refresher.failures),
            ("bodhi_api_token_checks_total", "hit"): hits,
            ("bodhi_api_token_checks_total", "miss"): misses,
            ("bodhi_exchange_cache_total", "hit"): self.exchanges.hits,
            ("bodhi_exchange_cache_total", "miss"): self.exchanges.misses,
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
        levels: dict[Labels, float] = {
            ("bodhi_processes",): 1,
            ("bodhi_exchange_cache_entries",): len(self.exchanges),
        }
        for name, database in self.databases.items():
            levels["bodhi_database_in_use", name] = database.in_use
            levels["bodhi_database_waiting", name] = database.waiting
        return levels

    def _request_times(self) -> list[tuple[Labels, list[float]]]:
        return [(labels, list(row)) for labels, row in self.requests.by_labels.items()]


def _by_label(metric: str, counts: Mapping[str, int]) -> dict[Labels, float]:
    return {(metric, label): count for label, count in counts.items()}
