"""``/ui/admin``: the users known to this server, for managers and administrators."""

from typing import Any

from aiohttp import web

from bodhi.server.access.gate import SESSION_MANAGER
from bodhi.server.access.profile_lists import NO_ROLE, REMOVED
from bodhi.server.access.scopes import Role
from bodhi.server.http import labels
from bodhi.server.http.context import session_user_of
from bodhi.server.http.input import query_of
from bodhi.server.http.navigation import Entry
from bodhi.server.http.operations import Operation
from bodhi.server.http.paging import list_url
from bodhi.server.http.paths import ADMIN_PATH
from bodhi.server.http.rendering import fragment, page
from bodhi.server.http.responses import is_partial
from bodhi.server.users.listing import MOST, USER_LIST, ListQuery

ENTRY = Entry("Users", ADMIN_PATH, Role.MANAGER)

PAGE_SIZE = 30
ROLE_LABELS = [
    *((str(role), labels.role_name(role)) for role in reversed(Role)),
    (NO_ROLE, labels.role_name(None)),
    (REMOVED, "Removed"),
]


async def show_users(request: web.Request) -> web.Response:
    """List users, each with a link to their page."""
    context = await _page_context(request, query_of(request, ListQuery))
    if is_partial(request):
        return fragment("_users.html", is_answer=True, **context)
    return await page(request, "users.html", is_answer=False, **context)


async def _page_context(request: web.Request, query: ListQuery) -> dict[str, Any]:
    found = await request.app[USER_LIST].page(session_user_of(request).role, query, size=PAGE_SIZE)
    text = query.q.strip()
    kept = {"q": text, "role": query.role, "sessions": query.sessions, "sort": query.sort, "order": query.order}
    return {
        "users": found.window.entries,
        "total": found.total,
        "most": MOST if found.is_cut else None,
        "text": text,
        "query": query,
        "pages": found.window,
        "url": list_url(ENTRY.path, kept),
        "role_filters": ROLE_LABELS,
    }


OPERATIONS = (Operation("GET", ENTRY.path, show_users, SESSION_MANAGER, "Users", query=ListQuery, in_document=False),)
