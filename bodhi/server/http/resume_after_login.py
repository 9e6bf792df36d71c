"""Return to the review of an application's access request after a login.

A login clears the session, so a separate cookie stores the id of the access request. The id is not a secret: reviewing
the request still requires a login and a confirmation.
"""

from collections.abc import Mapping
from uuid import UUID

from aiohttp import web

from bodhi.server.http.headers import KEEPS_OPENER
from bodhi.server.http.hosts import origin_for
from bodhi.server.http.paths import LOGIN_PATH, REVIEW_PATH
from bodhi.server.http.responses import see_other

SECONDS = 600  # lifetime of an access request that is not reviewed

_NAME = "bodhi_review"
_REVIEWS = "/ui/apps/access-requests/"


def redirect_to_login(request: web.Request, request_id: str) -> web.Response:
    """Redirect to the login page, and store the access request's id in a cookie."""
    response = see_other(request, LOGIN_PATH)
    response.set_cookie(
        _name(request), request_id, max_age=SECONDS, secure=_is_https(request), httponly=True, samesite="Strict"
    )
    return response


def resume_review(request: web.Request) -> web.Response | None:
    """Redirect to the pending review and delete the cookie, or return None if there is none."""
    request_id = pending_review(request)
    if request_id is None:
        return None
    response = see_other(request, f"{REVIEW_PATH}?id={request_id}", **KEEPS_OPENER)
    response.del_cookie(_name(request), secure=_is_https(request), httponly=True, samesite="Strict")
    return response


def opener_headers(request: web.Request, page: str | None = None) -> Mapping[str, str]:
    """Return headers that let the application keep its reference to the popup, if the login is part of a review.

    *page* is the target of the login, or the current page; it may be the review itself.
    """
    is_review = page is not None and page.startswith(_REVIEWS)
    return KEEPS_OPENER if is_review or pending_review(request) is not None else {}


def pending_review(request: web.Request) -> UUID | None:
    """Return the id of the access request whose review waits for a login, or None."""
    try:
        return UUID(request.cookies[_name(request)])
    except (KeyError, ValueError):
        return None


def _name(request: web.Request) -> str:
    # A __Host- cookie cannot be set by another host of the same domain.
    return f"__Host-{_NAME}" if _is_https(request) else _NAME


def _is_https(request: web.Request) -> bool:
    return origin_for(request).startswith("https:")
