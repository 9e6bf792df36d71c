"""Graceful shutdown: mark the application as draining, and close WebSockets and idle connections."""

import asyncio
import time
from weakref import WeakSet

from aiohttp import WSCloseCode, hdrs, web

from bodhi.server.http.headers import COMPLETIONS

CLOSE_SECONDS = 1.0  # for the closing handshakes of WebSockets


class ShutdownState:
    """Whether an application is draining, and its open WebSockets."""

    def __init__(self) -> None:
        self.is_draining = False
        self._ending_since = 0.0
        self._websockets: WeakSet[web.WebSocketResponse] = WeakSet()

    @property
    def seconds_draining(self) -> float:
        """Seconds since draining started and its delay passed; 0 before that."""
        return max(0.0, time.monotonic() - self._ending_since) if self.is_draining else 0.0

    def start_draining(self, *, delay_seconds: float = 0.0) -> None:
        """Mark the application as draining: it is not ready any more, and connections close after their response.

        During the delay it serves as before, until load balancers have noticed.
        """
        if not self.is_draining:
            self.is_draining, self._ending_since = True, time.monotonic() + delay_seconds

    def before_headers(self, _: web.Request, response: web.StreamResponse) -> None:
        """Register an opened WebSocket; while draining, close the connection after the response."""
        if response.status == 101 and isinstance(response, web.WebSocketResponse):
            self._websockets.add(response)
        elif self.is_draining:
            response.force_close()
            response.headers[hdrs.CONNECTION] = "close"

    async def shut_down(self) -> None:
        """Start draining, and close open WebSockets with code 1001 (going away)."""
        self.start_draining()
        closing = [
            asyncio.create_task(websocket.close(code=WSCloseCode.GOING_AWAY, message=b"the server is shutting down"))
            for websocket in self._websockets
            if not websocket.closed
        ]
        if closing:
            _, unanswered = await asyncio.wait(closing, timeout=CLOSE_SECONDS)
            for task in unanswered:
                task.cancel()
            await asyncio.gather(*closing, return_exceptions=True)


SHUTDOWN = web.AppKey("SHUTDOWN", ShutdownState)


def setup(app: web.Application) -> None:
    """Add graceful shutdown to *app*, which has default headers, under any runner."""
    state = app[SHUTDOWN] = ShutdownState()

    async def on_shutdown(_: web.Application) -> None:
        await state.shut_down()

    app[COMPLETIONS].append(state.before_headers)
    app.on_shutdown.append(on_shutdown)
