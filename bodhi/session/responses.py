"""Session errors as aiohttp responses, for handlers that do not catch them."""

from aiohttp import hdrs, web
from multidict import CIMultiDict

from bodhi.session.errors import SessionGone, SessionUnavailable

RETRY_AFTER_SECONDS = 5


class SessionUnavailableResponse(web.HTTPServiceUnavailable, SessionUnavailable):
    """503 with Retry-After, and nothing about the cookie: an outage is not a logout."""

    def __init__(self) -> None:
        super().__init__(
            headers={hdrs.RETRY_AFTER: str(RETRY_AFTER_SECONDS), hdrs.CACHE_CONTROL: "no-store"},
            text="The session database is not responding. Try again in a moment.",
        )


def vary_by_cookie(headers: CIMultiDict[str]) -> None:
    """Add ``Cookie`` to the ``Vary`` header in *headers*."""
    fields = {field.strip().lower() for line in headers.getall(hdrs.VARY) for field in line.split(",")}
    if not fields & {"cookie", "*"}:
        headers.add(hdrs.VARY, "Cookie")


class SessionGoneResponse(web.HTTPUnauthorized, SessionGone):
    """401: a login or other privilege change failed because its session ended meanwhile."""

    def __init__(self) -> None:
        super().__init__(headers={hdrs.CACHE_CONTROL: "no-store"}, text="Your session has ended. Sign in again.")
