"""``/ui/admin``: the users known to this server, for managers and administrators."""

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from aiohttp import web

from bodhi.server.access.gate import SESSION_MANAGER
from bodhi.server.access.principal import SessionUser
from bodhi.server.access.profiles import PROFILES, ProfileSummary
from bodhi.server.access.scopes import Role
from bodhi.server.http.context import session_user_of
from bodhi.server.http.input import UserId, query_of
from bodhi.server.http.navigation import Entry
from bodhi.server.http.operations import Operation
from bodhi.server.http.paths import ADMIN_PATH
from bodhi.server.http.rendering import fragment, page
from bodhi.server.http.responses import is_partial
from bodhi.session import SESSIONS

ENTRY = Entry("Users", ADMIN_PATH, Role.MANAGER)

PAGE_SIZE = 30

# PostgreSQL does not accept NUL.
Text = Annotated[str, msgspec.Meta(max_length=100, pattern=r"^[^\x00]*(?![\s\S])")]


class Search(msgspec.Struct, frozen=True):
    """The query: *q* is a part of a name or id, *after* the last user id of the previous page."""

    q: Text = ""
    after: UserId | None = None


@dataclass(frozen=True, slots=True)
class ListedUser:
    """A user in the list, with the number of live sessions; None if the user's role is above the viewer's."""

    profile: ProfileSummary
    sessions: int | None


async def show_users(request: web.Request) -> web.Response:
    """List users, each with a link to their page."""
    context = await _page_context(request, query_of(request, Search))
    if is_partial(request):
        return fragment("_users.html", is_answer=True, **context)
    return await page(request, "users.html", is_answer=False, **context)


async def _page_context(request: web.Request, query: Search) -> dict[str, Any]:
    caller, text = session_user_of(request), query.q.strip()
    profiles = await request.app[PROFILES].search(text, after=query.after, size=PAGE_SIZE + 1)
    listed = [ListedUser(profile, await _count_sessions(request, caller, profile)) for profile in profiles[:PAGE_SIZE]]
    after = profiles[PAGE_SIZE - 1].user_id if len(profiles) > PAGE_SIZE else None
    return {"users": listed, "text": text, "is_first": query.after is None, "after": after}


async def _count_sessions(request: web.Request, caller: SessionUser, profile: ProfileSummary) -> int | None:
    """Uses the last known role; only the page of a single user asks the provider."""
    is_above = profile.role is not None and not (caller.role and caller.role.grants(profile.role))
    return None if is_above else await request.app[SESSIONS].count_sessions_for_user(profile.user_id)


OPERATIONS = (Operation("GET", ENTRY.path, show_users, SESSION_MANAGER, "Users", query=Search, in_document=False),)
