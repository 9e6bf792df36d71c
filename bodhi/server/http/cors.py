"""No other origin may read what is answered here: preflights get an answer, but no permission.

Every route accepts a session, and a permission for those would undo what the cross-site check protects. A service that
has routes for bearer tokens alone may answer their OPTIONS itself.
"""

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler


@web.middleware
async def cors_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers OPTIONS with the methods that an address takes, where its route has no answer of its own."""
    try:
        return await handler(request)
    except web.HTTPMethodNotAllowed as error:
        if request.method != hdrs.METH_OPTIONS:
            raise
        allowed = ",".join(sorted({*error.allowed_methods, hdrs.METH_OPTIONS}))
        return web.Response(status=204, headers={hdrs.ALLOW: allowed})
