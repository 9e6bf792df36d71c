"""What every request has to pass before anything else looks at it: guards, one after another.

A guard is a plain function. It raises what it refuses a request with, answers in the application's place, or lets the
request pass. What it finds out about a request, it notes in it.
"""

from collections.abc import Callable, Sequence

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

RequestFilter = Callable[[web.Request], web.StreamResponse | None]


def request_filter_middleware(guards: Sequence[RequestFilter]) -> Middleware:
    """Hands on what all *guards* let pass, in this order."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        for guard in guards:
            answer = guard(request)
            if answer is not None:
                return answer
        return await handler(request)

    return middleware
