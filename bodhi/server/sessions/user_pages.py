"""The sessions section of a user's page; its template also uses ``user_id`` and ``is_self`` of that page."""

from typing import Any

from aiohttp import web

from bodhi.server.access.gate import RECENT_MANAGER
from bodhi.server.http.context import session_user_of
from bodhi.server.http.input import parameter_of, query_of
from bodhi.server.http.labels import query
from bodhi.server.http.operations import Operation
from bodhi.server.http.paths import SIGNED_OUT_PATH, USER_PATH
from bodhi.server.http.rendering import fragment
from bodhi.server.http.responses import is_partial, see_other
from bodhi.server.http.sections import Section, UserPageQuery, UserQuery
from bodhi.server.sessions.admin_api import revoke_session_of_user, revoke_sessions_of_user
from bodhi.server.sessions.api import Handle, SessionPaging, page_of_sessions
from bodhi.session import SESSIONS

PAGE_SIZE = 30
NOTICES = {
    "ended": "Session ended. That device is signed out.",
    "all": "All sessions ended. The user is signed out everywhere.",
}


async def user_sessions(request: web.Request) -> dict[str, Any]:
    """Return the template values of the section."""
    page_query = query_of(request, UserPageQuery)
    return {"decided": None, **await _page_context(request, page_query.id, page_query.after)}


async def end_one(request: web.Request) -> web.Response:
    """Revoke the session; revoking one's own session redirects to the login page."""
    user_id = query_of(request, UserQuery).id
    if await revoke_session_of_user(request, user_id, parameter_of(request, "handle")):
        return see_other(request, SIGNED_OUT_PATH)
    return await _revoked(request, user_id, "ended")


async def end_all(request: web.Request) -> web.Response:
    """Revoke all sessions of the user; for one's own, redirect to the login page."""
    user_id = query_of(request, UserQuery).id
    await revoke_sessions_of_user(request, user_id)
    if user_id == session_user_of(request).user_id:
        return see_other(request, SIGNED_OUT_PATH)
    return await _revoked(request, user_id, "all")


async def _revoked(request: web.Request, user_id: str, outcome: str) -> web.Response:
    """Return the updated section, or a redirect to the page for browsers without scripts."""
    if is_partial(request):
        return fragment(
            "_user_sessions.html",
            user_id=user_id,
            is_self=user_id == session_user_of(request).user_id,
            decided=NOTICES[outcome],
            **await _page_context(request, user_id, None),
        )
    return see_other(request, USER_PATH + query(id=user_id, done=outcome))


async def _page_context(request: web.Request, user_id: str, after: str | None) -> dict[str, Any]:
    """Return a page of the user's sessions, oldest first, and the total."""
    listed = await page_of_sessions(request, SessionPaging(after, PAGE_SIZE), user_id)
    return {
        "sessions": listed.sessions,
        "total": await request.app[SESSIONS].count_sessions_for_user(user_id),
        "after": listed.after,
    }


USER_SECTION = Section("_user_sessions.html", user_sessions, NOTICES)

OPERATIONS = (
    Operation(
        "POST",
        f"{USER_PATH}/sessions/{{handle}}/end",
        end_one,
        RECENT_MANAGER,
        "End one session of a user",
        query=UserQuery,
        parameters={"handle": Handle},
        in_document=False,
    ),
    Operation(
        "POST",
        f"{USER_PATH}/end-all",
        end_all,
        RECENT_MANAGER,
        "End all sessions of a user",
        query=UserQuery,
        in_document=False,
    ),
)
