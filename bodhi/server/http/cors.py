"""CORS preflights are answered without permission: no other origin may read responses.

Every route accepts a session, and allowing another origin would bypass the cross-site check. A service with routes for
bearer tokens only may handle their OPTIONS requests itself.
"""

from aiohttp import hdrs, web


def preflight_response(error: web.HTTPMethodNotAllowed) -> web.Response:
    """Return the response to OPTIONS for a route without its own handler: the methods of the resource."""
    allowed = ",".join(sorted({*error.allowed_methods, hdrs.METH_OPTIONS}))
    return web.Response(status=204, headers={hdrs.ALLOW: allowed})
