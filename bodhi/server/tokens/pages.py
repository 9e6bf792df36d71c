"""``/ui/tokens``: one's own API tokens. A token is shown once, in the response that creates it."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from aiohttp import web

from bodhi.server.access.gate import RECENT_POWER_USER, SESSION_POWER_USER
from bodhi.server.access.scopes import Role, TokenScope
from bodhi.server.http import labels
from bodhi.server.http.context import session_user_of
from bodhi.server.http.input import body_of, parameter_of, query_of
from bodhi.server.http.navigation import Entry
from bodhi.server.http.operations import Operation
from bodhi.server.http.rendering import fragment, page
from bodhi.server.http.responses import is_partial, see_other
from bodhi.server.tokens.api import Name
from bodhi.server.tokens.errors import TokenNotFound
from bodhi.server.tokens.service import API_TOKENS

ENTRY = Entry("API tokens", "/ui/tokens", Role.POWER_USER)

PAGE_SIZE = 30
DISABLED = "Inactive. Programs that use it are refused."
SCOPES = (TokenScope.USER, TokenScope.POWER_USER)  # the scopes that the API grants
Days = Literal["", "7", "30", "90", "365"]
DAYS: tuple[Days, ...] = ("7", "30", "90", "365")


class NewToken(msgspec.Struct, frozen=True):
    """The token to create; without *days* it gets the default lifetime of the server."""

    scope: TokenScope
    name: Name = ""
    days: Days = ""


class ListQuery(msgspec.Struct, frozen=True):
    """The query of the list; without scripts, *done* is the outcome of the form submitted before."""

    page: Annotated[int, msgspec.Meta(ge=1, le=2**31)] = 1
    done: Literal["disabled"] | None = None


async def list_tokens(request: web.Request) -> web.Response:
    """List the tokens, newest first, with a form to create one."""
    list_query = query_of(request, ListQuery)
    return await _page(request, list_query.page, notice=DISABLED if list_query.done else None)


async def create(request: web.Request) -> web.Response:
    """Answer 201 with the token. No redirect: it would have to carry the token."""
    body = body_of(request, NewToken)
    expires_at = datetime.now(UTC) + timedelta(days=int(body.days)) if body.days else None
    created = await request.app[API_TOKENS].create(
        session_user_of(request), scope=body.scope, name=body.name.strip(), expires_at=expires_at
    )
    if is_partial(request):
        return fragment("_own_tokens.html", status=201, made=created.token, **await _page_context(request, 1))
    return await _page(request, 1, status=201, made=created.token)


async def disable(request: web.Request) -> web.Response:
    """Disable the token and confirm it in place."""
    token_id, user_id = str(parameter_of(request, "id")), session_user_of(request).user_id
    if not await request.app[API_TOKENS].disable(token_id, user_id=user_id, by=user_id):
        raise TokenNotFound
    if is_partial(request):
        return fragment("_decided.html", notice=DISABLED)
    return see_other(request, f"{ENTRY.path}?done=disabled")


async def _page(
    request: web.Request, number: int, *, status: int = 200, made: str | None = None, notice: str | None = None
) -> web.Response:
    lifetime = request.app[API_TOKENS].default_lifetime_seconds
    return await page(
        request,
        "own_tokens.html",
        status=status,
        made=made,
        notice=notice,
        scopes=SCOPES,
        days=DAYS,
        usual="Never" if lifetime is None else f"In {labels.lifetime(lifetime)}",
        **await _page_context(request, number),
    )


async def _page_context(request: web.Request, number: int) -> dict[str, Any]:
    skip = (number - 1) * PAGE_SIZE
    tokens, total = await request.app[API_TOKENS].list_of(session_user_of(request).user_id, size=PAGE_SIZE, skip=skip)
    return {
        "tokens": tokens,
        "next_page": number + 1 if total > skip + len(tokens) > skip else None,
        "now": datetime.now(UTC),
    }


OPERATIONS = (
    Operation(
        "GET", ENTRY.path, list_tokens, SESSION_POWER_USER, "Your API tokens", query=ListQuery, in_document=False
    ),
    Operation("POST", ENTRY.path, create, RECENT_POWER_USER, "Create an API token", form=NewToken, in_document=False),
    Operation(
        "POST",
        f"{ENTRY.path}/{{id}}/disable",
        disable,
        SESSION_POWER_USER,
        "Disable one of your API tokens",
        parameters={"id": UUID},
        in_document=False,
    ),
)
