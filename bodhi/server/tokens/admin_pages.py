"""``/ui/admin/tokens``: everybody's API tokens, for administrators. A token itself is known to its holder alone."""

from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from aiohttp import web

from bodhi.server.access.gate import SESSION_ADMIN
from bodhi.server.http.forms import is_partial, see_other
from bodhi.server.http.input import parameter_of, query_of
from bodhi.server.http.labels import query
from bodhi.server.http.navigation import ALL_TOKENS as ENTRY
from bodhi.server.http.operations import Operation
from bodhi.server.http.rendering import fragment, page
from bodhi.server.login.api import LOGIN
from bodhi.server.login.form_targets import provider_origins
from bodhi.server.services import API_TOKENS, session_user_of
from bodhi.server.tokens.errors import TokenNotFound
from bodhi.server.users.api import UserId
from bodhi.server.users.display_names import display_names

PAGE_SIZE = 30
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
    return page(
        request,
        "all_tokens.html",
        form_targets=await provider_origins(request.app[LOGIN].provider),
        notice=DISABLED if asked.done else None,
        **await tokens_shown(request, asked.id, after=asked.after),
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


async def tokens_shown(
    request: web.Request, user_id: str | None, *, after: UUID | None = None, size: int = PAGE_SIZE
) -> dict[str, Any]:
    """One page of the user's tokens, or of everybody's, oldest first."""
    found = await request.app[API_TOKENS].list_of_all(
        user_id=user_id, after="" if after is None else str(after), size=size + 1
    )
    return {
        "tokens": found[:size],
        "names": await display_names(request, (token.user_id for token in found[:size])),
        "tokens_of": user_id,
        "tokens_after": found[size - 1].id if len(found) > size else None,
        "now": datetime.now(UTC),
    }


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
