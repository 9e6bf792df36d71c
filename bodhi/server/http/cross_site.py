"""Requests that another site makes a browser send: unsafe ones are refused, safe ones get no session.

Browsers say where a request comes from in ``Sec-Fetch-Site``, older ones in ``Origin``.
Source: OWASP CSRF Prevention Cheat Sheet, "Fetch Metadata"; W3C Fetch Metadata Request Headers.
"""

from collections.abc import Collection

from aiohttp import hdrs, web
from yarl import URL

from bodhi.server.http.hosts import origin_for
from bodhi.server.http.request_errors import CrossSiteRequest
from bodhi.server.http.request_filters import RequestFilter

SEC_FETCH_SITE = "Sec-Fetch-Site"
SAFE_METHODS = {hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS}
BEARER = "Bearer "
_MARK = "arrived"  # so that nobody is led on twice


def cross_site_filter(cookie_name: str, exempt: Collection[str] = ()) -> RequestFilter:
    """Refuses unsafe cross-site requests on every address, known or not, except the routes *exempt* (their patterns).

    *cookie_name* is the session's, as browsers know it.
    """
    exempt = frozenset(exempt)

    def guard(request: web.Request) -> None:
        if request.method not in SAFE_METHODS and not is_same_origin(request, cookie_name):
            resource = request.match_info.route.resource
            if resource is None or resource.canonical not in exempt:
                raise CrossSiteRequest

    return guard


def is_same_origin(request: web.Request, cookie_name: str) -> bool:
    """Whether an unsafe request comes from a page of this server, or carries nothing that a browser adds by itself."""
    headers = request.headers
    if is_bearer(request):
        return True  # no page can make a browser send one to another site without being allowed to
    sites = headers.getall(SEC_FETCH_SITE, ())
    if sites:
        return list(sites) == ["same-origin"]
    origins = headers.getall(hdrs.ORIGIN, ())
    if origins:
        return list(origins) == [origin_for(request)]
    # No browser: all of them send Origin with unsafe methods. A program may call without a session.
    return not any(cookie_name in line for line in headers.getall(hdrs.COOKIE, ()))


def is_cross_site_read(request: web.Request) -> bool:
    """Whether a safe request comes from another site or origin, so that it must not see the session."""
    if request.method not in SAFE_METHODS:
        return False
    sites = request.headers.getall(SEC_FETCH_SITE, ())
    return bool(sites) and list(sites) not in (["same-origin"], ["none"])


def is_bearer(request: web.Request) -> bool:
    """Whether *request* carries a bearer token, which no browser adds by itself."""
    given = request.headers.getall(hdrs.AUTHORIZATION, ())
    return len(given) == 1 and given[0].startswith(BEARER)


def same_site_bounce_target(request: web.Request, **query: str) -> str | None:
    """The same address with *query* alone, to be led to from here; None for who comes from here, or did so before.

    Who follows a link from another site arrives without a SameSite=Strict cookie, and would seem to be logged out. A
    page that leads on from this site brings the cookie along. Nothing is changed by it: pages are only read this way.
    """
    if not is_cross_site_read(request) or _MARK in request.query:
        return None
    return str(URL.build(path=request.path, query={**query, _MARK: "1"}))
