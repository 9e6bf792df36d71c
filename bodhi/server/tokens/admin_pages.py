"""``/ui/admin/tokens``: the API tokens of all users, for administrators. Token values are never shown."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from aiohttp import web

from bodhi.server.access.gate import SESSION_ADMIN
from bodhi.server.access.scopes import Role
from bodhi.server.http.context import session_user_of
from bodhi.server.http.input import UserId, parameter_of, query_of
from bodhi.server.http.navigation import Entry
from bodhi.server.http.operations import Operation
from bodhi.server.http.paging import list_url
from bodhi.server.http.paths import ADMIN_PATH
from bodhi.server.http.rendering import fragment, page
from bodhi.server.http.responses import is_partial, see_other
from bodhi.server.http.sections import Section, UserPageQuery
from bodhi.server.tokens.errors import TokenNotFound
from bodhi.server.tokens.listing import ALL_TOKENS_LIST, MOST, ListQuery
from bodhi.server.tokens.service import API_TOKENS

ENTRY = Entry("All API tokens", f"{ADMIN_PATH}/tokens", Role.ADMIN)

PAGE_SIZE = 30
COLUMNS = 8
SECTION_SIZE = 10  # on the page of one user
DISABLED = "Token deactivated. Programs that use it have lost access."


class FormQuery(msgspec.Struct, frozen=True):
    """The owner of the token, None for any user's, and whether the form is in the table."""

    id: UserId | None = None
    in_table: bool = False


async def list_tokens(request: web.Request) -> web.Response:
    """List the tokens with their owners, each with a form to disable it."""
    query = query_of(request, ListQuery)
    context = await _page_context(request, query)
    if is_partial(request):
        return fragment("_all_tokens.html", is_answer=True, **context)
    return await page(request, "all_tokens.html", is_answer=False, notice=DISABLED if query.done else None, **context)


async def disable(request: web.Request) -> web.Response:
    """Disable the token and confirm it in place."""
    query, token_id = query_of(request, FormQuery), str(parameter_of(request, "id"))
    by = session_user_of(request).user_id
    if not await request.app[API_TOKENS].disable(token_id, user_id=query.id, by=by):
        raise TokenNotFound
    if is_partial(request):
        return fragment("_decided_row.html" if query.in_table else "_decided.html", notice=DISABLED, columns=COLUMNS)
    return see_other(request, list_url(ENTRY.path, {"id": query.id or ""})(done="disabled"))


async def _page_context(request: web.Request, query: ListQuery) -> dict[str, Any]:
    table, text = await request.app[ALL_TOKENS_LIST].page(query, size=PAGE_SIZE), query.q.strip()
    url = list_url(ENTRY.path, {"id": query.id or "", "q": text, "sort": query.sort, "order": query.order})
    return {
        "table": table,
        "most": MOST,
        "columns": COLUMNS,
        "text": text,
        "query": query,
        "url": url,
        "here_url": url(after=query.after, before=query.before),
    }


async def user_tokens(request: web.Request) -> dict[str, Any] | None:
    """Return the values of a user page's section: the user's newest tokens. None for non-administrators."""
    if session_user_of(request).role is not Role.ADMIN:
        return None
    user_id = query_of(request, UserPageQuery).id
    tokens, total = await request.app[API_TOKENS].list_of(user_id, size=SECTION_SIZE)
    return {"tokens": tokens, "has_more_tokens": total > len(tokens), "now": datetime.now(UTC)}


USER_SECTION = Section("_user_tokens.html", user_tokens)

OPERATIONS = (
    Operation("GET", ENTRY.path, list_tokens, SESSION_ADMIN, "All API tokens", query=ListQuery, in_document=False),
    Operation(
        "POST",
        f"{ENTRY.path}/{{id}}/disable",
        disable,
        SESSION_ADMIN,
        "Disable an API token",
        query=FormQuery,
        parameters={"id": UUID},
        in_document=False,
    ),
)
