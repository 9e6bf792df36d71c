"""``/bodhi/v1/users``: the people with a role, listed, changed and removed."""

import msgspec
from aiohttp import web

from bodhi.server.access.directory import UserPage
from bodhi.server.access.errors import (
    ProviderCallNotSupported,
    ProviderUnavailable,
    SessionsNotEnded,
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
    """The role that somebody is to have."""

    role: str


async def list_users(request: web.Request) -> web.Response:
    """One page of the provider's list."""
    paging = query_of(request, Paging)
    page = await request.app[USERS].list_page(session_user_of(request), page=paging.page, page_size=paging.size)
    return json_response(page)


async def change_role(request: web.Request) -> web.Response:
    """Gives somebody another role and ends their sessions."""
    role = body_of(request, NewRole).role
    await request.app[USERS].change_role(session_user_of(request), parameter_of(request, "user_id"), role)
    return empty_response()


async def remove_user(request: web.Request) -> web.Response:
    """Takes somebody's roles, sessions and API tokens away."""
    await request.app[USERS].remove(session_user_of(request), parameter_of(request, "user_id"))
    return empty_response()


_PROVIDER = (ProviderUnavailable, ProviderCallNotSupported)
_OF_ONE_USER = (
    UserNotFound,
    LastAdministrator,
    SessionsNotEnded,
    *_PROVIDER,
)

OPERATIONS = (
    Operation(
        "GET",
        "/bodhi/v1/users",
        list_users,
        SESSION_MANAGER,
        "List the people with a role",
        query=Paging,
        responses={200: UserPage},
        errors=(UsersNotListed, *_PROVIDER),
    ),
    Operation(
        "PUT",
        "/bodhi/v1/users/{user_id}/role",
        change_role,
        RECENT_MANAGER,
        "Give somebody another role",
        body=NewRole,
        parameters={"user_id": UserId},
        errors=(InvalidRole, RoleNotChanged, *_OF_ONE_USER),
    ),
    Operation(
        "DELETE",
        "/bodhi/v1/users/{user_id}",
        remove_user,
        RECENT_ADMIN,
        "Take everything from somebody",
        parameters={"user_id": UserId},
        errors=(UserNotRemoved, *_OF_ONE_USER),
    ),
)
