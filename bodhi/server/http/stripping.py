"""Headers that only this server may set are taken out of what clients send, before anything else looks at a request.

Source: OWASP ASVS 5.0, 4.1.3; CVE-2025-64484 (names with ``_`` for ``-``, which some gateways take for the same).
"""

from aiohttp import web
from aiohttp.typedefs import Handler
from multidict import CIMultiDict

PREFIX = "x-bodhiapp-"


@web.middleware
async def stripping_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Handles the request without any header whose name starts with ``X-BodhiApp-``, in whatever spelling."""
    for name in request.headers:
        # Two letters first: those of proxies begin with "X-" as well.
        if name[0] in "xX" and name[2:3] in "bB" and is_internal(name):
            return await _handled(request, stripped(request), handler)
    return await handler(request)


async def _handled(request: web.Request, clone: web.Request, handler: Handler) -> web.StreamResponse:
    """What *handler* answers to *clone*; what it notes in the clone is found in *request* afterwards."""
    try:
        return await handler(clone)
    finally:
        # aiohttp prepares the response with its own request, and there the session's cookie is looked for.
        request.update(clone)


def is_internal(name: str) -> bool:
    """Whether the header *name* is for this server alone to set."""
    return name.lower().replace("_", "-").startswith(PREFIX)


def stripped(request: web.Request) -> web.Request:
    """*request* without such headers; of the others, bytes that are no UTF-8 become question marks."""
    headers = CIMultiDict((name, _encodable(value)) for name, value in request.headers.items() if not is_internal(name))
    return request.clone(headers=headers)


def _encodable(value: str) -> str:
    # aiohttp reads such bytes as surrogates, and its clone() fails at them.
    return value if value.isascii() else value.encode("utf-8", "replace").decode()
