"""Redirect browsers from another scheme, host or port to the public URL, where their session cookie is valid."""

import string
from collections.abc import Collection
from urllib.parse import quote

from aiohttp import hdrs, web

from bodhi.server.http.forwarded import forwarded_scheme
from bodhi.server.http.hosts import FOR_ANY_HOST, authority_of
from bodhi.server.http.public_url import IMPLIED_PORTS, PublicUrl, base_of
from bodhi.server.http.request_filters import RequestFilter

_SAFE = string.punctuation


def canonical_filter(public_url: PublicUrl, *, enabled: bool, exempt: Collection[str] = ()) -> RequestFilter | None:
    """Return a filter that redirects GET and HEAD to *public_url*, or None without an explicit public host.

    Paths in *exempt* are not redirected. It runs before :func:`~bodhi.server.http.hosts.host_filter`, which refuses
    unknown hosts that are not redirected.
    """
    if not (enabled and public_url.is_explicit):
        return None
    base = str(public_url)
    for_any_host = {*FOR_ANY_HOST, *exempt}

    def redirect(request: web.Request) -> web.Response | None:
        if (
            request.method not in {"GET", "HEAD"}
            or request.path in for_any_host
            or requested_base(request) in {None, base}
        ):
            return None
        return web.Response(status=301, headers={hdrs.LOCATION: base + _target(request)})

    def requested_base(request: web.Request) -> str | None:
        authority = authority_of(request)
        if authority is None:
            return None
        # bodhi does not terminate TLS. If no trusted proxy reports the browser's scheme, a redirect to https would
        # arrive here as http again and loop.
        scheme = forwarded_scheme(request) or public_url.scheme
        return base_of(scheme, authority.host, authority.port or IMPLIED_PORTS[scheme])

    return redirect


def _target(request: web.Request) -> str:
    """Return path and query as received; they are appended to the public URL, so they cannot change the host."""
    target = request.rel_url.raw_path_qs
    return quote(target if target.startswith("/") else f"/{target}", safe=_SAFE, errors="surrogateescape")
