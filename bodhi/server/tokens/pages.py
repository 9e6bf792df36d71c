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
from bodhi.server.tokens.service import API_TOKENS, TokenRecord, TokenStatus

ENTRY = Entry("API tokens", "/ui/tokens", Role.POWER_USER)

PAGE_SIZE = 30
NOTICES = {
    "disabled": "Token deactivated. Programs that use it have lost access.",
    "enabled": "Token reactivated. Programs can use it again.",
    "renamed": "Token renamed.",
    "deleted": "Token deleted. Programs that used it have lost access.",
}
SCOPES = (TokenScope.USER, TokenScope.POWER_USER)  # the scopes that the API grants
Days = Literal["", "7", "30", "90", "365"]
DAYS: tuple[Days, ...] = ("7", "30", "90", "365")
PRESELECTED: Days = "90"


class NewToken(msgspec.Struct, frozen=True):
    """The token to create; without *days* it gets the default lifetime of the server."""

    scope: TokenScope
    name: Name = ""
    days: Days = ""


class NewName(msgspec.Struct, frozen=True):
    """The new name of a token."""

    name: Name


class ListQuery(msgspec.Struct, frozen=True):
    """The query of the list; without scripts, *done* is the outcome of the form submitted before."""

    page: Annotated[int, msgspec.Meta(ge=1, le=2**31)] = 1
    done: Literal["disabled", "enabled", "renamed", "deleted"] | None = None


async def list_tokens(request: web.Request) -> web.Response:
    """List the tokens, newest first, with a form to create one."""
    list_query = query_of(request, ListQuery)
    return await _page(request, list_query.page, notice=NOTICES[list_query.done] if list_query.done else None)


async def create(request: web.Request) -> web.Response:
    """Answer 201 with the token. No redirect: it would have to carry the token."""
    body = body_of(request, NewToken)
    expires_at = datetime.now(UTC) + timedelta(days=int(body.days)) if body.days else None
    created = await request.app[API_TOKENS].create(
        session_user_of(request), scope=body.scope, name=body.name.strip(), expires_at=expires_at
    )
    if is_partial(request):
        return fragment("_own_tokens.html", status=201, **await _page_context(request, 1, made=created.token))
    return await _page(request, 1, status=201, made=created.token)


async def disable(request: web.Request) -> web.Response:
    """Disable the token, which its owner can enable again."""
    token_id, user_id = str(parameter_of(request, "id")), session_user_of(request).user_id
    token = await request.app[API_TOKENS].disable(token_id, user_id=user_id, by=user_id)
    if token is None:
        raise TokenNotFound
    return _changed(request, "disabled", token)


async def enable(request: web.Request) -> web.Response:
    """Enable the token."""
    return _changed(request, "enabled", await _update(request, status="active"))


async def rename(request: web.Request) -> web.Response:
    """Rename the token."""
    return _changed(request, "renamed", await _update(request, name=body_of(request, NewName).name.strip()))


async def delete(request: web.Request) -> web.Response:
    """Delete the token and confirm it in its place."""
    token_id, user_id = str(parameter_of(request, "id")), session_user_of(request).user_id
    await request.app[API_TOKENS].delete(token_id, user_id=user_id)
    if is_partial(request):
        return fragment("_decided.html", notice=NOTICES["deleted"])
    return see_other(request, f"{ENTRY.path}?done=deleted")


async def _update(request: web.Request, *, name: str | None = None, status: TokenStatus | None = None) -> TokenRecord:
    token_id, user_id = str(parameter_of(request, "id")), session_user_of(request).user_id
    return await request.app[API_TOKENS].update(token_id, user_id=user_id, name=name, status=status)


def _changed(request: web.Request, outcome: str, token: TokenRecord) -> web.Response:
    """Return the changed token in its place, with the *outcome*."""
    if is_partial(request):
        return fragment("_own_token.html", one=token, notice=NOTICES[outcome], now=datetime.now(UTC))
    return see_other(request, f"{ENTRY.path}?done={outcome}")


async def _page(
    request: web.Request, number: int, *, status: int = 200, made: str | None = None, notice: str | None = None
) -> web.Response:
    return await page(
        request, "own_tokens.html", status=status, notice=notice, **await _page_context(request, number, made=made)
    )


async def _page_context(request: web.Request, number: int, *, made: str | None = None) -> dict[str, Any]:
    """Return a page of tokens, newest first, and the choices of the form. *made* is the token just created."""
    skip, service = (number - 1) * PAGE_SIZE, request.app[API_TOKENS]
    tokens, total = await service.list_of(session_user_of(request).user_id, size=PAGE_SIZE, skip=skip)
    return {
        "made": made,
        "tokens": tokens,
        "next_page": number + 1 if total > skip + len(tokens) > skip else None,
        "now": datetime.now(UTC),
        "scopes": SCOPES,
        **_lifetimes(service.default_lifetime_seconds),
    }


def _lifetimes(default_seconds: int | None) -> dict[str, Any]:
    """Return the choices of a lifetime; preselected is the server's default, or 90 days without one."""
    choices: dict[Days, str] = {days: f"In {days} days" for days in DAYS}
    if default_seconds is None:
        return {"lifetimes": choices | {"": "Never"}, "preselected": PRESELECTED}
    return {"lifetimes": {"": f"In {labels.lifetime(default_seconds)} (default)"} | choices, "preselected": ""}


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
    Operation(
        "POST",
        f"{ENTRY.path}/{{id}}/enable",
        enable,
        RECENT_POWER_USER,
        "Enable one of your API tokens",
        parameters={"id": UUID},
        in_document=False,
    ),
    Operation(
        "POST",
        f"{ENTRY.path}/{{id}}/rename",
        rename,
        SESSION_POWER_USER,
        "Rename one of your API tokens",
        form=NewName,
        parameters={"id": UUID},
        in_document=False,
    ),
    Operation(
        "POST",
        f"{ENTRY.path}/{{id}}/delete",
        delete,
        SESSION_POWER_USER,
        "Delete one of your API tokens",
        parameters={"id": UUID},
        in_document=False,
    ),
)
