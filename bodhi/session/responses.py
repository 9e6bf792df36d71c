"""Session errors as aiohttp answers with them where nobody catches them."""

from aiohttp import hdrs, web
from multidict import CIMultiDict

from bodhi.session.errors import SessionGone, SessionUnavailable

RETRY_AFTER_SECONDS = 5


class SessionUnavailableResponse(web.HTTPServiceUnavailable, SessionUnavailable):
    """503 with Retry-After, and nothing about the cookie: an outage is not a logout."""

    def __init__(self) -> None:
        super().__init__(
            headers={hdrs.RETRY_AFTER: str(RETRY_AFTER_SECONDS), hdrs.CACHE_CONTROL: "no-store"},
            text="The session database does not answer. Try again in a moment.",
        )


def vary_by_cookie(headers: CIMultiDict[str]) -> None:
    """Add the cookie to what the response varies by, according to its *headers*."""
    fields = {field.strip().lower() for line in headers.getall(hdrs.VARY) for field in line.split(",")}
    if not fields & {"cookie", "*"}:
        headers.add(hdrs.VARY, "Cookie")


class SessionGoneResponse(web.HTTPUnauthorized, SessionGone):
    """401: a login, or another change of privilege, whose session ended meanwhile did not take place."""

    def __init__(self) -> None:
        super().__init__(
            headers={hdrs.CACHE_CONTROL: "no-store"}, text="The session ended while the request ran. Log in again."
        )
