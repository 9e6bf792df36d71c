"""``/ui/admin/sessions``: everybody's sessions, for administrators."""

from typing import Any, Literal

import msgspec
from aiohttp import web

from bodhi.server.access.gate import RECENT_ADMIN, SESSION_ADMIN
from bodhi.server.access.profiles import PROFILES
from bodhi.server.access.scopes import Role
from bodhi.server.http.forms import is_partial, see_other
from bodhi.server.http.input import Cursor, UserId, parameter_of, query_of
from bodhi.server.http.navigation import Entry
from bodhi.server.http.operations import Operation
from bodhi.server.http.paths import ADMIN_PATH, LOGIN_PATH
from bodhi.server.http.rendering import fragment, page
from bodhi.server.sessions.admin_api import end_every_session, end_session_of_user
from bodhi.server.sessions.api import Handle, SessionPaging, page_of_sessions

ENTRY = Entry("All sessions", f"{ADMIN_PATH}/sessions", Role.ADMIN)

PAGE_SIZE = 30
ENDED = "Ended. That browser is logged out."


class Shown(msgspec.Struct, frozen=True):
    """Which sessions are looked at, and what was done just now, without a script."""

    after: Cursor | None = None
    done: Literal["ended"] | None = None


class WhoseIfAnybodys(msgspec.Struct, frozen=True):
    """Whose the session is; nobody's where somebody has not logged in."""

    id: UserId | None = None


async def list_sessions(request: web.Request) -> web.Response:
    """Each with whose it is, and a form that ends it."""
    asked = query_of(request, Shown)
    return await page(
        request,
        "all_sessions.html",
        notice=ENDED if asked.done else None,
        **await _shown(request, asked.after),
    )


async def end_one(request: web.Request) -> web.Response:
    """Ends the session, and says so in its place; the own one leads to the login page."""
    user_id = query_of(request, WhoseIfAnybodys).id
    if await end_session_of_user(request, user_id, parameter_of(request, "handle")):
        return see_other(request, LOGIN_PATH)
    if is_partial(request):
        return fragment("_decided.html", notice=ENDED)
    return see_other(request, f"{ENTRY.path}?done=ended")


async def end_all(request: web.Request) -> web.Response:
    """Ends every session: whoever did it has to log in again, too."""
    await end_every_session(request)
    return see_other(request, LOGIN_PATH)


async def _shown(request: web.Request, after: str | None) -> dict[str, Any]:
    found = await page_of_sessions(request, SessionPaging(after, PAGE_SIZE), None)
    names = await request.app[PROFILES].display_names(one.user_id for one in found.sessions)
    return {"sessions": found.sessions, "names": names, "after": found.after}


OPERATIONS = (
    Operation("GET", ENTRY.path, list_sessions, SESSION_ADMIN, "All sessions", query=Shown, in_document=False),
    Operation(
        "POST",
        f"{ENTRY.path}/{{handle}}/end",
        end_one,
        RECENT_ADMIN,
        "End one of all sessions",
        query=WhoseIfAnybodys,
        parameters={"handle": Handle},
        in_document=False,
    ),
    Operation("POST", f"{ENTRY.path}/end-all", end_all, RECENT_ADMIN, "End every session", in_document=False),
)
