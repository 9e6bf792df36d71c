"""The current user: ``GET /bodhi/v1/user``."""

from typing import Literal

import msgspec
from aiohttp import web

from bodhi.server.access.principal import ApiToken, ExternalApp, SessionUser
from bodhi.server.http.context import LOGIN_FAULTS, known_context_of
from bodhi.server.http.operations import OPTIONAL, Operation
from bodhi.server.http.responses import json_response


class LoggedOut(msgspec.Struct, tag_field="auth_status", tag="logged_out"):
    """No user is signed in."""


class LoggedIn(msgspec.Struct, tag_field="auth_status", tag="logged_in"):
    """A user, or an application that acts for one; ``role`` is a role or a user scope."""

    user_id: str
    username: str
    first_name: str | None
    last_name: str | None
    role: str | None


class ByApiToken(msgspec.Struct, tag_field="auth_status", tag="api_token"):
    """The holder of an API token."""

    role: Literal["scope_token_user", "scope_token_power_user", "scope_token_manager", "scope_token_admin"]


async def user(request: web.Request) -> web.Response:
    """Return the current user, or that there is none; an error if a logged-in user cannot be identified."""
    context = known_context_of(request)
    body: LoggedOut | LoggedIn | ByApiToken = LoggedOut()
    if isinstance(context, SessionUser | ExternalApp):
        role = None if context.role is None else str(context.role)
        body = LoggedIn(context.user_id, context.username, context.first_name, context.last_name, role)
    elif isinstance(context, ApiToken):
        body = ByApiToken(str(context.role))  # type: ignore[arg-type]
    response = json_response(body)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Vary"] = "Cookie, Authorization"
    return response


OPERATIONS = (
    Operation(
        "GET",
        "/bodhi/v1/user",
        user,
        OPTIONAL,
        "Get the current user",
        responses={200: LoggedOut | LoggedIn | ByApiToken},
        errors=LOGIN_FAULTS,
    ),
)
