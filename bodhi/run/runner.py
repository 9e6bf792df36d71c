"""aiohttp's runner with two corrections: responses to malformed requests, and the end of connections.

aiohttp answers a malformed request before any middleware, in plain text and with its versions. At the end it stops
reading from every connection at once, so that an upload or a websocket's goodbye never arrives.
"""

import asyncio
import logging
from typing import Any

from aiohttp import web

from bodhi.run.connections import DEFAULT_LIMITS, BoundedConnection, BoundedRunner, BoundedServer, Limits
from bodhi.server.http.errors import error_response, status_response, with_envelope
from bodhi.server.http.headers import DEFAULT_HEADERS, complete
from bodhi.server.http.lifecycle import SHUTDOWN
from bodhi.server.http.request_errors import MalformedRequest
from bodhi.server.http.request_id import current_id
from bodhi.server.services import IDENTITY_PROVIDER

POLL_SECONDS = 0.01
ARRIVAL_SECONDS = 1.0  # at the end, for the request of a connection that was accepted last
CUT_SECONDS = 0.05  # twice this long aiohttp itself waits, before it cancels what still runs

log = logging.getLogger(__name__)


class Runner(BoundedRunner):
    """Runs an application; requests in progress at shutdown have *grace_seconds*."""

    def __init__(self, app: web.Application, limits: Limits = DEFAULT_LIMITS, *, grace_seconds: float) -> None:
        super().__init__(app, limits, shutdown_timeout=CUT_SECONDS)
        self._grace_seconds = grace_seconds

    async def setup(self) -> None:
        """Start the application, and fetch the identity provider's metadata in the background."""
        await super().setup()
        provider = self.app.get(IDENTITY_PROVIDER)
        if provider is not None:
            provider.start()

    async def cleanup(self) -> None:
        """Stop accepting, let requests finish, cancel the rest, and run the application's cleanup."""
        if isinstance(self.server, _Server):
            for site in self.sites:
                await site.stop()
            await asyncio.gather(self.app[SHUTDOWN].shut_down(), self._drain(self.server))
        await super().cleanup()

    async def _drain(self, server: "_Server") -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        arrival_seconds = min(ARRIVAL_SECONDS, self._grace_seconds / 2)
        self.app[SHUTDOWN].start_draining()
        while server.connections and (spent := loop.time() - began) < self._grace_seconds:
            server.close_idle(keeps_expected=spent < arrival_seconds)
            await asyncio.sleep(POLL_SECONDS)
        if server.connections:
            log.warning(
                "%d connections closed: they did not end within %g s", len(server.connections), self._grace_seconds
            )

    def bound(self, made: web.Server) -> "_Server":
        """Return a server with bodhi's connections."""
        return _Server(self.app, made, self.limits)


class _Server(BoundedServer):
    """A server whose connections are :class:`_Connection`."""

    def __init__(self, app: web.Application, made: web.Server, limits: Limits) -> None:
        super().__init__(made, limits)
        self.default_headers = app[DEFAULT_HEADERS]

    def __call__(self) -> "_Connection":
        return _Connection(self, loop=self._loop, **self._kwargs)


class _Connection(BoundedConnection):
    """One connection."""

    __slots__ = ("_default_headers",)

    def __init__(self, server: _Server, **options: Any) -> None:
        super().__init__(server, **options)
        self._default_headers = server.default_headers

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Gives the envelope to what aiohttp answers past all middlewares, such as an unknown ``Expect``."""
        # aiohttp's own are plain text. What has another form went through the middlewares, which may make pages of it.
        is_plain = resp.status >= 400 and not resp.prepared and resp.content_type == "text/plain"
        if is_plain and isinstance(resp, web.HTTPException):
            with_envelope(resp)
        return await super().finish_response(request, resp, start_time)

    def log_exception(self, *args: Any, **options: Any) -> None:
        """One line for the rest of a body that cannot be read, such as damaged compression: anybody can send that."""
        if isinstance(options.get("exc_info"), web.RequestPayloadError):
            log.info("request body could not be read")
        else:
            super().log_exception(*args, **options)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the response to a request that aiohttp could not parse, or whose response failed."""
        current_id()  # before the lines of the log
        if self.transport is None:
            log.info("%s %s: client disconnected", request.method, request.rel_url.raw_path)
        elif status == 400:
            # Its text may repeat a header line, a cookie's for one.
            log.info("a malformed request from %s: %s", request.remote, type(exc).__name__)
        else:
            log.error("%s %s failed", request.method, request.rel_url.raw_path, exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("the response has been started and cannot be replaced")
        response = error_response(MalformedRequest) if status == 400 else status_response(status)
        response.force_close()
        complete(response, self._default_headers)
        return response
