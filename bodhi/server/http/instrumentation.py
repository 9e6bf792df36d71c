"""Around every request: its id, how long it took, by its route, its line in the access log, and its span."""

import logging
from time import perf_counter

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.typedefs import Handler, Middleware

from bodhi import telemetry
from bodhi.metrics.requests import RequestTimes
from bodhi.server.http.forwarded import client_of
from bodhi.server.http.request_id import assign_id

LOGGER = logging.getLogger("bodhi.access")
UNMATCHED = "(none)"  # paths that nothing is at: each would be a label of its own

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def setup(app: web.Application, times: RequestTimes) -> None:
    """Give every request of *app* an id, and watch it; to be called before other middlewares are added.

    They log the id, and their time counts.
    """
    app.middlewares.append(time_middleware(times))


def time_middleware(times: RequestTimes) -> Middleware:
    """Notes the time of every request in *times*, and its id in the context of its task, which ends with it."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = perf_counter()
        status = "cut"  # by the client, or by the end of the server
        method, route = labels_of(request)
        assign_id(request)
        try:
            span = telemetry.request_span(request.headers, method, route)
            response = await (handler(request) if span is None else _in_span(span, request, handler))
            status = f"{response.status // 100}xx"
            return response
        except web.HTTPException as answer:
            status = f"{answer.status // 100}xx"
            raise
        except Exception:
            status = "5xx"
            raise
        finally:
            times.observe(route, method, status, perf_counter() - began)

    return middleware


async def _in_span(span: telemetry.Spanning, request: web.Request, handler: Handler) -> web.StreamResponse:
    with span as current:
        assert current is not None
        try:
            response = await handler(request)
        except web.HTTPException as answer:
            current.set_attribute("http.response.status_code", answer.status)
            raise
        current.set_attribute("http.response.status_code", response.status)
        return response


def labels_of(request: web.Request) -> tuple[str, str]:
    """The request's method, of which clients may make some up; and its route's template (``/users/{user_id}``)."""
    resource = request.match_info.route.resource
    method = request.method if request.method in _METHODS else "other"
    return method, UNMATCHED if resource is None else resource.canonical


class AccessLog(AbstractAccessLogger):
    """``127.0.0.1 "GET /ping" 200 18 bytes 0.4 ms``; with the same as fields for JSON.

    No query strings: they may hold codes and tokens.
    """

    @property
    def enabled(self) -> bool:
        """Whether the lines would be written."""
        return self.logger.isEnabledFor(logging.INFO)

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        fields = {
            "remote": client_of(request),
            "method": request.method,
            "path": request.rel_url.raw_path,
            "status": response.status,
            "bytes": response.body_length,
            "duration_ms": round(time * 1000, 1),
        }
        self.logger.info(
            '%(remote)s "%(method)s %(path)s" %(status)d %(bytes)d bytes %(duration_ms).1f ms',
            fields,
            extra={"fields": fields},
        )
