"""``/ui/admin/person``: one person, and the end of their sessions.

Who it is stands in the query: a provider may call people whatever it likes, and a part of a path that is ``..`` or has
a slash in it does not get through every browser and proxy.
"""

from typing import Any, Literal

import msgspec
from aiohttp import web

from bodhi.auth.gate import SESSION_MANAGER
from bodhi.session import SESSIONS
from bodhi.web.admin_sessions import end_session_of_user, end_sessions_of_user
from bodhi.web.input import parameter_of, query_of
from bodhi.web.login import DESK, LOGIN_PATH
from bodhi.web.operations import Operation
from bodhi.web.pages.forms import is_partial, see_other
from bodhi.web.pages.navigation import PEOPLE as ENTRY
from bodhi.web.pages.origins import provider_origins
from bodhi.web.pages.rendering import fragment, page
from bodhi.web.pages.words import query
from bodhi.web.services import PEOPLE, USERS, session_user_of
from bodhi.web.user_sessions import Cursor, Handle, SessionPaging, page_of_sessions
from bodhi.web.users import UserId

PATH = f"{ENTRY.path}/person"
PAGE_SIZE = 30
OUTCOMES = {
    "ended": "Ended. That browser is logged out.",
    "all": "Ended. They are logged out everywhere.",
}


class Whose(msgspec.Struct, frozen=True):
    """The person in question."""

    id: UserId


class Shown(Whose, frozen=True):
    """Which of their sessions are looked at, and what was done just now, without a script."""

    after: Cursor | None = None
    done: Literal["ended", "all"] | None = None


async def show(request: web.Request) -> web.Response:
    """Who it is, and each of their sessions with a form that ends it."""
    asked = query_of(request, Shown)
    await request.app[USERS].refuse_above(session_user_of(request), asked.id)
    return page(
        request,
        "person.html",
        form_targets=await provider_origins(request.app[DESK].provider),
        here=ENTRY.path,
        found=await request.app[PEOPLE].look_up(asked.id),
        notice=OUTCOMES[asked.done] if asked.done else None,
        decided=None,
        **await _shown(request, asked.id, asked.after),
    )


async def end_one(request: web.Request) -> web.Response:
    """Ends the session, and says so in its place; the own one leads to the login page."""
    user_id = query_of(request, Whose).id
    if await end_session_of_user(request, user_id, parameter_of(request, "handle")):
        return see_other(request, LOGIN_PATH)
    if is_partial(request):
        return fragment("_decided.html", notice=OUTCOMES["ended"])
    return see_other(request, PATH + query(id=user_id, done="ended"))


async def end_all(request: web.Request) -> web.Response:
    """Ends all their sessions; who does that to themselves has to log in again."""
    user_id = query_of(request, Whose).id
    await end_sessions_of_user(request, user_id)
    if user_id == session_user_of(request).user_id:
        return see_other(request, LOGIN_PATH)
    if is_partial(request):
        return fragment("_person_sessions.html", decided=OUTCOMES["all"], **await _shown(request, user_id, None))
    return see_other(request, PATH + query(id=user_id, done="all"))


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
        SESSION_MANAGER,
        "End one session of somebody",
        query=Whose,
        parameters={"handle": Handle},
        in_document=False,
    ),
    Operation(
        "POST",
        f"{PATH}/end-all",
        end_all,
        SESSION_MANAGER,
        "End all sessions of somebody",
        query=Whose,
        in_document=False,
    ),
)
