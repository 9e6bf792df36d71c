"""``/ui/tokens``: somebody's own API tokens. A token is shown once, in the answer that made it, and nowhere else."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from aiohttp import web

from bodhi.server.access.gate import RECENT_POWER_USER, SESSION_POWER_USER
from bodhi.server.access.scopes import Role, TokenScope
from bodhi.server.http import labels as words
from bodhi.server.http.context import session_user_of
from bodhi.server.http.forms import is_partial, see_other
from bodhi.server.http.input import body_of, parameter_of, query_of
from bodhi.server.http.navigation import Entry
from bodhi.server.http.operations import Operation
from bodhi.server.http.rendering import fragment, page
from bodhi.server.tokens.api import Name
from bodhi.server.tokens.errors import TokenNotFound
from bodhi.server.tokens.service import API_TOKENS

ENTRY = Entry("Tokens", "/ui/tokens", Role.POWER_USER)

PAGE_SIZE = 30
DISABLED = "Inactive. Programs that use it are refused."
SCOPES = (TokenScope.USER, TokenScope.POWER_USER)  # the API gives no other ones
Days = Literal["", "7", "30", "90", "365"]
DAYS: tuple[Days, ...] = ("7", "30", "90", "365")


class NewToken(msgspec.Struct, frozen=True):
    """What is asked for; without *days* it lives as long as the server lets tokens live."""

    scope: TokenScope
    name: Name = ""
    days: Days = ""


class Shown(msgspec.Struct, frozen=True):
    """Which tokens are looked at, and what was done just now, without a script."""

    page: Annotated[int, msgspec.Meta(ge=1, le=2**31)] = 1
    done: Literal["disabled"] | None = None


async def list_tokens(request: web.Request) -> web.Response:
    """Newest first, with a form for another one."""
    asked = query_of(request, Shown)
    return await _page(request, asked.page, notice=DISABLED if asked.done else None)


async def create(request: web.Request) -> web.Response:
    """201 with the token, for the only time: no redirect leads on, for it would have to carry it."""
    body = body_of(request, NewToken)
    expires_at = datetime.now(UTC) + timedelta(days=int(body.days)) if body.days else None
    made = await request.app[API_TOKENS].create(
        session_user_of(request), scope=body.scope, name=body.name.strip(), expires_at=expires_at
    )
    if is_partial(request):
        return fragment("_own_tokens.html", status=201, made=made.token, **await _shown(request, 1))
    return await _page(request, 1, status=201, made=made.token)


async def disable(request: web.Request) -> web.Response:
    """Makes the own token inactive, and says so in its place."""
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
        usual="Never" if lifetime is None else f"In {words.lifetime(lifetime)}",
        **await _shown(request, number),
    )


async def _shown(request: web.Request, number: int) -> dict[str, Any]:
    skip = (number - 1) * PAGE_SIZE
    tokens, total = await request.app[API_TOKENS].list_of(session_user_of(request).user_id, size=PAGE_SIZE, skip=skip)
    return {
        "tokens": tokens,
        "next_page": number + 1 if total > skip + len(tokens) > skip else None,
        "now": datetime.now(UTC),
    }


OPERATIONS = (
    Operation("GET", ENTRY.path, list_tokens, SESSION_POWER_USER, "Your API tokens", query=Shown, in_document=False),
    Operation("POST", ENTRY.path, create, RECENT_POWER_USER, "Make an API token", form=NewToken, in_document=False),
    Operation(
        "POST",
        f"{ENTRY.path}/{{id}}/disable",
        disable,
        SESSION_POWER_USER,
        "Make one of your API tokens inactive",
        parameters={"id": UUID},
        in_document=False,
    ),
)
