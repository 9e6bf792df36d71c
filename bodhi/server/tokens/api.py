"""``/bodhi/v1/tokens``: manage one's own API tokens. A token is returned once, at creation; its hash never."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from aiohttp import hdrs, web

from bodhi.server.access.errors import RecentLoginRequired
from bodhi.server.access.gate import RECENT_POWER_USER, SESSION_POWER_USER
from bodhi.server.access.recent_login import RECENT_LOGIN
from bodhi.server.access.scopes import TokenScope
from bodhi.server.http.context import context_of, session_user_of
from bodhi.server.http.input import Paging, body_of, parameter_of, query_of
from bodhi.server.http.operations import Operation
from bodhi.server.http.paths import LOGIN_PATH
from bodhi.server.http.responses import empty_response, json_response
from bodhi.server.http.return_to import with_return
from bodhi.server.tokens.errors import InvalidTokenScopeForUsers, ScopeAboveOwnRole, SessionRequired, TokenNotFound
from bodhi.server.tokens.service import API_TOKENS, TokenRecord, TokenStatus

PATH = "/bodhi/v1/tokens"
NO_STORE = {hdrs.CACHE_CONTROL: "no-store"}

# PostgreSQL cannot store NUL.
Name = Annotated[str, msgspec.Meta(max_length=100, pattern=r"^[^\x00]*(?![\s\S])")]


class NewToken(msgspec.Struct, frozen=True):
    """The token to create."""

    scope: TokenScope
    name: Name | None = None
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class TokenChange(msgspec.Struct, frozen=True):
    """The new name and status of a token."""

    name: Name
    status: TokenStatus


class MadeToken(msgspec.Struct, frozen=True):
    """The created token, returned only once."""

    token: str


class TokenPage(msgspec.Struct, frozen=True):
    """A page of the caller's tokens, newest first."""

    data: Sequence[TokenRecord]
    total: int
    page: int
    page_size: int


async def create(request: web.Request) -> web.Response:
    """Answer 201 with the token, the only time it is returned."""
    body = body_of(request, NewToken)
    created = await request.app[API_TOKENS].create(
        context_of(request), scope=body.scope, name=body.name or "", expires_at=body.expires_at
    )
    return json_response(MadeToken(created.token), status=201, **NO_STORE)


async def list_own(request: web.Request) -> web.Response:
    """Answer 200 with a page of the caller's tokens."""
    paging = query_of(request, Paging)
    user_id = session_user_of(request).user_id
    tokens, total = await request.app[API_TOKENS].list_of(user_id, size=paging.size, skip=paging.offset)
    return json_response(TokenPage(tokens, total, paging.page, paging.size))


async def update(request: web.Request) -> web.Response:
    """Change the token; answer 200 with the updated token. Only making it active again needs a recent sign-in."""
    body, user = body_of(request, TokenChange), session_user_of(request)
    is_recent = request.app[RECENT_LOGIN].admits(user)
    try:
        token = await request.app[API_TOKENS].update(
            str(parameter_of(request, "id")),
            user_id=user.user_id,
            name=body.name,
            status=body.status,
            may_enable=is_recent,
        )
    except TokenNotFound:
        if body.status == "active" and not is_recent:
            raise RecentLoginRequired(login=with_return(LOGIN_PATH, None, is_recent=True)) from None
        raise
    return json_response(token)


async def delete(request: web.Request) -> web.Response:
    """Delete the token; answer 204."""
    await request.app[API_TOKENS].delete(str(parameter_of(request, "id")), user_id=session_user_of(request).user_id)
    return empty_response(204)


OPERATIONS = (
    Operation(
        "POST",
        PATH,
        create,
        RECENT_POWER_USER,
        "Create an API token",
        body=NewToken,
        responses={201: MadeToken},
        errors=(
            SessionRequired,
            ScopeAboveOwnRole,
            InvalidTokenScopeForUsers,
        ),
    ),
    Operation(
        "GET",
        PATH,
        list_own,
        SESSION_POWER_USER,
        "List your API tokens, newest first",
        query=Paging,
        responses={200: TokenPage},
    ),
    Operation(
        "PUT",
        f"{PATH}/{{id}}",
        update,
        SESSION_POWER_USER,
        "Rename, enable or disable one of your API tokens; enabling needs a recent sign-in",
        body=TokenChange,
        parameters={"id": UUID},
        responses={200: TokenRecord},
        errors=(TokenNotFound, RecentLoginRequired),
    ),
    Operation(
        "DELETE",
        f"{PATH}/{{id}}",
        delete,
        SESSION_POWER_USER,
        "Delete one of your API tokens",
        parameters={"id": UUID},
        responses={204: None},
        errors=(TokenNotFound,),
    ),
)
