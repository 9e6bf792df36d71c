"""Browsers that come by another scheme, host or port are sent to the public URL, where their session is."""

import string
from collections.abc import Collection
from urllib.parse import quote

from aiohttp import hdrs, web

from bodhi.server.http.forwarded import forwarded_scheme
from bodhi.server.http.hosts import FOR_ANY_HOST, authority_of
from bodhi.server.http.public_url import IMPLIED_PORTS, PublicUrl, base_of
from bodhi.server.http.request_filters import RequestFilter

_AS_IT_IS = string.punctuation


def canonical_filter(public_url: PublicUrl, *, enabled: bool, exempt: Collection[str] = ()) -> RequestFilter | None:
    """Redirects GET and HEAD to *public_url*, except on the paths *exempt*; None without an explicit public host.

    It stands before :func:`~bodhi.server.http.hosts.host_filter`, which refuses what is not redirected.
    """
    if not (enabled and public_url.is_explicit):
        return None
    base = str(public_url)
    for_any_host = {*FOR_ANY_HOST, *exempt}

    def guard(request: web.Request) -> web.Response | None:
        if (
            request.method not in {"GET", "HEAD"}
            or request.path in for_any_host
            or _base_asked(request) in {None, base}
        ):
            return None
        return web.Response(status=301, headers={hdrs.LOCATION: base + _target(request)})

    def _base_asked(request: web.Request) -> str | None:
        authority = authority_of(request)
        if authority is None:
            return None
        # bodhi speaks no TLS itself: where nobody trusted says which scheme the browser uses, a redirect to https could
        # only come back the same way, and go round for ever.
        scheme = forwarded_scheme(request) or public_url.scheme
        return base_of(scheme, authority.host, authority.port or IMPLIED_PORTS[scheme])

    return guard


def _target(request: web.Request) -> str:
    """Path and query as they came. They always stand behind the whole public URL, so none of them can name a host."""
    target = request.rel_url.raw_path_qs
    return quote(target if target.startswith("/") else f"/{target}", safe=_AS_IT_IS, errors="surrogateescape")
