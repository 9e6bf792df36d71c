"""``/ui/admin/tokens``: everybody's API tokens, for administrators. A token itself is known to its holder alone."""

from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from aiohttp import web

from bodhi.server.access.gate import SESSION_ADMIN
from bodhi.server.access.profiles import PROFILES
from bodhi.server.access.scopes import Role
from bodhi.server.http.context import session_user_of
from bodhi.server.http.forms import is_partial, see_other
from bodhi.server.http.input import UserId, parameter_of, query_of
from bodhi.server.http.labels import query
from bodhi.server.http.navigation import Entry
from bodhi.server.http.operations import Operation
from bodhi.server.http.paths import ADMIN_PATH
from bodhi.server.http.rendering import fragment, page
from bodhi.server.http.sections import Section, UserPageQuery
from bodhi.server.tokens.errors import TokenNotFound
from bodhi.server.tokens.service import API_TOKENS

ENTRY = Entry("API tokens", f"{ADMIN_PATH}/tokens", Role.ADMIN)

PAGE_SIZE = 30
FEW_TOKENS = 10  # on the page of one user
DISABLED = "Inactive. Programs that use it are refused."


class Whose(msgspec.Struct, frozen=True):
    """Whose tokens are meant: everybody's where nobody is named."""

    id: UserId | None = None


class Shown(Whose, frozen=True):
    """Which tokens are looked at, and what was done just now, without a script."""

    after: UUID | None = None
    done: Literal["disabled"] | None = None


async def list_tokens(request: web.Request) -> web.Response:
    """Each with whose it is, and a form that makes it inactive."""
    asked = query_of(request, Shown)
    return await page(
        request,
        "all_tokens.html",
        notice=DISABLED if asked.done else None,
        **await _page_context(request, asked.id, after=asked.after),
    )


async def disable(request: web.Request) -> web.Response:
    """Makes the token inactive, and says so in its place."""
    user_id, token_id = query_of(request, Whose).id, str(parameter_of(request, "id"))
    by = session_user_of(request).user_id
    if not await request.app[API_TOKENS].disable(token_id, user_id=user_id, by=by):
        raise TokenNotFound
    if is_partial(request):
        return fragment("_decided.html", notice=DISABLED)
    return see_other(request, ENTRY.path + query(done="disabled", **({"id": user_id} if user_id else {})))


async def _page_context(
    request: web.Request, user_id: str | None, *, after: UUID | None = None, size: int = PAGE_SIZE
) -> dict[str, Any]:
    """One page of the user's tokens, or of everybody's, oldest first."""
    found = await request.app[API_TOKENS].list_of_all(
        user_id=user_id, after="" if after is None else str(after), size=size + 1
    )
    return {
        "tokens": found[:size],
        "names": await request.app[PROFILES].display_names(token.user_id for token in found[:size]),
        "tokens_of": user_id,
        "tokens_after": found[size - 1].id if len(found) > size else None,
        "now": datetime.now(UTC),
    }


async def user_tokens(request: web.Request) -> dict[str, Any] | None:
    """For the page of one user, to administrators: the first of the user's tokens."""
    if session_user_of(request).role is not Role.ADMIN:
        return None
    return await _page_context(request, query_of(request, UserPageQuery).id, size=FEW_TOKENS)


USER_SECTION = Section("_user_tokens.html", user_tokens)

OPERATIONS = (
    Operation("GET", ENTRY.path, list_tokens, SESSION_ADMIN, "All API tokens", query=Shown, in_document=False),
    Operation(
        "POST",
        f"{ENTRY.path}/{{id}}/disable",
        disable,
        SESSION_ADMIN,
        "Make one of all API tokens inactive",
        query=Whose,
        parameters={"id": UUID},
        in_document=False,
    ),
)
