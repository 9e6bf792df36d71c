"""``/ui/sessions``: one's own sessions, with forms to revoke them."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from aiohttp import web

from bodhi.server.http.input import Cursor, parameter_of, query_of
from bodhi.server.http.navigation import Entry
from bodhi.server.http.operations import OPTIONAL, Operation
from bodhi.server.http.paths import SIGNED_OUT_PATH
from bodhi.server.http.rendering import fragment, page
from bodhi.server.http.responses import is_partial, see_other
from bodhi.server.sessions.api import (
    Handle,
    SessionPaging,
    page_of_sessions,
    revoke_own_other_sessions,
    revoke_own_session,
    signed_in_user,
)
from bodhi.session import SESSIONS, SessionInfo, get_session, info_of

ENTRY = Entry("Sessions", "/ui/sessions")

PAGE_SIZE = 30
OUTCOMES = {
    "ended": "Session ended. That device is signed out.",
    "others": "Signed out of all other devices.",
}


class ListQuery(msgspec.Struct, frozen=True):
    """The query of the list; without scripts, *done* is the outcome of the form submitted before."""

    after: Cursor | None = None
    done: Literal["ended", "others"] | None = None


async def list_sessions(request: web.Request) -> web.Response:
    """List the sessions, each with a form to revoke it."""
    query = query_of(request, ListQuery)
    return await page(
        request,
        "sessions.html",
        notice=OUTCOMES[query.done] if query.done else None,
        **await _page_context(request, query.after),
    )


async def end_one(request: web.Request) -> web.Response:
    """Revoke the session and confirm it in place; revoking this browser's session redirects to the login page."""
    was_own = await revoke_own_session(request, parameter_of(request, "handle"))
    if was_own:
        return see_other(request, SIGNED_OUT_PATH)
    if is_partial(request):
        return fragment("_ended.html", notice=OUTCOMES["ended"], others=await _count_others(request))
    return see_other(request, f"{ENTRY.path}?done=ended")


async def end_others(request: web.Request) -> web.Response:
    """Revoke all sessions but this browser's."""
    await revoke_own_other_sessions(request)
    if is_partial(request):
        return fragment("_sessions.html", decided=OUTCOMES["others"], **await _page_context(request, None))
    return see_other(request, f"{ENTRY.path}?done=others")


async def _page_context(request: web.Request, after: str | None) -> dict[str, Any]:
    """Return a page of the user's sessions, and the number of all sessions except this browser's."""
    listed = await page_of_sessions(request, SessionPaging(after, PAGE_SIZE), signed_in_user(request).user_id)
    return {
        "sessions": await _own_first(request, listed.sessions, is_first_page=after is None),
        "others": await _count_others(request),
        "after": listed.after,
    }


async def _count_others(request: web.Request) -> int:
    return await request.app[SESSIONS].count_sessions_for_user(signed_in_user(request).user_id) - 1


async def _own_first(
    request: web.Request, sessions: Sequence[SessionInfo], *, is_first_page: bool
) -> Sequence[SessionInfo]:
    """Return *sessions*, this browser's first; it is moved to the first page from a later one."""
    stored = (await get_session(request)).stored
    own = [info for info in sessions if info.is_current]
    if is_first_page and not own and stored is not None:
        own = [info_of(stored.record, stored.handle)]
    return [*own, *(info for info in sessions if not info.is_current)]


OPERATIONS = (
    Operation("GET", ENTRY.path, list_sessions, OPTIONAL, "Your sessions", query=ListQuery, in_document=False),
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
