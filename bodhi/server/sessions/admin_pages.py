"""``/ui/admin/sessions``: the sessions of all users, for administrators."""

from typing import Any

import msgspec
from aiohttp import web

from bodhi.server.access.gate import RECENT_ADMIN, SESSION_ADMIN
from bodhi.server.access.scopes import Role
from bodhi.server.http.input import UserId, parameter_of, query_of
from bodhi.server.http.navigation import Entry
from bodhi.server.http.operations import Operation
from bodhi.server.http.paging import list_url
from bodhi.server.http.paths import ADMIN_PATH, SIGNED_OUT_PATH
from bodhi.server.http.rendering import fragment, page
from bodhi.server.http.responses import is_partial, see_other
from bodhi.server.sessions.admin_api import revoke_every_session, revoke_session_of_user
from bodhi.server.sessions.api import Handle
from bodhi.server.sessions.listing import ALL_SESSIONS_LIST, ListQuery
from bodhi.session import get_session, info_of

ENTRY = Entry("All sessions", f"{ADMIN_PATH}/sessions", Role.ADMIN)

COLUMNS = 6
PAGE_SIZE = 30
ENDED = "Session ended. That device is signed out."


class OwnerQuery(msgspec.Struct, frozen=True):
    """The user of the session; None for an anonymous session."""

    id: UserId | None = None


async def list_sessions(request: web.Request) -> web.Response:
    """List the sessions with their users, each with a form to revoke it."""
    query = query_of(request, ListQuery)
    context = await _page_context(request, query)
    if is_partial(request):
        return fragment("_all_sessions.html", is_answer=True, **context)
    return await page(request, "all_sessions.html", is_answer=False, notice=ENDED if query.done else None, **context)


async def end_one(request: web.Request) -> web.Response:
    """Revoke the session and confirm it in place; revoking one's own session redirects to the login page."""
    user_id = query_of(request, OwnerQuery).id
    if await revoke_session_of_user(request, user_id, parameter_of(request, "handle")):
        return see_other(request, SIGNED_OUT_PATH)
    if is_partial(request):
        return fragment("_decided_row.html", notice=ENDED, columns=COLUMNS)
    return see_other(request, f"{ENTRY.path}?done=ended")


async def end_all(request: web.Request) -> web.Response:
    """Revoke every session, including the administrator's own."""
    await revoke_every_session(request)
    return see_other(request, SIGNED_OUT_PATH)


async def _page_context(request: web.Request, query: ListQuery) -> dict[str, Any]:
    table = await request.app[ALL_SESSIONS_LIST].page(query, size=PAGE_SIZE)
    text, current = query.q.strip(), (await get_session(request)).identity
    url = list_url(ENTRY.path, {"q": text, "sort": query.sort, "order": query.order})
    return {
        "sessions": [(session, info_of(session.listing, current)) for session in table.window.entries],
        "table": table,
        "text": text,
        "query": query,
        "url": url,
        "here_url": url() if table.is_restarted else url(after=query.after, before=query.before),
    }


OPERATIONS = (
    Operation("GET", ENTRY.path, list_sessions, SESSION_ADMIN, "All sessions", query=ListQuery, in_document=False),
    Operation(
        "POST",
        f"{ENTRY.path}/{{handle}}/end",
        end_one,
        RECENT_ADMIN,
        "End one of all sessions",
        query=OwnerQuery,
        parameters={"handle": Handle},
        in_document=False,
    ),
    Operation("POST", f"{ENTRY.path}/end-all", end_all, RECENT_ADMIN, "End every session", in_document=False),
)
