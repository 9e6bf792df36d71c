"""``/ui/apps/access-requests/review``: the consent page on which a user approves or denies an application."""

import json
from typing import Any
from uuid import UUID

import msgspec
from aiohttp import web

from bodhi.server.access.gate import USER_OR_RECENT_MANAGER
from bodhi.server.apps.records import AppAccessRequest
from bodhi.server.apps.service import APP_ACCESS_REQUESTS
from bodhi.server.http.context import session_user_of
from bodhi.server.http.cross_site import same_site_bounce_target
from bodhi.server.http.headers import KEEPS_OPENER
from bodhi.server.http.input import parameter_of, query_of
from bodhi.server.http.operations import OPTIONAL, Operation
from bodhi.server.http.paths import REVIEW_PATH
from bodhi.server.http.public_url import host_of, origin_of
from bodhi.server.http.rendering import current_user, page
from bodhi.server.http.responses import see_other
from bodhi.server.http.resume_after_login import redirect_to_login

PATH = "/ui/apps/access-requests"
OUTCOMES = {
    "approved": ("Access approved", "The application can now act on your behalf."),
    "denied": ("Access denied", "The application cannot act on your behalf."),
    "failed": (
        "Request failed",
        "The identity provider did not register the access. Start again in the application.",
    ),
    "withdrawn": ("Access withdrawn", "The application can no longer act on your behalf."),
}
NEEDS_A_ROLE: dict[str, Any] = {
    "title": "Role required",
    "message": "You need a role before applications can act on your behalf. You can request access on the home page.",
    "reference": None,
    "back": ("Go to home page", "/ui"),
}


class Review(msgspec.Struct, frozen=True):
    """The query: the request to review."""

    id: UUID


async def review(request: web.Request) -> web.Response:
    """Show the request with a consent form, or its outcome."""
    request_id = str(query_of(request, Review).id)
    user = current_user(request)
    if user is None:
        target = same_site_bounce_target(request, id=request_id)
        response = (
            await page(request, "arrival.html", target=target) if target else redirect_to_login(request, request_id)
        )
        response.headers.update(KEEPS_OPENER)
        return response
    if user.role is None:
        return await page(request, "error.html", status=403, **NEEDS_A_ROLE)
    access_request = await request.app[APP_ACCESS_REQUESTS].review(request_id, user.token)
    return await _review_page(request, access_request)


async def _review_page(request: web.Request, access_request: AppAccessRequest) -> web.Response:
    app_name = access_request.app_name or access_request.app_client_id
    title, outcome = OUTCOMES.get(access_request.status, (f"{app_name} requests access", None))
    target = origin_of(access_request.redirect_url) if access_request.redirect_url else None
    response = await page(
        request,
        "app_review.html",
        form_targets=[target] if target else [],
        access_request=access_request,
        title=title,
        outcome=outcome,
        back_to=host_of(access_request.redirect_url) if access_request.redirect_url else None,
        requested=json.loads(access_request.requested),
    )
    if access_request.flow_type == "popup":
        response.headers.update(KEEPS_OPENER)
    return response


async def approve(request: web.Request) -> web.Response:
    """Approve everything that is requested."""
    requests, request_id = request.app[APP_ACCESS_REQUESTS], str(parameter_of(request, "id"))
    access_request = await requests.by_id(request_id)
    approved = None if access_request is None else json.loads(access_request.requested)
    return _redirect(request, await requests.approve(request_id, approved, session_user_of(request)))


async def deny(request: web.Request) -> web.Response:
    """Deny the request."""
    requests, request_id = request.app[APP_ACCESS_REQUESTS], str(parameter_of(request, "id"))
    return _redirect(request, await requests.deny(request_id, session_user_of(request).user_id))


def _redirect(request: web.Request, decided: AppAccessRequest) -> web.Response:
    """Redirect to the application with the request id; a popup gets the outcome page instead."""
    if decided.flow_type == "redirect" and decided.redirect_url:
        return see_other(request, decided.redirect_url)
    return see_other(request, f"{REVIEW_PATH}?id={decided.id}", **KEEPS_OPENER)


OPERATIONS = (
    Operation("GET", REVIEW_PATH, review, OPTIONAL, "Review an application's request", query=Review, in_document=False),
    Operation(
        "POST",
        f"{PATH}/{{id}}/approve",
        approve,
        USER_OR_RECENT_MANAGER,
        "Approve an application's request",
        parameters={"id": UUID},
        in_document=False,
    ),
    Operation(
        "POST",
        f"{PATH}/{{id}}/deny",
        deny,
        USER_OR_RECENT_MANAGER,
        "Deny an application's request",
        parameters={"id": UUID},
        in_document=False,
    ),
)
