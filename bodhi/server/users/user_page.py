"""``/ui/admin/person``: one user and their role, with sections of other features.

The user id is in the query, not in the path: a provider may use any text as an id, and browsers and proxies change
paths with ``..`` or a slash in a segment.
"""

from aiohttp import web

from bodhi.server.access.directory import DIRECTORY
from bodhi.server.access.errors import UserNotFound
from bodhi.server.access.gate import RECENT_ADMIN, RECENT_MANAGER, SESSION_MANAGER
from bodhi.server.access.scopes import Role
from bodhi.server.http import labels
from bodhi.server.http.context import session_user_of
from bodhi.server.http.input import body_of, query_of
from bodhi.server.http.operations import Operation
from bodhi.server.http.paths import USER_PATH
from bodhi.server.http.rendering import page
from bodhi.server.http.request_errors import InvalidRequest
from bodhi.server.http.responses import see_other
from bodhi.server.http.sections import Section, UserPageQuery, UserQuery, section_values
from bodhi.server.users.api import NewRole
from bodhi.server.users.listing import USER_LIST
from bodhi.server.users.pages import ENTRY
from bodhi.server.users.service import USERS

NOTICES = {
    "role": "Role changed. The user gets it when they sign in again.",
    "removed": "User removed. They have no role, session or API token here any more.",
}
USER_SECTIONS: web.AppKey[list[Section]] = web.AppKey("USER_SECTIONS", list)


async def show(request: web.Request) -> web.Response:
    """Show the user with the sections of other features, such as sessions and API tokens."""
    query, caller = query_of(request, UserPageQuery), session_user_of(request)
    sections = request.app[USER_SECTIONS]
    notices = NOTICES | {name: text for section in sections for name, text in section.notices.items()}
    if query.done is not None and query.done not in notices:
        raise InvalidRequest
    try:
        await request.app[DIRECTORY].refuse_above(caller, query.id)
    except UserNotFound:
        # The action that redirected here may have deleted the user's last data.
        if query.done is None:
            raise
    assert caller.role is not None  # checked by the gate
    return await page(
        request,
        "user.html",
        here=ENTRY.path,
        found=await request.app[USER_LIST].find(query.id),
        user_id=query.id,
        is_self=query.id == caller.user_id,
        notice=notices[query.done] if query.done else None,
        is_admin=caller.role is Role.ADMIN,
        roles=labels.roles_up_to(caller.role),
        **await section_values(sections, request),
    )


async def change_role(request: web.Request) -> web.Response:
    """Change the user's role and revoke their sessions."""
    user_id = query_of(request, UserQuery).id
    await request.app[USERS].change_role(session_user_of(request), user_id, body_of(request, NewRole).role)
    return see_other(request, USER_PATH + labels.query(id=user_id, done="role"))


async def remove(request: web.Request) -> web.Response:
    """Remove the user's roles, sessions and API tokens."""
    user_id = query_of(request, UserQuery).id
    await request.app[USERS].remove(session_user_of(request), user_id)
    return see_other(request, USER_PATH + labels.query(id=user_id, done="removed"))


OPERATIONS = (
    Operation(
        "GET", USER_PATH, show, SESSION_MANAGER, "A user and their sessions", query=UserPageQuery, in_document=False
    ),
    Operation(
        "POST",
        f"{USER_PATH}/role",
        change_role,
        RECENT_MANAGER,
        "Change a user's role",
        query=UserQuery,
        form=NewRole,
        in_document=False,
    ),
    Operation(
        "POST",
        f"{USER_PATH}/remove",
        remove,
        RECENT_ADMIN,
        "Remove a user",
        query=UserQuery,
        in_document=False,
    ),
)
