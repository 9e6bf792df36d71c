"""``/ui/admin/activity``: plots of recent activity, for administrators."""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from aiohttp import web
from markupsafe import Markup
from msgspec import Meta

from bodhi.server.access.gate import SESSION_ADMIN
from bodhi.server.access.scopes import Role
from bodhi.server.activity.plots import plot
from bodhi.server.activity.service import ACTIVITY, Amount
from bodhi.server.http.input import query_of
from bodhi.server.http.navigation import Entry
from bodhi.server.http.operations import Operation
from bodhi.server.http.paths import ADMIN_PATH
from bodhi.server.http.rendering import page

ENTRY = Entry("Activity", f"{ADMIN_PATH}/activity", Role.ADMIN)

SPANS = (1, 6, 24)  # hours
PLOTS: tuple[tuple[Amount | Literal["live_sessions"], str], ...] = (
    ("live_sessions", "Live sessions"),
    ("logins", "Logins a minute"),
    ("saves", "Saves a minute"),
    ("conflicts", "Conflicts a minute"),
    ("revocations", "Ended sessions a minute"),
)


class Span(msgspec.Struct, frozen=True):
    """The query: how many hours to plot."""

    hours: Annotated[int, Meta(ge=1, le=24)] = 6


@dataclass(frozen=True, slots=True)
class Drawing:
    """A plot and its heading."""

    title: str
    picture: Markup


async def activity(request: web.Request) -> web.Response:
    """Plots of the last hours, from the activity counters of all nodes."""
    hours = query_of(request, Span).hours
    recorded = request.app[ACTIVITY]
    drawings = [
        Drawing(title, plot(name, title, await recorded.series(name, hours), is_level=name == "live_sessions"))
        for name, title in PLOTS
    ]
    return await page(
        request,
        "activity.html",
        drawings=drawings,
        spans=SPANS,
        hours=hours,
    )


OPERATIONS = (Operation("GET", ENTRY.path, activity, SESSION_ADMIN, "Activity", query=Span, in_document=False),)
