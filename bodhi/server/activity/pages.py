"""``/ui/admin/activity``: what the server has been doing, for administrators."""

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
SHOWN: tuple[tuple[Amount | Literal["live_sessions"], str], ...] = (
    ("live_sessions", "Live sessions"),
    ("logins", "Logins a minute"),
    ("saves", "Saves a minute"),
    ("conflicts", "Conflicts a minute"),
    ("revocations", "Ended sessions a minute"),
)


class Span(msgspec.Struct, frozen=True):
    """How far to look back."""

    hours: Annotated[int, Meta(ge=1, le=24)] = 6


@dataclass(frozen=True, slots=True)
class Drawing:
    """One plot and what stands above it."""

    title: str
    picture: Markup


async def activity(request: web.Request) -> web.Response:
    """The last hours as plots, from the server's own counters."""
    hours = query_of(request, Span).hours
    kept = request.app[ACTIVITY]
    drawings = [
        Drawing(title, plot(name, title, await kept.series(name, hours), is_level=name == "live_sessions"))
        for name, title in SHOWN
    ]
    return await page(
        request,
        "activity.html",
        drawings=drawings,
        spans=SPANS,
        hours=hours,
    )


OPERATIONS = (
    Operation(
        "GET", ENTRY.path, activity, SESSION_ADMIN, "What the server has been doing", query=Span, in_document=False
    ),
)
