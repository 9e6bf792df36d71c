"""The id of a request: taken from ``X-Request-ID`` or made, told in the answer, and in every line of the log."""

import random
import re

from aiohttp import web
from aiohttp.typedefs import Handler

from bodhi.logs import REQUEST_ID

HEADER = "X-Request-ID"

_WELL_FORMED = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{7,63}")


def setup(app: web.Application) -> None:
    """Give every request of *app* an id; to be called before other middlewares are added, so that they log it too."""
    app.middlewares.append(request_id_middleware)
    app.on_response_prepare.append(_before_headers)


@web.middleware
async def request_id_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Puts the request's id into the context of its task, which ends with the request."""
    given = request.headers.getall(HEADER, ())
    if len(given) == 1 and _WELL_FORMED.fullmatch(given[0]):
        REQUEST_ID.set(given[0])
    else:
        current_id()
    return await handler(request)


def current_id() -> str:
    """The id of the request that is handled, made when it has none: aiohttp refuses some before any middleware."""
    request_id = REQUEST_ID.get()
    if request_id is None:
        request_id = f"{random.getrandbits(128):032x}"  # no secret, and no system call
        REQUEST_ID.set(request_id)
    return request_id


async def _before_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers[HEADER] = current_id()
