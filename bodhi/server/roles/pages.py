"""``/ui/admin/access-requests``: who waits for a role; and on the home page, one's own request."""

from typing import Any, Literal

import msgspec
from aiohttp import web

from bodhi.server.access.errors import MissingAuthentication
from bodhi.server.access.gate import RECENT_MANAGER, SESSION_MANAGER
from bodhi.server.access.principal import SessionUser
from bodhi.server.access.scopes import Role, parse_role
from bodhi.server.http import labels as words
from bodhi.server.http.context import session_user_of
from bodhi.server.http.forms import is_partial, see_other
from bodhi.server.http.input import body_of, parameter_of, query_of
from bodhi.server.http.navigation import Entry
from bodhi.server.http.operations import OPTIONAL, Operation
from bodhi.server.http.paths import ADMIN_PATH, START_PATH
from bodhi.server.http.rendering import current_user, fragment, page
from bodhi.server.http.sections import Section
from bodhi.server.roles.api import RequestId, RoleApproval
from bodhi.server.roles.errors import AlreadyHasAccess, AlreadyPending, NoPendingRequest
from bodhi.server.roles.service import ACCESS_REQUESTS, AccessRequest, AccessRequests

ENTRY = Entry("Access requests", f"{ADMIN_PATH}/access-requests", Role.MANAGER)

PAGE_SIZE = 30
OUTCOMES = {
    "approved": "Approved. They get their role when they log in again.",
    "rejected": "Rejected. They may ask again.",
}


class Outcome(msgspec.Struct, frozen=True):
    """What was done just now, without a script."""

    done: Literal["approved", "rejected"] | None = None


async def list_requests(request: web.Request) -> web.Response:
    """Those who have waited longest, each with a form."""
    person = session_user_of(request)
    assert person.role is not None  # the gate's work
    requests, total = await request.app[ACCESS_REQUESTS].list_page(size=PAGE_SIZE, only_pending=True)
    done = query_of(request, Outcome).done
    return await page(
        request,
        "access_requests.html",
        requests=requests,
        total=total,
        roles=words.roles_up_to(person.role),
        notice=OUTCOMES[done] if done else None,
    )


async def approve(request: web.Request) -> web.Response:
    """Gives the role."""
    role = parse_role(body_of(request, RoleApproval).role)
    await request.app[ACCESS_REQUESTS].approve(parameter_of(request, "id"), role, session_user_of(request))
    return _decided(request, "approved", f"Approved as {words.role_name(role).lower()}.")


async def reject(request: web.Request) -> web.Response:
    """Says no."""
    await request.app[ACCESS_REQUESTS].reject(parameter_of(request, "id"), session_user_of(request))
    return _decided(request, "rejected", OUTCOMES["rejected"])


def _decided(request: web.Request, outcome: str, notice: str) -> web.Response:
    if is_partial(request):
        return fragment("_decided.html", notice=notice)
    return see_other(request, f"{ENTRY.path}?done={outcome}")


async def request_access(request: web.Request) -> web.Response:
    """Asks for a role, once; who did so before sees that as well."""
    person = current_user(request)
    if person is None:
        raise MissingAuthentication
    if person.role is not None:
        raise AlreadyHasAccess
    service = request.app[ACCESS_REQUESTS]
    try:
        pending: AccessRequest | None = await service.create(person.user_id, person.username)
    except AlreadyPending:
        pending = await _pending_of(service, person)  # asked in another tab, or with a second click
    if is_partial(request):
        return fragment("_access.html", pending=pending, is_answer=True)
    return see_other(request, START_PATH)


async def own_access(request: web.Request) -> dict[str, Any] | None:
    """For the home page: one's own request for a role, or how many wait for one's decision."""
    person, service = current_user(request), request.app[ACCESS_REQUESTS]
    if person is None:
        return None
    return {
        "pending": None if person.role else await _pending_of(service, person),
        "waiting": await _waiting_for(service, person),
        "is_answer": False,
    }


async def _pending_of(service: AccessRequests, person: SessionUser) -> AccessRequest | None:
    try:
        return await service.pending_of(person.user_id)
    except NoPendingRequest:
        return None


async def _waiting_for(service: AccessRequests, person: SessionUser) -> int:
    """How many requests wait for *person* to decide."""
    if person.role is None or not person.role.grants(Role.MANAGER):
        return 0
    _, total = await service.list_page(size=1, only_pending=True)
    return total


HOME_SECTION = Section("_own_access.html", own_access)

OPERATIONS = (
    Operation(
        "GET", ENTRY.path, list_requests, SESSION_MANAGER, "Who waits for a role", query=Outcome, in_document=False
    ),
    Operation(
        "POST",
        f"{ENTRY.path}/{{id}}/approve",
        approve,
        RECENT_MANAGER,
        "Give a role",
        form=RoleApproval,
        parameters={"id": RequestId},
        in_document=False,
    ),
    Operation(
        "POST",
        f"{ENTRY.path}/{{id}}/reject",
        reject,
        RECENT_MANAGER,
        "Refuse a role",
        parameters={"id": RequestId},
        in_document=False,
    ),
    Operation("POST", "/ui/request-access", request_access, OPTIONAL, "Ask for a role", in_document=False),
)
