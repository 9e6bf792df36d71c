"""``/ui/admin/access-requests``: who waits for a role, and what managers say to that."""

from typing import Literal

import msgspec
from aiohttp import web

from bodhi.server.access.gate import RECENT_MANAGER, SESSION_MANAGER
from bodhi.server.access.scopes import role_named
from bodhi.server.http import labels as words
from bodhi.server.http.forms import is_partial, see_other
from bodhi.server.http.input import body_of, parameter_of, query_of
from bodhi.server.http.navigation import ACCESS_REQUESTS as ENTRY
from bodhi.server.http.operations import Operation
from bodhi.server.http.rendering import fragment, page
from bodhi.server.login.api import LOGIN
from bodhi.server.login.form_targets import provider_origins
from bodhi.server.roles.api import RequestId, RoleApproval
from bodhi.server.services import ACCESS_REQUESTS, session_user_of

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
    return page(
        request,
        "access_requests.html",
        form_targets=await provider_origins(request.app[LOGIN].provider),
        requests=requests,
        total=total,
        roles=words.roles_up_to(person.role),
        notice=OUTCOMES[done] if done else None,
    )


async def approve(request: web.Request) -> web.Response:
    """Gives the role."""
    role = role_named(body_of(request, RoleApproval).role)
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
)
