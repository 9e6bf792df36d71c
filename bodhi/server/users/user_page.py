"""``/ui/admin/person``: one person, their role, and the end of their sessions.

Who it is stands in the query: a provider may call people whatever it likes, and a part of a path that is ``..`` or has
a slash in it does not get through every browser and proxy.
"""

from typing import Any, Literal

import msgspec
from aiohttp import web

from bodhi.server.access.errors import UserNotFound
from bodhi.server.access.gate import RECENT_ADMIN, RECENT_MANAGER, SESSION_MANAGER
from bodhi.server.access.scopes import Role
from bodhi.server.http import labels as words
from bodhi.server.http.forms import is_partial, see_other
from bodhi.server.http.input import body_of, parameter_of, query_of
from bodhi.server.http.navigation import PEOPLE as ENTRY
from bodhi.server.http.operations import Operation
from bodhi.server.http.rendering import fragment, page
from bodhi.server.login.api import LOGIN, LOGIN_PATH
from bodhi.server.login.form_targets import provider_origins
from bodhi.server.services import PROFILES, USERS, session_user_of
from bodhi.server.sessions.admin_api import end_session_of_user, end_sessions_of_user
from bodhi.server.sessions.api import Cursor, Handle, SessionPaging, page_of_sessions
from bodhi.server.tokens.admin_pages import tokens_shown
from bodhi.server.users.api import NewRole, UserId
from bodhi.session import SESSIONS

PATH = f"{ENTRY.path}/person"
PAGE_SIZE = 30
FEW_TOKENS = 10
OUTCOMES = {
    "ended": "Ended. That browser is logged out.",
    "all": "Ended. They are logged out everywhere.",
    "role": "Changed. They get the role when they log in again.",
    "removed": "Removed. They have no role, no session and no API token here any more.",
}


class Whose(msgspec.Struct, frozen=True):
    """The person in question."""

    id: UserId


class Shown(Whose, frozen=True):
    """Which of their sessions are looked at, and what was done just now, without a script."""

    after: Cursor | None = None
    done: Literal["ended", "all", "role", "removed"] | None = None


async def show(request: web.Request) -> web.Response:
    """Who it is, and each of their sessions with a form that ends it; for administrators their API tokens as well."""
    asked, caller, provider = query_of(request, Shown), session_user_of(request), request.app[LOGIN].provider
    try:
        await request.app[USERS].refuse_above(caller, asked.id)
    except UserNotFound:
        # What was done just now may have ended all that there was of them here.
        if asked.done is None:
            raise
    assert caller.role is not None  # the gate's work
    is_admin = caller.role is Role.ADMIN
    return page(
        request,
        "person.html",
        form_targets=await provider_origins(provider),
        here=ENTRY.path,
        found=await request.app[PROFILES].look_up(asked.id),
        notice=OUTCOMES[asked.done] if asked.done else None,
        decided=None,
        is_admin=is_admin,
        roles=words.roles_up_to(caller.role) if provider and provider.manages_people else [],
        **await _shown(request, asked.id, asked.after),
        **(await tokens_shown(request, asked.id, size=FEW_TOKENS) if is_admin else {}),
    )


async def end_one(request: web.Request) -> web.Response:
    """Ends the session; the own one leads to the login page."""
    user_id = query_of(request, Whose).id
    if await end_session_of_user(request, user_id, parameter_of(request, "handle")):
        return see_other(request, LOGIN_PATH)
    return await _ended(request, user_id, "ended")


async def end_all(request: web.Request) -> web.Response:
    """Ends all their sessions; who does that to themselves has to log in again."""
    user_id = query_of(request, Whose).id
    await end_sessions_of_user(request, user_id)
    if user_id == session_user_of(request).user_id:
        return see_other(request, LOGIN_PATH)
    return await _ended(request, user_id, "all")


async def _ended(request: web.Request, user_id: str, outcome: str) -> web.Response:
    """What is left of their sessions."""
    if is_partial(request):
        return fragment("_person_sessions.html", decided=OUTCOMES[outcome], **await _shown(request, user_id, None))
    return see_other(request, PATH + words.query(id=user_id, done=outcome))


async def change_role(request: web.Request) -> web.Response:
    """Gives them another role, and ends their sessions."""
    user_id = query_of(request, Whose).id
    await request.app[USERS].change_role(session_user_of(request), user_id, body_of(request, NewRole).role)
    return see_other(request, PATH + words.query(id=user_id, done="role"))


async def remove(request: web.Request) -> web.Response:
    """Takes everything from them that they have here."""
    user_id = query_of(request, Whose).id
    await request.app[USERS].remove(session_user_of(request), user_id)
    return see_other(request, PATH + words.query(id=user_id, done="removed"))


async def _shown(request: web.Request, user_id: str, after: str | None) -> dict[str, Any]:
    """One page of the person's sessions, oldest first, and how many there are in all."""
    found = await page_of_sessions(request, SessionPaging(after, PAGE_SIZE), user_id)
    return {
        "user_id": user_id,
        "is_self": user_id == session_user_of(request).user_id,
        "sessions": found.sessions,
        "total": await request.app[SESSIONS].count_sessions_for_user(user_id),
        "after": found.after,
    }


OPERATIONS = (
    Operation("GET", PATH, show, SESSION_MANAGER, "Somebody and their sessions", query=Shown, in_document=False),
    Operation(
        "POST",
        f"{PATH}/sessions/{{handle}}/end",
        end_one,
        RECENT_MANAGER,
        "End one session of somebody",
        query=Whose,
        parameters={"handle": Handle},
        in_document=False,
    ),
    Operation(
        "POST",
        f"{PATH}/end-all",
        end_all,
        RECENT_MANAGER,
        "End all sessions of somebody",
        query=Whose,
        in_document=False,
    ),
    Operation(
        "POST",
        f"{PATH}/role",
        change_role,
        RECENT_MANAGER,
        "Give somebody another role",
        query=Whose,
        form=NewRole,
        in_document=False,
    ),
    Operation(
        "POST",
        f"{PATH}/remove",
        remove,
        RECENT_ADMIN,
        "Take everything from somebody",
        query=Whose,
        in_document=False,
    ),
)
