"""``/bodhi/v1/users``: list users with a role, change their roles, remove them."""

import msgspec
from aiohttp import web

from bodhi.server.access.directory import UserPage
from bodhi.server.access.errors import (
    ProviderCallNotSupported,
    ProviderUnavailable,
    SessionsNotEnded,
    SessionsNotEndedInOutage,
    UserNotFound,
    UsersNotListed,
)
from bodhi.server.access.gate import RECENT_ADMIN, RECENT_MANAGER, SESSION_MANAGER
from bodhi.server.http.context import session_user_of
from bodhi.server.http.input import Paging, UserId, body_of, parameter_of, query_of
from bodhi.server.http.operations import Operation
from bodhi.server.http.responses import empty_response, json_response
from bodhi.server.users.errors import InvalidRole, LastAdministrator, RoleNotChanged, UserNotRemoved
from bodhi.server.users.service import USERS


class NewRole(msgspec.Struct):
    """The role to assign."""

    role: str


async def list_users(request: web.Request) -> web.Response:
    """Answer 200 with a page of the provider's user list."""
    paging = query_of(request, Paging)
    page = await request.app[USERS].list_page(session_user_of(request), page=paging.page, page_size=paging.size)
    return json_response(page)


async def change_role(request: web.Request) -> web.Response:
    """Change the user's role and revoke their sessions."""
    role = body_of(request, NewRole).role
    await request.app[USERS].change_role(session_user_of(request), parameter_of(request, "user_id"), role)
    return empty_response()


async def remove_user(request: web.Request) -> web.Response:
    """Remove the user's roles, sessions and API tokens."""
    await request.app[USERS].remove(session_user_of(request), parameter_of(request, "user_id"))
    return empty_response()


_PROVIDER_ERRORS = (ProviderUnavailable, ProviderCallNotSupported)
_USER_ERRORS = (
    UserNotFound,
    LastAdministrator,
    SessionsNotEnded,
    SessionsNotEndedInOutage,
    *_PROVIDER_ERRORS,
)

OPERATIONS = (
    Operation(
        "GET",
        "/bodhi/v1/users",
        list_users,
        SESSION_MANAGER,
        "List users with a role",
        query=Paging,
        responses={200: UserPage},
        errors=(UsersNotListed, *_PROVIDER_ERRORS),
    ),
    Operation(
        "PUT",
        "/bodhi/v1/users/{user_id}/role",
        change_role,
        RECENT_MANAGER,
        "Change a user's role",
        body=NewRole,
        parameters={"user_id": UserId},
        errors=(InvalidRole, RoleNotChanged, *_USER_ERRORS),
    ),
    Operation(
        "DELETE",
        "/bodhi/v1/users/{user_id}",
        remove_user,
        RECENT_ADMIN,
        "Remove a user's roles, sessions and API tokens",
        parameters={"user_id": UserId},
        errors=(UserNotRemoved, *_USER_ERRORS),
    ),
)
