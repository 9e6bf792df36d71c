"""Around every request: how long it took, by its route; and its span where OpenTelemetry is installed."""

from time import perf_counter

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bodhi import telemetry
from bodhi.metrics.requests import RequestTimes

UNMATCHED = "(none)"  # paths that nothing is at: each would be a label of its own

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def setup(app: web.Application, times: RequestTimes) -> None:
    """Watch the requests of *app*; to be called before other middlewares are added, so that their time counts."""
    if telemetry.IS_INSTALLED:
        app.middlewares.append(span_middleware)
    app.middlewares.append(time_middleware(times))


def time_middleware(times: RequestTimes) -> Middleware:
    """Notes the time of every request in *times*."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = perf_counter()
        status = "cut"  # the client, or the end of the server
        try:
            response = await handler(request)
            status = _class_of(response.status)
            return response
        except web.HTTPException as answer:
            status = _class_of(answer.status)
            raise
        except Exception:
            status = "5xx"
            raise
        finally:
            times.observe(route_of(request), method_of(request), status, perf_counter() - began)

    return middleware


@web.middleware
async def span_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Gives every request a span with its method, its route's template and its status."""
    method, route = method_of(request), route_of(request)
    with telemetry.request_span(request.headers, method) as span:
        if span is None:
            return await handler(request)
        span.update_name(f"{method} {route}")
        span.set_attribute("http.route", route)
        try:
            response = await handler(request)
        except web.HTTPException as answer:
            span.set_attribute("http.response.status_code", answer.status)
            raise
        span.set_attribute("http.response.status_code", response.status)
        return response


def route_of(request: web.Request) -> str:
    """The template of the request's route, such as ``/bodhi/v1/users/{user_id}``."""
    resource = request.match_info.route.resource
    return UNMATCHED if resource is None else resource.canonical


def method_of(request: web.Request) -> str:
    """The request's method; a client may make some up."""
    return request.method if request.method in _METHODS else "other"


def _class_of(status: int) -> str:
    return f"{status // 100}xx"
