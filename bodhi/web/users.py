"""``/bodhi/v1/users``: the people with a role, listed, changed and removed."""

from typing import Annotated

import msgspec
from aiohttp import web

from bodhi.auth.gate import RECENT_ADMIN, RECENT_MANAGER, SESSION_MANAGER
from bodhi.auth.users import UserPage
from bodhi.web.answers import answer, empty
from bodhi.web.input import Paging, body_of, parameter_of, query_of
from bodhi.web.operations import Operation
from bodhi.web.services import USERS, session_user_of

# What a provider may call somebody, without characters that a database cannot keep.
UserId = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+(?![\s\S])")]


class NewRole(msgspec.Struct):
    """The role that somebody is to have."""

    role: str


async def list_users(request: web.Request) -> web.Response:
    """One page of the provider's list."""
    paging = query_of(request, Paging)
    page = await request.app[USERS].list_page(session_user_of(request), page=paging.page, page_size=paging.size)
    return answer(page)


async def change_role(request: web.Request) -> web.Response:
    """Gives somebody another role and ends their sessions."""
    role = body_of(request, NewRole).role
    await request.app[USERS].change_role(session_user_of(request), parameter_of(request, "user_id"), role)
    return empty()


async def remove_user(request: web.Request) -> web.Response:
    """Takes somebody's roles, sessions and API tokens away."""
    await request.app[USERS].remove(session_user_of(request), parameter_of(request, "user_id"))
    return empty()


_PROVIDER = ("auth_error-idp_unavailable", "auth_service_error-not_supported")
_OF_ONE_USER = (
    "user_route_error-user_not_found",
    "user_route_error-last_admin",
    "user_route_error-session_clear_failed",
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
        answers={200: UserPage},
        refusals=("user_route_error-list_failed", *_PROVIDER),
    ),
    Operation(
        "PUT",
        "/bodhi/v1/users/{user_id}/role",
        change_role,
        RECENT_MANAGER,
        "Give somebody another role",
        body=NewRole,
        parameters={"user_id": UserId},
        refusals=("user_route_error-invalid_role", "user_route_error-role_change_failed", *_OF_ONE_USER),
    ),
    Operation(
        "DELETE",
        "/bodhi/v1/users/{user_id}",
        remove_user,
        RECENT_ADMIN,
        "Take everything from somebody",
        parameters={"user_id": UserId},
        refusals=("user_route_error-remove_failed", *_OF_ONE_USER),
    ),
)
