"""``/ui/admin/activity``: plots of recent activity, for administrators."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import msgspec
from aiohttp import web
from markupsafe import Markup
from msgspec import Meta

from bodhi.server.access.gate import SESSION_ADMIN
from bodhi.server.access.scopes import Role
from bodhi.server.activity.plots import plot, summarize
from bodhi.server.activity.service import ACTIVITY, REASONS, Activity, Amount, Point
from bodhi.server.http.input import query_of
from bodhi.server.http.navigation import Entry
from bodhi.server.http.operations import Operation
from bodhi.server.http.paths import ADMIN_PATH
from bodhi.server.http.rendering import page

ENTRY = Entry("Activity", f"{ADMIN_PATH}/activity", Role.ADMIN)

SPANS = (1, 6, 24)  # hours
ROWS = 12  # of the table of values
PLOTS: tuple[tuple[Amount | Literal["live_sessions"], str], ...] = (
    ("live_sessions", "Live sessions"),
    ("logins", "Sign-ins per minute"),
    ("saves", "Saves per minute"),
    ("conflicts", "Merged saves per minute"),
    ("revocations", "Revoked sessions per minute"),
)


class Span(msgspec.Struct, frozen=True):
    """The query: how many hours to plot."""

    hours: Annotated[int, Meta(ge=1, le=24)] = 6


@dataclass(frozen=True, slots=True)
class Drawing:
    """A plot with its heading, its summary and its table: the highest value in each part of the span."""

    name: str
    title: str
    summary: str
    picture: Markup
    rows: Sequence[Point]


async def activity(request: web.Request) -> web.Response:
    """Plots of the last hours, from the activity counters of all nodes."""
    hours = query_of(request, Span).hours
    recorded = request.app[ACTIVITY]
    ended = await recorded.ended_by_reason(hours)
    return await page(
        request,
        "activity.html",
        drawings=[await _drawing(name, title, recorded, hours) for name, title in PLOTS],
        ended=[(REASONS.get(reason, reason), count) for reason, count in ended.items()],
        since=await recorded.recorded_since(),
        spans=SPANS,
        hours=hours,
    )


async def _drawing(name: Amount | Literal["live_sessions"], title: str, recorded: Activity, hours: int) -> Drawing:
    series, is_level = await recorded.series(name, hours), name == "live_sessions"
    summary = summarize(series, is_level=is_level)
    return Drawing(
        name, title, summary, plot(name, title, series, summary), _rows(series, timedelta(hours=hours) / ROWS)
    )


def _rows(series: Sequence[Point], step: timedelta) -> list[Point]:
    """Return the highest value in each *step*, newest first."""
    highest: dict[datetime, int] = {}
    for minute, value in series:
        start = datetime.fromtimestamp(minute.timestamp() // step.total_seconds() * step.total_seconds(), UTC)
        highest[start] = max(value, highest.get(start, 0))
    return sorted(highest.items(), reverse=True)


OPERATIONS = (Operation("GET", ENTRY.path, activity, SESSION_ADMIN, "Activity", query=Span, in_document=False),)
