"""The end of an application: it is told apart from being in service, and long-lived connections are let go."""

import asyncio
import time
from weakref import WeakSet

from aiohttp import WSCloseCode, hdrs, web

CLOSE_SECONDS = 1.0  # how long websockets have to say goodbye


class ShutdownState:
    """Whether an application still takes requests, and the websockets that it has open."""

    def __init__(self) -> None:
        self._ending_since: float | None = None
        self._websockets: WeakSet[web.WebSocketResponse] = WeakSet()

    @property
    def is_ending(self) -> bool:
        """Whether the application is not in service any more."""
        return self._ending_since is not None

    @is_ending.setter
    def is_ending(self, is_ending: bool) -> None:
        if is_ending != self.is_ending:
            self._ending_since = time.monotonic() if is_ending else None

    @property
    def seconds_ending(self) -> float:
        """How long ago the application went out of service; 0 for one that is in service."""
        return 0.0 if self._ending_since is None else time.monotonic() - self._ending_since

    def follow(self, response: web.StreamResponse) -> None:
        """Remember a websocket that opens; at the end, make a client leave a connection that goes away."""
        if isinstance(response, web.WebSocketResponse):
            self._websockets.add(response)
        elif self.is_ending:
            response.force_close()
            response.headers[hdrs.CONNECTION] = "close"

    async def end(self) -> None:
        """From now on the application is not in service; open websockets are closed as "going away"."""
        self.is_ending = True
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


LIFE = web.AppKey("LIFE", ShutdownState)


def setup(app: web.Application) -> None:
    """Make *app* end well, whatever runs it."""
    life = app[LIFE] = ShutdownState()

    async def before_headers(_: web.Request, response: web.StreamResponse) -> None:
        life.follow(response)

    async def on_shutdown(_: web.Application) -> None:
        await life.end()

    app.on_response_prepare.append(before_headers)
    app.on_shutdown.append(on_shutdown)
