"""No other origin may read what is answered here: preflights get an answer, but no permission.

Every route accepts a session, and a permission for those would undo what the cross-site check protects. A service that
has routes for bearer tokens alone may answer their OPTIONS itself.
"""

from aiohttp import hdrs, web


def preflight_response(error: web.HTTPMethodNotAllowed) -> web.Response:
    """The answer to OPTIONS where a route has none of its own: the methods that the address takes."""
    allowed = ",".join(sorted({*error.allowed_methods, hdrs.METH_OPTIONS}))
    return web.Response(status=204, headers={hdrs.ALLOW: allowed})
