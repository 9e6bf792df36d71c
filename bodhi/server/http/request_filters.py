"""What every request has to pass before anything else looks at it: request filters, one after another.

A filter is a plain function. It raises what it refuses a request with, answers in the application's place, or lets the
request pass. What it finds out about a request, it notes in it.
"""

from collections.abc import Callable, Iterable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from multidict import CIMultiDict

# Only this server sets headers with this prefix: clients' are removed before anything else looks at a request.
# Source: OWASP ASVS 5.0, 4.1.3; CVE-2025-64484 (names with ``_`` for ``-``, which some gateways take for the same).
PREFIX = "x-bodhiapp-"


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


RequestFilter = Callable[[web.Request], web.StreamResponse | None]


def request_filter_middleware(filters: Iterable[RequestFilter | None] = ()) -> Middleware:
    """Hands on what all *filters* let pass, in this order, without headers that only this server may set.

    None stands for a filter that has nothing to do.
    """
    needed = [one for one in filters if one is not None]

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request
        for name in request.headers:
            # Two letters first: those of proxies begin with "X-" as well.
            if name[0] in "xX" and name[2:3] in "bB" and is_internal(name):
                request = stripped(given)
                break
        try:
            for request_filter in needed:
                answer = request_filter(request)
                if answer is not None:
                    return answer
            return await handler(request)
        finally:
            if request is not given:
                # aiohttp prepares the response with its own request, and there the session's cookie is looked for.
                given.update(request)

    return middleware
