"""Role requests: users create them under ``/bodhi/v1/user``, managers decide under ``/bodhi/v1/access-requests``."""

from datetime import datetime
from typing import Annotated

import msgspec
from aiohttp import web

from bodhi.server.access.errors import (
    AlreadyDecided,
    InvalidRoleName,
    MissingAuthentication,
    ProviderCallNotSupported,
    ProviderRefused,
    ProviderUnavailable,
    SessionsNotEnded,
    SessionsNotEndedInOutage,
)
from bodhi.server.access.gate import RECENT_MANAGER, SESSION_MANAGER
from bodhi.server.access.principal import Anonymous, SessionUser
from bodhi.server.access.scopes import parse_role
from bodhi.server.http.context import LOGIN_FAULTS, known_context_of, session_user_of
from bodhi.server.http.input import Paging, body_of, parameter_of, query_of
from bodhi.server.http.operations import OPTIONAL, Operation
from bodhi.server.http.responses import empty_response, json_response
from bodhi.server.roles.errors import (
    AlreadyHasAccess,
    AlreadyPending,
    NoPendingRequest,
    RoleAboveOwn,
    RoleRequestNotFound,
    RoleRequestsUnreadable,
)
from bodhi.server.roles.service import ACCESS_REQUESTS, AccessRequest

# The range of the database's integers.
RequestId = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class RequestStatus(msgspec.Struct):
    """The caller's pending request."""

    username: str
    status: str
    created_at: datetime
    updated_at: datetime


class AccessRequestPage(msgspec.Struct):
    """A page of requests, oldest first."""

    requests: list[AccessRequest]
    total: int
    page: int
    page_size: int


class RoleApproval(msgspec.Struct):
    """The role to assign."""

    role: str


async def request_access(request: web.Request) -> web.Response:
    """Create a role request; answer 201. Only for users without a role."""
    context = known_context_of(request)
    if isinstance(context, Anonymous):
        raise MissingAuthentication
    if not isinstance(context, SessionUser) or context.role is not None:
        raise AlreadyHasAccess
    await request.app[ACCESS_REQUESTS].create(context.user_id, context.username)
    return empty_response(201)


async def request_status(request: web.Request) -> web.Response:
    """Answer 200 with the caller's pending request."""
    context = known_context_of(request)
    if not isinstance(context, SessionUser):
        raise NoPendingRequest
    pending = await request.app[ACCESS_REQUESTS].pending_of(context.user_id)
    return json_response(RequestStatus(pending.username, pending.status, pending.created_at, pending.updated_at))


async def list_pending_access_requests(request: web.Request) -> web.Response:
    """Answer 200 with a page of pending requests."""
    return await _page(request, only_pending=True)


async def list_access_requests(request: web.Request) -> web.Response:
    """Answer 200 with a page of all requests, pending or decided."""
    return await _page(request, only_pending=False)


async def _page(request: web.Request, *, only_pending: bool) -> web.Response:
    paging = query_of(request, Paging)
    requests, total = await request.app[ACCESS_REQUESTS].list_page(
        size=paging.size, skip=paging.offset, only_pending=only_pending
    )
    return json_response(AccessRequestPage(requests, total, paging.page, paging.size))


async def approve_access_request(request: web.Request) -> web.Response:
    """Assign the role and revoke the user's sessions, so that the next login carries it."""
    role = parse_role(body_of(request, RoleApproval).role)
    await request.app[ACCESS_REQUESTS].approve(parameter_of(request, "id"), role, session_user_of(request))
    return empty_response()


async def reject_access_request(request: web.Request) -> web.Response:
    """Reject the request; no role changes."""
    await request.app[ACCESS_REQUESTS].reject(parameter_of(request, "id"), session_user_of(request))
    return empty_response()


_DECISION_ERRORS = (
    RoleRequestNotFound,
    AlreadyDecided,
    ProviderUnavailable,
)

OPERATIONS = (
    Operation(
        "POST",
        "/bodhi/v1/user/request-access",
        request_access,
        OPTIONAL,
        "Request a role",
        responses={201: None},
        errors=(
            MissingAuthentication,
            AlreadyHasAccess,
            AlreadyPending,
            *LOGIN_FAULTS,
        ),
    ),
    Operation(
        "GET",
        "/bodhi/v1/user/request-status",
        request_status,
        OPTIONAL,
        "Get your pending role request",
        responses={200: RequestStatus},
        errors=(NoPendingRequest, *LOGIN_FAULTS),
    ),
    Operation(
        "GET",
        "/bodhi/v1/access-requests/pending",
        list_pending_access_requests,
        SESSION_MANAGER,
        "List pending role requests",
        query=Paging,
        responses={200: AccessRequestPage},
        errors=(RoleRequestsUnreadable,),
    ),
    Operation(
        "GET",
        "/bodhi/v1/access-requests",
        list_access_requests,
        SESSION_MANAGER,
        "List all role requests",
        query=Paging,
        responses={200: AccessRequestPage},
        errors=(RoleRequestsUnreadable,),
    ),
    Operation(
        "POST",
        "/bodhi/v1/access-requests/{id}/approve",
        approve_access_request,
        RECENT_MANAGER,
        "Approve a role request",
        body=RoleApproval,
        parameters={"id": RequestId},
        errors=(
            InvalidRoleName,
            RoleAboveOwn,
            AlreadyHasAccess,
            ProviderRefused,
            ProviderCallNotSupported,
            SessionsNotEnded,
            SessionsNotEndedInOutage,
            *_DECISION_ERRORS,
        ),
    ),
    Operation(
        "POST",
        "/bodhi/v1/access-requests/{id}/reject",
        reject_access_request,
        RECENT_MANAGER,
        "Reject a role request",
        parameters={"id": RequestId},
        errors=_DECISION_ERRORS,
    ),
)
