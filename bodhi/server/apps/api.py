"""The app access request API: applications create and poll requests, users review, decide and withdraw them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from aiohttp import web

from bodhi.server.access.errors import AlreadyDecided, DatabaseUnavailable, NotRegistered, ProviderCallNotSupported
from bodhi.server.access.gate import SESSION_USER, USER_OR_RECENT_MANAGER
from bodhi.server.apps.errors import (
    AppAccessRequestNotFound,
    AppNotRegistered,
    AppRequestExpired,
    AppRequestNotFound,
    InvalidFlowType,
    InvalidRedirectUrl,
    MissingRedirectUrl,
    TooManyDrafts,
)
from bodhi.server.apps.records import AppAccessRequest, source_of
from bodhi.server.apps.service import APP_ACCESS_REQUESTS
from bodhi.server.http.context import session_user_of
from bodhi.server.http.forwarded import client_of
from bodhi.server.http.input import Paging, body_of, parameter_of, query_of
from bodhi.server.http.operations import PUBLIC, Operation
from bodhi.server.http.responses import empty_response, json_response

APPS = "/bodhi/v1/apps"
DECISIONS = "/bodhi/v1/access-requests"
OWN = "/bodhi/v1/user/app-access-requests"

# Source: RFC 6749, appendix A.1, without the space.
ClientId = Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,255}(?![\s\S])")]


class AppRequest(msgspec.Struct, frozen=True):
    """An application's request for access. *requested* is JSON in a format of the application."""

    app_client_id: ClientId
    flow_type: str
    redirect_url: str | None = None
    requested: Any = None


class Created(msgspec.Struct, frozen=True, omit_defaults=True):
    """A created request: the review page of a draft, or the resource scope if no approval was needed."""

    status: str
    id: str
    review_url: str | None = None
    resource_scope: str | None = None


class PollQuery(msgspec.Struct, frozen=True):
    """The query: the application that polls."""

    app_client_id: ClientId


class Polled(msgspec.Struct, frozen=True):
    """The status of a request and the scopes it grants."""

    id: str
    status: str
    resource_scope: str | None
    access_request_scope: str | None


class Review(msgspec.Struct, frozen=True):
    """A request as the user reviews it."""

    id: str
    app_client_id: str
    app_name: str | None
    app_description: str | None
    flow_type: str
    status: str
    requested: Any


class AppApproval(msgspec.Struct, frozen=True):
    """What the user approves, in the JSON format of the application's request."""

    approved: dict[str, Any]


class Decided(msgspec.Struct, frozen=True, omit_defaults=True):
    """The decision, and the URL to redirect the user to."""

    status: str
    flow_type: str
    redirect_url: str | None = None


class OwnApproval(msgspec.Struct, frozen=True):
    """An application that the caller approved."""

    id: str
    app_client_id: str
    app_name: str | None
    app_description: str | None
    approved: Any
    approved_at: datetime


class OwnApprovals(msgspec.Struct, frozen=True):
    """A page of the applications that the caller approved, newest first."""

    requests: Sequence[OwnApproval]
    total: int
    page: int
    page_size: int


async def create(request: web.Request) -> web.Response:
    """Answer 201 with a draft, or with an approval if nothing is requested."""
    body = body_of(request, AppRequest)
    service = request.app[APP_ACCESS_REQUESTS]
    created = await service.create(
        body.app_client_id,
        flow_type=body.flow_type,
        redirect_url=body.redirect_url,
        requested=body.requested,
        source=source_of(client_of(request)),
    )
    if created.status == "draft":
        return json_response(Created(created.status, created.id, review_url=service.review_url(created)), status=201)
    return json_response(Created(created.status, created.id, resource_scope=created.resource_scope), status=201)


async def poll(request: web.Request) -> web.Response:
    """Answer 200 with the status, for the application that created the request."""
    access_request = await request.app[APP_ACCESS_REQUESTS].poll(
        _id(request), query_of(request, PollQuery).app_client_id
    )
    return json_response(
        Polled(
            access_request.id, access_request.status, access_request.resource_scope, access_request.access_request_scope
        )
    )


async def review(request: web.Request) -> web.Response:
    """Answer 200 with what the application requests."""
    access_request = await request.app[APP_ACCESS_REQUESTS].review(_id(request), session_user_of(request).token)
    return json_response(
        Review(
            access_request.id,
            access_request.app_client_id,
            access_request.app_name,
            access_request.app_description,
            access_request.flow_type,
            access_request.status,
            msgspec.Raw(access_request.requested.encode()),
        )
    )


async def approve(request: web.Request) -> web.Response:
    """Answer 200 with the outcome."""
    approved, user = body_of(request, AppApproval).approved, session_user_of(request)
    return _decided(await request.app[APP_ACCESS_REQUESTS].approve(_id(request), approved, user))


async def deny(request: web.Request) -> web.Response:
    """Deny the request; answer 200."""
    return _decided(await request.app[APP_ACCESS_REQUESTS].deny(_id(request), session_user_of(request).user_id))


async def list_own(request: web.Request) -> web.Response:
    """Answer 200 with the caller's current approvals."""
    paging = query_of(request, Paging)
    approvals, total = await request.app[APP_ACCESS_REQUESTS].list_of(
        session_user_of(request).user_id, size=paging.size, skip=paging.offset
    )
    return json_response(OwnApprovals([_own(approval) for approval in approvals], total, paging.page, paging.size))


async def withdraw(request: web.Request) -> web.Response:
    """Withdraw the caller's approval; answer 204."""
    await request.app[APP_ACCESS_REQUESTS].withdraw(_id(request), session_user_of(request).user_id)
    return empty_response(204)


def _decided(access_request: AppAccessRequest) -> web.Response:
    return json_response(Decided(access_request.status, access_request.flow_type, access_request.redirect_url))


def _own(approval: AppAccessRequest) -> OwnApproval:
    approved = msgspec.Raw((approval.approved or "null").encode())
    return OwnApproval(
        approval.id,
        approval.app_client_id,
        approval.app_name,
        approval.app_description,
        approved,
        approval.updated_at,
    )


def _id(request: web.Request) -> str:
    return str(parameter_of(request, "id"))


_DECISION_ERRORS = (
    AppRequestNotFound,
    AppRequestExpired,
    AlreadyDecided,
)
_BY_ID = {"id": UUID}

OPERATIONS = (
    Operation(
        "POST",
        f"{APPS}/request-access",
        create,
        PUBLIC,
        "Request access to act for a user, as an application",
        body=AppRequest,
        responses={201: Created},
        errors=(
            InvalidFlowType,
            MissingRedirectUrl,
            InvalidRedirectUrl,
            TooManyDrafts,
            AppNotRegistered,
            ProviderCallNotSupported,
            NotRegistered,
            DatabaseUnavailable,
        ),
    ),
    Operation(
        "GET",
        f"{APPS}/access-requests/{{id}}",
        poll,
        PUBLIC,
        "Poll the status of a request, as the application",
        query=PollQuery,
        parameters=_BY_ID,
        responses={200: Polled},
        errors=(
            AppAccessRequestNotFound,
            AppRequestExpired,
            DatabaseUnavailable,
        ),
    ),
    Operation(
        "GET",
        f"{DECISIONS}/{{id}}/review",
        review,
        SESSION_USER,
        "Review what an application requests",
        parameters=_BY_ID,
        responses={200: Review},
        errors=(AppAccessRequestNotFound, AppRequestExpired),
    ),
    Operation(
        "PUT",
        f"{DECISIONS}/{{id}}/approve",
        approve,
        USER_OR_RECENT_MANAGER,
        "Approve an application's request",
        body=AppApproval,
        parameters=_BY_ID,
        responses={200: Decided},
        errors=(
            *_DECISION_ERRORS,
            AppNotRegistered,
            ProviderCallNotSupported,
        ),
    ),
    Operation(
        "POST",
        f"{DECISIONS}/{{id}}/deny",
        deny,
        USER_OR_RECENT_MANAGER,
        "Deny an application's request",
        parameters=_BY_ID,
        responses={200: Decided},
        errors=_DECISION_ERRORS,
    ),
    Operation(
        "GET",
        OWN,
        list_own,
        SESSION_USER,
        "List the applications that you approved, newest first",
        query=Paging,
        responses={200: OwnApprovals},
    ),
    Operation(
        "DELETE",
        f"{DECISIONS}/{{id}}",
        withdraw,
        SESSION_USER,
        "Withdraw an approval",
        parameters=_BY_ID,
        responses={204: None},
        errors=(AppRequestNotFound, AlreadyDecided),
    ),
)
