"""``/ui/admin/access-requests``: pending role requests; and the home page's section on one's own request."""

from typing import Any, Literal

import msgspec
from aiohttp import web

from bodhi.server.access.errors import MissingAuthentication
from bodhi.server.access.gate import RECENT_MANAGER, SESSION_MANAGER
from bodhi.server.access.principal import SessionUser
from bodhi.server.access.scopes import Role, parse_role
from bodhi.server.http import labels
from bodhi.server.http.context import session_user_of
from bodhi.server.http.input import body_of, parameter_of, query_of
from bodhi.server.http.navigation import Entry
from bodhi.server.http.operations import OPTIONAL, Operation
from bodhi.server.http.paths import ADMIN_PATH, START_PATH
from bodhi.server.http.rendering import current_user, fragment, page
from bodhi.server.http.responses import is_partial, see_other
from bodhi.server.http.sections import Section
from bodhi.server.roles.api import RequestId, RoleApproval
from bodhi.server.roles.errors import AlreadyHasAccess, AlreadyPending, NoPendingRequest
from bodhi.server.roles.service import ACCESS_REQUESTS, AccessRequest, AccessRequests

ENTRY = Entry("Access requests", f"{ADMIN_PATH}/access-requests", Role.MANAGER)

PAGE_SIZE = 30
OUTCOMES = {
    "approved": "Request approved. The user gets the role at the next sign-in.",
    "rejected": "Request rejected. The user can request access again.",
}


class Outcome(msgspec.Struct, frozen=True):
    """The query: without scripts, the outcome of the form submitted before."""

    done: Literal["approved", "rejected"] | None = None


async def list_requests(request: web.Request) -> web.Response:
    """List the oldest pending requests, each with a form to decide it."""
    user = session_user_of(request)
    assert user.role is not None  # checked by the gate
    requests, total = await request.app[ACCESS_REQUESTS].list_page(size=PAGE_SIZE, only_pending=True)
    done = query_of(request, Outcome).done
    return await page(
        request,
        "access_requests.html",
        requests=requests,
        total=total,
        roles=labels.roles_up_to(user.role),
        notice=OUTCOMES[done] if done else None,
    )


async def approve(request: web.Request) -> web.Response:
    """Approve the request with the selected role."""
    role = parse_role(body_of(request, RoleApproval).role)
    await request.app[ACCESS_REQUESTS].approve(parameter_of(request, "id"), role, session_user_of(request))
    return _decided(
        request, "approved", f"Request approved. The user gets the role {labels.role_name(role)} at the next sign-in."
    )


async def reject(request: web.Request) -> web.Response:
    """Reject the request."""
    await request.app[ACCESS_REQUESTS].reject(parameter_of(request, "id"), session_user_of(request))
    return _decided(request, "rejected", OUTCOMES["rejected"])


def _decided(request: web.Request, outcome: str, notice: str) -> web.Response:
    if is_partial(request):
        return fragment("_decided.html", notice=notice)
    return see_other(request, f"{ENTRY.path}?done={outcome}")


async def request_access(request: web.Request) -> web.Response:
    """Create a role request. If one is pending already, show that one."""
    user = current_user(request)
    if user is None:
        raise MissingAuthentication
    if user.role is not None:
        raise AlreadyHasAccess
    service = request.app[ACCESS_REQUESTS]
    try:
        pending: AccessRequest | None = await service.create(user.user_id, user.username)
    except AlreadyPending:
        pending = await _pending_of(service, user)  # created in another tab, or by a double click
    if is_partial(request):
        return fragment("_access.html", pending=pending, is_answer=True)
    return see_other(request, START_PATH)


async def own_access(request: web.Request) -> dict[str, Any] | None:
    """Return the values of the home page's section: the user's pending request, or the number of requests to decide."""
    user, service = current_user(request), request.app[ACCESS_REQUESTS]
    if user is None:
        return None
    return {
        "pending": None if user.role else await _pending_of(service, user),
        "waiting": await _count_pending_for(service, user),
        "is_answer": False,
    }


async def _pending_of(service: AccessRequests, user: SessionUser) -> AccessRequest | None:
    try:
        return await service.pending_of(user.user_id)
    except NoPendingRequest:
        return None


async def _count_pending_for(service: AccessRequests, user: SessionUser) -> int:
    """Return the number of pending requests that *user* may decide."""
    if user.role is None or not user.role.grants(Role.MANAGER):
        return 0
    _, total = await service.list_page(size=1, only_pending=True)
    return total


HOME_SECTION = Section("_own_access.html", own_access)

OPERATIONS = (
    Operation(
        "GET", ENTRY.path, list_requests, SESSION_MANAGER, "Pending role requests", query=Outcome, in_document=False
    ),
    Operation(
        "POST",
        f"{ENTRY.path}/{{id}}/approve",
        approve,
        RECENT_MANAGER,
        "Approve a role request",
        form=RoleApproval,
        parameters={"id": RequestId},
        in_document=False,
    ),
    Operation(
        "POST",
        f"{ENTRY.path}/{{id}}/reject",
        reject,
        RECENT_MANAGER,
        "Reject a role request",
        parameters={"id": RequestId},
        in_document=False,
    ),
    Operation("POST", "/ui/request-access", request_access, OPTIONAL, "Request a role", in_document=False),
)
