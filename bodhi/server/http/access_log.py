"""The access log: a line for each request, without query strings, which may hold codes and tokens."""

import logging

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from bodhi.server.http.forwarded import client_of

LOGGER = logging.getLogger("bodhi.access")


class AccessLog(AbstractAccessLogger):
    """``127.0.0.1 "GET /ping" 200 18 bytes 0.4 ms``; with the same as fields for JSON."""

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
