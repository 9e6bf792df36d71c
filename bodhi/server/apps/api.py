"""App access requests: an application asks and polls, a person reviews, decides, and may withdraw an approval."""

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
from bodhi.server.http.responses import answer, empty

APPS = "/bodhi/v1/apps"
DECISIONS = "/bodhi/v1/access-requests"
OWN = "/bodhi/v1/user/app-access-requests"

# Source: RFC 6749, appendix A.1, without the space.
ClientId = Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,255}(?![\s\S])")]


class AppRequest(msgspec.Struct, frozen=True):
    """What an application asks for; *requested* is JSON of its own making."""

    app_client_id: ClientId
    flow_type: str
    redirect_url: str | None = None
    requested: Any = None


class Created(msgspec.Struct, frozen=True, omit_defaults=True):
    """A draft has a page on which a person decides; what needed nobody has its scope."""

    status: str
    id: str
    review_url: str | None = None
    resource_scope: str | None = None


class PollQuery(msgspec.Struct, frozen=True):
    """Who polls."""

    app_client_id: ClientId


class Polled(msgspec.Struct, frozen=True):
    """How far the request has come."""

    id: str
    status: str
    resource_scope: str | None
    access_request_scope: str | None


class Review(msgspec.Struct, frozen=True):
    """What a person decides about."""

    id: str
    app_client_id: str
    app_name: str | None
    app_description: str | None
    flow_type: str
    status: str
    requested: Any


class AppApproval(msgspec.Struct, frozen=True):
    """What a person approves, as JSON that the application's kind of request asks for."""

    approved: dict[str, Any]


class Decided(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was decided, and where the person goes from here."""

    status: str
    flow_type: str
    redirect_url: str | None = None


class OwnApproval(msgspec.Struct, frozen=True):
    """An application that may act for the caller."""

    id: str
    app_client_id: str
    app_name: str | None
    app_description: str | None
    approved: Any
    approved_at: datetime


class OwnApprovals(msgspec.Struct, frozen=True):
    """One page of the applications that may act for the caller, newest first."""

    requests: Sequence[OwnApproval]
    total: int
    page: int
    page_size: int


async def create(request: web.Request) -> web.Response:
    """201 with a draft, or with an approval where nothing is requested."""
    body = body_of(request, AppRequest)
    service = request.app[APP_ACCESS_REQUESTS]
    made = await service.create(
        body.app_client_id,
        flow_type=body.flow_type,
        redirect_url=body.redirect_url,
        requested=body.requested,
        source=source_of(client_of(request)),
    )
    if made.status == "draft":
        return answer(Created(made.status, made.id, review_url=service.review_url(made)), status=201)
    return answer(Created(made.status, made.id, resource_scope=made.resource_scope), status=201)


async def poll(request: web.Request) -> web.Response:
    """200 with the status, for the application that asked."""
    found = await request.app[APP_ACCESS_REQUESTS].poll(_id(request), query_of(request, PollQuery).app_client_id)
    return answer(Polled(found.id, found.status, found.resource_scope, found.access_request_scope))


async def review(request: web.Request) -> web.Response:
    """200 with what is requested."""
    found = await request.app[APP_ACCESS_REQUESTS].review(_id(request), session_user_of(request).token)
    return answer(
        Review(
            found.id,
            found.app_client_id,
            found.app_name,
            found.app_description,
            found.flow_type,
            found.status,
            msgspec.Raw(found.requested.encode()),
        )
    )


async def approve(request: web.Request) -> web.Response:
    """200 with what became of it."""
    approved, person = body_of(request, AppApproval).approved, session_user_of(request)
    return _decided(await request.app[APP_ACCESS_REQUESTS].approve(_id(request), approved, person))


async def deny(request: web.Request) -> web.Response:
    """200: it is denied."""
    return _decided(await request.app[APP_ACCESS_REQUESTS].deny(_id(request), session_user_of(request).user_id))


async def list_own(request: web.Request) -> web.Response:
    """200 with what the caller approved and did not withdraw."""
    paging = query_of(request, Paging)
    found, total = await request.app[APP_ACCESS_REQUESTS].list_of(
        session_user_of(request).user_id, size=paging.size, skip=paging.offset
    )
    return answer(OwnApprovals([_own(one) for one in found], total, paging.page, paging.size))


async def withdraw(request: web.Request) -> web.Response:
    """204: the application may not act for the caller any more."""
    await request.app[APP_ACCESS_REQUESTS].withdraw(_id(request), session_user_of(request).user_id)
    return empty(204)


def _decided(found: AppAccessRequest) -> web.Response:
    return answer(Decided(found.status, found.flow_type, found.redirect_url))


def _own(found: AppAccessRequest) -> OwnApproval:
    approved = msgspec.Raw((found.approved or "null").encode())
    return OwnApproval(found.id, found.app_client_id, found.app_name, found.app_description, approved, found.updated_at)


def _id(request: web.Request) -> str:
    return str(parameter_of(request, "id"))


_UNDECIDABLE = (
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
        "Ask, as an application, to act for a person",
        body=AppRequest,
        answers={201: Created},
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
        "See, as the application that asked, how far a request has come",
        query=PollQuery,
        parameters=_BY_ID,
        answers={200: Polled},
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
        "See what an application asks for",
        parameters=_BY_ID,
        answers={200: Review},
        errors=(AppAccessRequestNotFound, AppRequestExpired),
    ),
    Operation(
        "PUT",
        f"{DECISIONS}/{{id}}/approve",
        approve,
        USER_OR_RECENT_MANAGER,
        "Let an application act for you",
        body=AppApproval,
        parameters=_BY_ID,
        answers={200: Decided},
        errors=(
            *_UNDECIDABLE,
            AppNotRegistered,
            ProviderCallNotSupported,
        ),
    ),
    Operation(
        "POST",
        f"{DECISIONS}/{{id}}/deny",
        deny,
        USER_OR_RECENT_MANAGER,
        "Do not let an application act for you",
        parameters=_BY_ID,
        answers={200: Decided},
        errors=_UNDECIDABLE,
    ),
    Operation(
        "GET",
        OWN,
        list_own,
        SESSION_USER,
        "List the applications that may act for you, newest first",
        query=Paging,
        answers={200: OwnApprovals},
    ),
    Operation(
        "DELETE",
        f"{DECISIONS}/{{id}}",
        withdraw,
        SESSION_USER,
        "Withdraw what you approved",
        parameters=_BY_ID,
        answers={204: None},
        errors=(AppRequestNotFound, AlreadyDecided),
    ),
)
