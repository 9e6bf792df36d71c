"""``/ui/admin/tokens``: the API tokens of all users, for administrators. Token values are never shown."""

from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from aiohttp import web

from bodhi.server.access.gate import SESSION_ADMIN
from bodhi.server.access.profiles import PROFILES
from bodhi.server.access.scopes import Role
from bodhi.server.http.context import session_user_of
from bodhi.server.http.input import UserId, parameter_of, query_of
from bodhi.server.http.labels import query
from bodhi.server.http.navigation import Entry
from bodhi.server.http.operations import Operation
from bodhi.server.http.paths import ADMIN_PATH
from bodhi.server.http.rendering import fragment, page
from bodhi.server.http.responses import is_partial, see_other
from bodhi.server.http.sections import Section, UserPageQuery
from bodhi.server.tokens.errors import TokenNotFound
from bodhi.server.tokens.service import API_TOKENS

ENTRY = Entry("All API tokens", f"{ADMIN_PATH}/tokens", Role.ADMIN)

PAGE_SIZE = 30
SECTION_SIZE = 10  # on the page of one user
DISABLED = "Token deactivated. Programs that use it have lost access."


class OwnerQuery(msgspec.Struct, frozen=True):
    """The owner of the tokens; None means all users."""

    id: UserId | None = None


class ListQuery(OwnerQuery, frozen=True):
    """The query of the list; without scripts, *done* is the outcome of the form submitted before."""

    after: UUID | None = None
    done: Literal["disabled"] | None = None


async def list_tokens(request: web.Request) -> web.Response:
    """List the tokens with their owners, each with a form to disable it."""
    list_query = query_of(request, ListQuery)
    return await page(
        request,
        "all_tokens.html",
        notice=DISABLED if list_query.done else None,
        **await _page_context(request, list_query.id, after=list_query.after),
    )


async def disable(request: web.Request) -> web.Response:
    """Disable the token and confirm it in place."""
    user_id, token_id = query_of(request, OwnerQuery).id, str(parameter_of(request, "id"))
    by = session_user_of(request).user_id
    if not await request.app[API_TOKENS].disable(token_id, user_id=user_id, by=by):
        raise TokenNotFound
    if is_partial(request):
        return fragment("_decided.html", notice=DISABLED)
    return see_other(request, ENTRY.path + query(done="disabled", **({"id": user_id} if user_id else {})))


async def _page_context(
    request: web.Request, user_id: str | None, *, after: UUID | None = None, size: int = PAGE_SIZE
) -> dict[str, Any]:
    """Return a page of tokens, of one user or of all, oldest first."""
    tokens = await request.app[API_TOKENS].list_of_all(
        user_id=user_id, after="" if after is None else str(after), size=size + 1
    )
    return {
        "tokens": tokens[:size],
        "names": await request.app[PROFILES].display_names(token.user_id for token in tokens[:size]),
        "tokens_of": user_id,
        "tokens_after": tokens[size - 1].id if len(tokens) > size else None,
        "now": datetime.now(UTC),
    }


async def user_tokens(request: web.Request) -> dict[str, Any] | None:
    """Return the values of a user page's section: the user's first tokens. None for non-administrators."""
    if session_user_of(request).role is not Role.ADMIN:
        return None
    return await _page_context(request, query_of(request, UserPageQuery).id, size=SECTION_SIZE)


USER_SECTION = Section("_user_tokens.html", user_tokens)

OPERATIONS = (
    Operation("GET", ENTRY.path, list_tokens, SESSION_ADMIN, "All API tokens", query=ListQuery, in_document=False),
    Operation(
        "POST",
        f"{ENTRY.path}/{{id}}/disable",
        disable,
        SESSION_ADMIN,
        "Disable an API token",
        query=OwnerQuery,
        parameters={"id": UUID},
        in_document=False,
    ),
)
