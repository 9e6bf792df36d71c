"""Handlers may be given another request than the one that aiohttp made: its headers cannot be changed in place."""

from aiohttp import web
from aiohttp.typedefs import Handler


async def pass_on(request: web.Request, clone: web.Request, handler: Handler) -> web.StreamResponse:
    """What *handler* answers to *clone*; what it notes in the clone is found in *request* afterwards."""
    try:
        return await handler(clone)
    finally:
        # aiohttp prepares the response with its own request, and there the session's cookie is looked for.
        request.update(clone)
