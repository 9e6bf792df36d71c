"""``/ui/sessions``: where somebody is logged in, and how they end it."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from aiohttp import web

from bodhi.server.http.forms import is_partial, see_other
from bodhi.server.http.input import Cursor, parameter_of, query_of
from bodhi.server.http.navigation import Entry
from bodhi.server.http.operations import OPTIONAL, Operation
from bodhi.server.http.paths import LOGIN_PATH
from bodhi.server.http.rendering import fragment, page
from bodhi.server.sessions.api import (
    Handle,
    SessionPaging,
    end_other_sessions,
    end_own_session,
    page_of_sessions,
    signed_in_user,
)
from bodhi.session import SESSIONS, SessionInfo, get_session, info_of

ENTRY = Entry("Sessions", "/ui/sessions")

PAGE_SIZE = 30
OUTCOMES = {
    "ended": "Ended. That browser is logged out.",
    "others": "Ended. You are logged in here only.",
}


class Shown(msgspec.Struct, frozen=True):
    """Which sessions are looked at, and what was done just now, without a script."""

    after: Cursor | None = None
    done: Literal["ended", "others"] | None = None


async def list_sessions(request: web.Request) -> web.Response:
    """Each session with a form that ends it."""
    query = query_of(request, Shown)
    return await page(
        request,
        "sessions.html",
        notice=OUTCOMES[query.done] if query.done else None,
        **await _shown(request, query.after),
    )


async def end_one(request: web.Request) -> web.Response:
    """Ends the session, says so in its place, and how many are left; the own one leads to the login page."""
    was_own = await end_own_session(request, parameter_of(request, "handle"))
    if was_own:
        return see_other(request, LOGIN_PATH)
    if is_partial(request):
        return fragment("_ended.html", notice=OUTCOMES["ended"], others=await _others(request))
    return see_other(request, f"{ENTRY.path}?done=ended")


async def end_others(request: web.Request) -> web.Response:
    """Leaves the own session alone, in the list as well."""
    await end_other_sessions(request)
    if is_partial(request):
        return fragment("_sessions.html", decided=OUTCOMES["others"], **await _shown(request, None))
    return see_other(request, f"{ENTRY.path}?done=others")


async def _shown(request: web.Request, after: str | None) -> dict[str, Any]:
    """One page of the person's sessions; and how many there are in all beside the own one."""
    found = await page_of_sessions(request, SessionPaging(after, PAGE_SIZE), signed_in_user(request).user_id)
    return {
        "sessions": await _own_first(request, found.sessions, is_first_page=after is None),
        "others": await _others(request),
        "after": found.after,
    }


async def _others(request: web.Request) -> int:
    return await request.app[SESSIONS].count_sessions_for_user(signed_in_user(request).user_id) - 1


async def _own_first(
    request: web.Request, sessions: Sequence[SessionInfo], *, is_first_page: bool
) -> Sequence[SessionInfo]:
    """The first page begins with the own session, also where its place in the list is on a later one."""
    stored = (await get_session(request)).stored
    own = [one for one in sessions if one.is_current]
    if is_first_page and not own and stored is not None:
        own = [info_of(stored.record, stored.handle)]
    return [*own, *(one for one in sessions if not one.is_current)]


OPERATIONS = (
    Operation("GET", ENTRY.path, list_sessions, OPTIONAL, "Where you are logged in", query=Shown, in_document=False),
    Operation(
        "POST",
        f"{ENTRY.path}/end-others",
        end_others,
        OPTIONAL,
        "End all your sessions but this one",
        in_document=False,
    ),
    Operation(
        "POST",
        f"{ENTRY.path}/{{handle}}/end",
        end_one,
        OPTIONAL,
        "End one of your sessions",
        parameters={"handle": Handle},
        in_document=False,
    ),
)
