"""Request ids, request durations by route, the access log, and spans if OpenTelemetry is installed."""

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
MAX_PATH = 512  # characters in the log
HEALTH = "/health"  # proxies ask each node every second
UNMATCHED = "(none)"  # unknown paths share one label: otherwise clients could create any number of them

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def setup(app: web.Application, times: RequestTimes) -> None:
    """Add request ids, durations and spans to *app*. Call it before other middlewares are added.

    They log the id, and their time is part of the duration.
    """
    app.middlewares.append(time_middleware(times))


def time_middleware(times: RequestTimes) -> Middleware:
    """Return a middleware that records request durations in *times*, and sets the request id in the task's context."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = perf_counter()
        status = "cut"  # by a disconnect or the server's shutdown
        method, route = labels_of(request)
        assign_id(request)
        try:
            span = telemetry.request_span(request.headers, method, route)
            response = await (handler(request) if span is None else _in_span(span, request, handler))
            status = f"{response.status // 100}xx"
            return response
        except web.HTTPException as error:
            status = f"{error.status // 100}xx"
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
        except web.HTTPException as error:
            current.set_attribute("http.response.status_code", error.status)
            raise
        current.set_attribute("http.response.status_code", response.status)
        return response


def labels_of(request: web.Request) -> tuple[str, str]:
    """Return method and route template (``/users/{user_id}``) for labels; unknown methods are ``other``."""
    resource = request.match_info.route.resource
    method = request.method if request.method in _METHODS else "other"
    return method, UNMATCHED if resource is None else resource.canonical


class AccessLog(AbstractAccessLogger):
    """Logs ``127.0.0.1 "GET /ping" 200 18 bytes 0.4 ms``, with the same values as fields for JSON.

    Query strings are left out, since they may hold codes and tokens. A successful health check is logged as DEBUG.
    """

    @property
    def enabled(self) -> bool:
        """Whether the log level includes the access log."""
        return self.logger.isEnabledFor(logging.INFO)

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        fields = {
            "remote": client_of(request),
            "method": request.method,
            "path": _cut(request.rel_url.raw_path),
            "status": response.status,
            "bytes": response.body_length,
            "duration_ms": round(time * 1000, 1),
        }
        is_routine = fields["path"] == HEALTH and response.status == 200
        self.logger.log(
            logging.DEBUG if is_routine else logging.INFO,
            '%(remote)s "%(method)s %(path)s" %(status)d %(bytes)d bytes %(duration_ms).1f ms',
            fields,
            extra={"fields": fields},
        )


def _cut(path: str) -> str:
    """*path*, of which anybody may send kilobytes, in a length that fits into a line."""
    return path if len(path) <= MAX_PATH else f"{path[:MAX_PATH]}… ({len(path)} characters)"
