"""The end of an application: it is told apart from being in service, and long-lived connections are let go."""

import asyncio
import time
from weakref import WeakSet

from aiohttp import WSCloseCode, hdrs, web

CLOSE_SECONDS = 1.0  # how long websockets have to say goodbye


class ShutdownState:
    """Whether an application still takes requests, and the websockets that it has open."""

    def __init__(self) -> None:
        self.is_draining = False
        self._ending_since = 0.0
        self._websockets: WeakSet[web.WebSocketResponse] = WeakSet()

    @property
    def seconds_draining(self) -> float:
        """How long ago the application went out of service; 0 for one that is in service."""
        return time.monotonic() - self._ending_since if self.is_draining else 0.0

    def start_draining(self) -> None:
        """From now on the application is not in service."""
        if not self.is_draining:
            self.is_draining, self._ending_since = True, time.monotonic()

    async def before_headers(self, _: web.Request, response: web.StreamResponse) -> None:
        """Remember a websocket that opens; at the end, make a client leave a connection that goes away."""
        if response.status == 101 and isinstance(response, web.WebSocketResponse):
            self._websockets.add(response)
        elif self.is_draining:
            response.force_close()
            response.headers[hdrs.CONNECTION] = "close"

    async def end(self) -> None:
        """From now on the application is not in service; open websockets are closed as "going away"."""
        self.start_draining()
        goodbyes = [
            asyncio.create_task(websocket.close(code=WSCloseCode.GOING_AWAY, message=b"the server is shutting down"))
            for websocket in self._websockets
            if not websocket.closed
        ]
        if goodbyes:
            _, silent = await asyncio.wait(goodbyes, timeout=CLOSE_SECONDS)
            for task in silent:
                task.cancel()
            await asyncio.gather(*goodbyes, return_exceptions=True)


SHUTDOWN = web.AppKey("SHUTDOWN", ShutdownState)


def setup(app: web.Application) -> None:
    """Make *app* end well, whatever runs it."""
    life = app[SHUTDOWN] = ShutdownState()

    async def on_shutdown(_: web.Application) -> None:
        await life.end()

    app.on_response_prepare.append(life.before_headers)
    app.on_shutdown.append(on_shutdown)
