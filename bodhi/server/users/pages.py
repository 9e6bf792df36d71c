"""``/ui/admin``: the people who were seen here, for those who may end their sessions."""

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from aiohttp import web

from bodhi.server.access.gate import SESSION_MANAGER
from bodhi.server.access.principal import SessionUser
from bodhi.server.access.profiles import PROFILES, ProfileSummary
from bodhi.server.access.scopes import Role
from bodhi.server.http.context import session_user_of
from bodhi.server.http.forms import is_partial
from bodhi.server.http.input import UserId, query_of
from bodhi.server.http.navigation import Entry
from bodhi.server.http.operations import Operation
from bodhi.server.http.paths import ADMIN_PATH
from bodhi.server.http.rendering import fragment, page
from bodhi.session import SESSIONS

ENTRY = Entry("People", ADMIN_PATH, Role.MANAGER)

PAGE_SIZE = 30

# Whatever a database can look for, which is all but the character 0.
Text = Annotated[str, msgspec.Meta(max_length=100, pattern=r"^[^\x00]*(?![\s\S])")]


class Search(msgspec.Struct, frozen=True):
    """Who is looked for, by a part of their name or id, and after whom the page begins."""

    q: Text = ""
    after: UserId | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """Somebody in the list, with how many live sessions they have; None where that is above who asks."""

    person: ProfileSummary
    sessions: int | None


async def list_people(request: web.Request) -> web.Response:
    """Each with a way to their sessions."""
    shown = await _shown(request, query_of(request, Search))
    if is_partial(request):
        return fragment("_people.html", is_answer=True, **shown)
    return await page(request, "people.html", is_answer=False, **shown)


async def _shown(request: web.Request, query: Search) -> dict[str, Any]:
    caller, text = session_user_of(request), query.q.strip()
    found = await request.app[PROFILES].search(text, after=query.after, size=PAGE_SIZE + 1)
    listed = [Listed(person, await _sessions_of(request, caller, person)) for person in found[:PAGE_SIZE]]
    after = found[PAGE_SIZE - 1].user_id if len(found) > PAGE_SIZE else None
    return {"people": listed, "text": text, "is_first": query.after is None, "after": after}


async def _sessions_of(request: web.Request, caller: SessionUser, person: ProfileSummary) -> int | None:
    """By the role that was seen last: the provider is asked when one of them is looked at."""
    is_above = person.role is not None and not (caller.role and caller.role.grants(person.role))
    return None if is_above else await request.app[SESSIONS].count_sessions_for_user(person.user_id)


OPERATIONS = (
    Operation("GET", ENTRY.path, list_people, SESSION_MANAGER, "The people seen here", query=Search, in_document=False),
)
