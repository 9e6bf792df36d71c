"""``/ui/apps/access-requests/review``: an application asks whether it may act for the person who is logged in."""

import json
from typing import Any
from uuid import UUID

import msgspec
from aiohttp import web

from bodhi.server.access.gate import USER_OR_RECENT_MANAGER
from bodhi.server.apps.records import AppAccessRequest
from bodhi.server.apps.service import APP_ACCESS_REQUESTS
from bodhi.server.http.context import session_user_of
from bodhi.server.http.forms import see_other
from bodhi.server.http.headers import KEEPS_OPENER
from bodhi.server.http.input import parameter_of, query_of
from bodhi.server.http.operations import OPTIONAL, Operation
from bodhi.server.http.origins import host_of, origin_of
from bodhi.server.http.paths import REVIEW_PATH
from bodhi.server.http.rendering import current_user, page
from bodhi.server.http.resume_after_login import after_login
from bodhi.server.http.same_site_bounce import same_site_bounce_target

PATH = "/ui/apps/access-requests"
OUTCOMES = {
    "approved": ("Access approved", "The application can act for you now."),
    "denied": ("Access denied", "The application cannot act for you."),
    "failed": (
        "That did not work",
        "The identity provider did not register the access. Begin again in the application.",
    ),
    "withdrawn": ("Access withdrawn", "The application cannot act for you any more."),
}
NEEDS_A_ROLE: dict[str, Any] = {
    "title": "You need a role first",
    "message": "Without one you cannot let applications act for you. The start page has a button to ask for it.",
    "reference": None,
    "back": ("Go to the start", "/ui"),
}


class Review(msgspec.Struct, frozen=True):
    """Which request is looked at."""

    id: UUID


async def review(request: web.Request) -> web.Response:
    """What the application asks for, with a form; or what became of it."""
    request_id = str(query_of(request, Review).id)
    person = current_user(request)
    if person is None:
        target = same_site_bounce_target(request, id=request_id)
        response = await page(request, "arrival.html", target=target) if target else after_login(request, request_id)
        response.headers.update(KEEPS_OPENER)
        return response
    if person.role is None:
        return await page(request, "error.html", status=403, **NEEDS_A_ROLE)
    asked = await request.app[APP_ACCESS_REQUESTS].review(request_id, person.token)
    return await _shown(request, asked)


async def _shown(request: web.Request, asked: AppAccessRequest) -> web.Response:
    title, outcome = OUTCOMES.get(asked.status, (f"{asked.app_name or asked.app_client_id} asks for access", None))
    target = origin_of(asked.redirect_url) if asked.redirect_url else None
    response = await page(
        request,
        "app_review.html",
        form_targets=[target] if target else [],
        asked=asked,
        title=title,
        outcome=outcome,
        back_to=host_of(asked.redirect_url) if asked.redirect_url else None,
        requested=json.loads(asked.requested),
    )
    if asked.flow_type == "popup":
        response.headers.update(KEEPS_OPENER)
    return response


async def approve(request: web.Request) -> web.Response:
    """Approves all that is asked for."""
    requests, request_id = request.app[APP_ACCESS_REQUESTS], str(parameter_of(request, "id"))
    asked = await requests.by_id(request_id)
    approved = None if asked is None else json.loads(asked.requested)
    return _sent_back(request, await requests.approve(request_id, approved, session_user_of(request)))


async def deny(request: web.Request) -> web.Response:
    """Approves nothing."""
    requests, request_id = request.app[APP_ACCESS_REQUESTS], str(parameter_of(request, "id"))
    return _sent_back(request, await requests.deny(request_id, session_user_of(request).user_id))


def _sent_back(request: web.Request, decided: AppAccessRequest) -> web.Response:
    """To the application, which gets to know the id; where it has a window of its own, to what became of it."""
    if decided.flow_type == "redirect" and decided.redirect_url:
        return see_other(request, decided.redirect_url)
    return see_other(request, f"{REVIEW_PATH}?id={decided.id}", **KEEPS_OPENER)


OPERATIONS = (
    Operation("GET", REVIEW_PATH, review, OPTIONAL, "An application asks for access", query=Review, in_document=False),
    Operation(
        "POST",
        f"{PATH}/{{id}}/approve",
        approve,
        USER_OR_RECENT_MANAGER,
        "Let an application in",
        parameters={"id": UUID},
        in_document=False,
    ),
    Operation(
        "POST",
        f"{PATH}/{{id}}/deny",
        deny,
        USER_OR_RECENT_MANAGER,
        "Keep an application out",
        parameters={"id": UUID},
        in_document=False,
    ),
)
