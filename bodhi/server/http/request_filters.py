"""What every request has to pass before anything else looks at it: request filters, one after another.

A filter is a plain function. It raises what it refuses a request with, answers in the application's place, or lets the
request pass. What it finds out about a request, it notes in it.
"""

from collections.abc import Callable, Iterable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bodhi.server.http.stripping import is_internal, stripped

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
