"""Who has to log in before deciding about an application comes back to that afterwards.

A login ends at the home page, and its session keeps nothing from before; so a cookie of its own says where to go on. It
holds the id of a request, which is no secret: whoever has it still has to log in and press a button.
"""

from collections.abc import Mapping
from uuid import UUID

from aiohttp import web

from bodhi.server.http.headers import KEEPS_OPENER
from bodhi.server.http.hosts import origin_for
from bodhi.server.http.paths import LOGIN_PATH, REVIEW_PATH
from bodhi.server.http.responses import see_other

SECONDS = 600  # as long as a request waits for its answer

_NAME = "bodhi_review"
_REVIEWS = "/ui/apps/access-requests/"


def redirect_to_login(request: web.Request, request_id: str) -> web.Response:
    """Sends the browser to log in, and remembers the application's request."""
    response = see_other(request, LOGIN_PATH)
    response.set_cookie(
        _name(request), request_id, max_age=SECONDS, secure=_is_https(request), httponly=True, samesite="Strict"
    )
    return response


def resume_review(request: web.Request) -> web.Response | None:
    """Sends the browser back to what it was about to decide; None where there is nothing."""
    request_id = pending_review(request)
    if request_id is None:
        return None
    response = see_other(request, f"{REVIEW_PATH}?id={request_id}", **KEEPS_OPENER)
    response.del_cookie(_name(request), secure=_is_https(request), httponly=True, samesite="Strict")
    return response


def opener_headers(request: web.Request, page: str | None = None) -> Mapping[str, str]:
    """The headers with which a login that such a request waits for keeps the application's handle on its window.

    *page* is where the login leads to, or was asked for: it may be such a request itself.
    """
    is_review = page is not None and page.startswith(_REVIEWS)
    return KEEPS_OPENER if is_review or pending_review(request) is not None else {}


def pending_review(request: web.Request) -> UUID | None:
    """The id of the request that waits for a login."""
    try:
        return UUID(request.cookies[_name(request)])
    except (KeyError, ValueError):
        return None


def _name(request: web.Request) -> str:
    # A __Host- cookie cannot be planted by another host of the same domain.
    return f"__Host-{_NAME}" if _is_https(request) else _NAME


def _is_https(request: web.Request) -> bool:
    return origin_for(request).startswith("https:")
