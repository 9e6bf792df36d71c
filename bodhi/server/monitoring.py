"""What watches the application: its counters in one hand, and the last day's activity in its database."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiohttp import web

from bodhi.database import Database
from bodhi.metrics.requests import RequestTimes
from bodhi.server.access.principal import ExternalApp
from bodhi.server.access.ttl_cache import TtlCache
from bodhi.server.activity.service import Activity, ActivityRecorder
from bodhi.server.application_metrics import ApplicationMetrics
from bodhi.server.authentication.refresh import Refresher
from bodhi.server.login.api import LOGIN
from bodhi.server.services import ACTIVITY, API_TOKENS, METRICS
from bodhi.session import DefaultSessionService
from bodhi.session.sql_store import SqlSessionStore

# Ends that are nobody's decision about somebody: one's own, or the clock's.
_NO_REVOCATIONS = frozenset({"logout", "replaced", "expired", "unreadable"})


def add_metrics(
    app: web.Application,
    *,
    sessions: DefaultSessionService,
    database: Database,
    refresher: Refresher,
    exchanges: "TtlCache[ExternalApp]",
    times: RequestTimes,
) -> None:
    """Make *app* tell its numbers; *database* is the application's own."""
    databases = {"application": database.counters}
    store = sessions.get_session_store()
    if isinstance(store, SqlSessionStore):
        databases["session"] = store.database.counters
    app[METRICS] = ApplicationMetrics(
        sessions=sessions.counters,
        count_live=sessions.count_sessions,
        logins=app[LOGIN].counters,
        refresher=refresher,
        api_tokens=lambda: app[API_TOKENS].remembered,
        exchanges=exchanges,
        databases=databases,
        requests=times,
    )
    app[ACTIVITY] = Activity(database)


@asynccontextmanager
async def recorded_activity(app: web.Application) -> AsyncIterator[None]:
    """Inside, what *app* does is written down minute by minute."""
    watch = app[METRICS]
    recorder = ActivityRecorder(app[ACTIVITY], amounts=lambda: amounts_of(watch), count_live=watch.count_live)
    recording = asyncio.create_task(recorder.run())
    try:
        yield
    finally:
        recording.cancel()
        await asyncio.gather(recording, return_exceptions=True)
        await recorder.close()


def amounts_of(watch: ApplicationMetrics) -> Mapping[str, int]:
    """What has happened in this process, as the administrator's plots name it."""
    return {
        "logins": watch.logins.logins,
        "saves": watch.sessions.saves,
        "conflicts": watch.sessions.merges,
        "revocations": sum(count for reason, count in watch.sessions.endings.items() if reason not in _NO_REVOCATIONS),
    }
