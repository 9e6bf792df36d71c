"""CSRF protection: unsafe cross-site requests are refused, safe ones get no session.

Browsers send the initiator of a request in ``Sec-Fetch-Site``, older ones in ``Origin``.
Source: OWASP CSRF Prevention Cheat Sheet, "Fetch Metadata"; W3C Fetch Metadata Request Headers.
"""

from collections.abc import Collection

from aiohttp import hdrs, web
from multidict import istr
from yarl import URL

from bodhi.server.http.hosts import origin_for
from bodhi.server.http.request_errors import CrossSiteRequest
from bodhi.server.http.request_filters import RequestFilter

SEC_FETCH_SITE = istr("Sec-Fetch-Site")
SAFE_METHODS = {hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS}
BEARER = "bearer "  # in any case (RFC 9110, 11.1)
_MARK = "arrived"  # prevents a second bounce


def cross_site_filter(cookie_name: str, exempt: Collection[str] = ()) -> RequestFilter:
    """Return a filter that refuses unsafe cross-site requests on every path, except the route patterns *exempt*.

    *cookie_name* is the full name of the session cookie, with its prefix.
    """
    exempt = frozenset(exempt)

    def check_site(request: web.Request) -> None:
        if request.method not in SAFE_METHODS and not is_same_origin(request, cookie_name):
            resource = request.match_info.route.resource
            if resource is None or resource.canonical not in exempt:
                raise CrossSiteRequest

    return check_site


def is_same_origin(request: web.Request, cookie_name: str) -> bool:
    """Whether an unsafe request comes from this origin, or carries no credentials that a browser adds by itself."""
    headers = request.headers
    if is_bearer(request):
        return True  # a page can send an Authorization header to another site only after a CORS preflight
    sites = headers.getall(SEC_FETCH_SITE, ())
    if sites:
        return list(sites) == ["same-origin"]
    origins = headers.getall(hdrs.ORIGIN, ())
    if origins:
        return list(origins) == [origin_for(request)]
    # Not a browser: they all send Origin with unsafe methods. A program may call without the session cookie.
    return not any(cookie_name in line for line in headers.getall(hdrs.COOKIE, ()))


def is_cross_site_read(request: web.Request) -> bool:
    """Whether a safe request comes from another site or origin; it must not get the session."""
    if request.method not in SAFE_METHODS:
        return False
    sites = request.headers.getall(SEC_FETCH_SITE, ())
    return bool(sites) and list(sites) not in (["same-origin"], ["none"])


def is_bearer(request: web.Request) -> bool:
    """Whether *request* carries a bearer token, which browsers never add by themselves."""
    values = request.headers.getall(hdrs.AUTHORIZATION, ())
    return len(values) == 1 and values[0].lower().startswith(BEARER)


def same_site_bounce_target(request: web.Request, **query: str) -> str | None:
    """Return the path with *query* for a second request from this site, or None if the request is same-site already.

    A cross-site link carries no SameSite=Strict cookie, so the user would appear to be logged out. A page of this site
    requests the same URL again, this time with the cookie. This is only done for reading pages.
    """
    if not is_cross_site_read(request) or _MARK in request.query:
        return None
    return str(URL.build(path=request.path, query={**query, _MARK: "1"}))
