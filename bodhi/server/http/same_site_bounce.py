"""Who follows a link from another site arrives without a SameSite=Strict cookie, and would seem to be logged out.

A page that leads on from this site brings the cookie along. Nothing is changed by it: pages are only read this way.
"""

from aiohttp import web
from yarl import URL

from bodhi.server.http.cross_site import is_cross_site_read

_MARK = "arrived"  # so that nobody is led on twice


def same_site_bounce_target(request: web.Request, **query: str) -> str | None:
    """The same address with *query* alone, to be led to from here; None for who comes from here, or did so before."""
    if not is_cross_site_read(request) or _MARK in request.query:
        return None
    return str(URL.build(path=request.path, query={**query, _MARK: "1"}))
