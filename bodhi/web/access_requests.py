"""Requests for a role: people ask under ``/bodhi/v1/user``, managers decide under ``/bodhi/v1/access-requests``."""

from datetime import datetime
from typing import Annotated

import msgspec
from aiohttp import web

from bodhi.auth.access_requests import AccessRequest
from bodhi.auth.context import Anonymous, SessionUser
from bodhi.auth.gate import RECENT_MANAGER, SESSION_MANAGER
from bodhi.auth.refusal import Refusal
from bodhi.auth.scopes import role_named
from bodhi.web.answers import answer, empty
from bodhi.web.input import Paging, body_of, parameter_of, query_of
from bodhi.web.operations import OPTIONAL, Operation
from bodhi.web.services import ACCESS_REQUESTS, known_context_of, session_user_of

# What the database can count to: a number beyond is no id.
RequestId = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class RequestStatus(msgspec.Struct):
    """A person's own pending request."""

    username: str
    status: str
    created_at: datetime
    updated_at: datetime


class AccessRequestPage(msgspec.Struct):
    """One page of requests, oldest first."""

    requests: list[AccessRequest]
    total: int
    page: int
    page_size: int


class Approval(msgspec.Struct):
    """The role that is given."""

    role: str


async def request_access(request: web.Request) -> web.Response:
    """Asks for a role; for people who can log in and have none."""
    context = known_context_of(request)
    if isinstance(context, Anonymous):
        raise Refusal("api_auth_error-missing_auth")
    if not isinstance(context, SessionUser) or context.role is not None:
        raise Refusal("access_request_error-already_has_access")
    await request.app[ACCESS_REQUESTS].create(context.user_id, context.username)
    return empty(201)


async def request_status(request: web.Request) -> web.Response:
    """The caller's own pending request."""
    context = known_context_of(request)
    if not isinstance(context, SessionUser):
        raise Refusal("access_request_error-pending_request_not_found")
    pending = await request.app[ACCESS_REQUESTS].pending_of(context.user_id)
    return answer(RequestStatus(pending.username, pending.status, pending.created_at, pending.updated_at))


async def list_pending_access_requests(request: web.Request) -> web.Response:
    """Requests that wait for a decision."""
    return await _page(request, only_pending=True)


async def list_access_requests(request: web.Request) -> web.Response:
    """All requests, decided or not."""
    return await _page(request, only_pending=False)


async def _page(request: web.Request, *, only_pending: bool) -> web.Response:
    paging = query_of(request, Paging)
    requests, total = await request.app[ACCESS_REQUESTS].list_page(
        size=paging.size, skip=paging.offset, only_pending=only_pending
    )
    return answer(AccessRequestPage(requests, total, paging.page, paging.size))


async def approve_access_request(request: web.Request) -> web.Response:
    """Gives who asked a role, and ends their sessions, which have none."""
    role = role_named(body_of(request, Approval).role)
    await request.app[ACCESS_REQUESTS].approve(parameter_of(request, "id"), role, session_user_of(request))
    return empty()


async def reject_access_request(request: web.Request) -> web.Response:
    """Gives who asked nothing."""
    await request.app[ACCESS_REQUESTS].reject(parameter_of(request, "id"), session_user_of(request))
    return empty()


_UNKNOWN_CALLER = ("auth_error-idp_unavailable", "auth_error-refresh_refused")
_DECISION = (
    "access_request_error-request_not_found",
    "access_request_error-already_processed",
    "auth_error-idp_unavailable",
)

OPERATIONS = (
    Operation(
        "POST",
        "/bodhi/v1/user/request-access",
        request_access,
        OPTIONAL,
        "Ask for a role",
        answers={201: None},
        refusals=(
            "api_auth_error-missing_auth",
            "access_request_error-already_has_access",
            "access_request_error-already_pending",
            *_UNKNOWN_CALLER,
        ),
    ),
    Operation(
        "GET",
        "/bodhi/v1/user/request-status",
        request_status,
        OPTIONAL,
        "Look at one's own request for a role",
        answers={200: RequestStatus},
        refusals=("access_request_error-pending_request_not_found", *_UNKNOWN_CALLER),
    ),
    Operation(
        "GET",
        "/bodhi/v1/access-requests/pending",
        list_pending_access_requests,
        SESSION_MANAGER,
        "List the requests that wait for a decision",
        query=Paging,
        answers={200: AccessRequestPage},
        refusals=("access_request_error-fetch_failed",),
    ),
    Operation(
        "GET",
        "/bodhi/v1/access-requests",
        list_access_requests,
        SESSION_MANAGER,
        "List all requests for a role",
        query=Paging,
        answers={200: AccessRequestPage},
        refusals=("access_request_error-fetch_failed",),
    ),
    Operation(
        "POST",
        "/bodhi/v1/access-requests/{id}/approve",
        approve_access_request,
        RECENT_MANAGER,
        "Give somebody who asked a role",
        body=Approval,
        parameters={"id": RequestId},
        refusals=(
            "role_error-invalid_role_name",
            "access_request_error-insufficient_privileges",
            "access_request_error-already_has_access",
            "auth_service_error-auth_service_api_error",
            "auth_service_error-not_supported",
            "user_route_error-session_clear_failed",
            *_DECISION,
        ),
    ),
    Operation(
        "POST",
        "/bodhi/v1/access-requests/{id}/reject",
        reject_access_request,
        RECENT_MANAGER,
        "Refuse somebody who asked a role",
        parameters={"id": RequestId},
        refusals=_DECISION,
    ),
)
