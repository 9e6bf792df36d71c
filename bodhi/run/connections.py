"""Limits on connections: how many are open, how they are accepted, how long a request may take to arrive.

asyncio's own server takes the listen backlog for the number of accepts in one turn of the loop, and logs a traceback
for each of them that finds no free file descriptor. aiohttp waits an hour for the rest of a request. Together that
lets a few clients that send half requests occupy a process.
"""

import asyncio
import heapq
import logging
import resource
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aiohttp import StreamReader, web
from aiohttp.web_protocol import RequestHandler

from bodhi.logs import LogLimit
from bodhi.settings import BODHI_MAX_CONNECTIONS, BODHI_REQUEST_BODY_TIMEOUT, BODHI_REQUEST_HEAD_TIMEOUT, Settings

BACKLOG = 1024  # connections that wait to be accepted; the system may allow fewer
ACCEPTS_PER_TURN = 16  # of the event loop, so that requests under way go on meanwhile
RETRY_SECONDS = 0.02  # until connections are accepted again after there was no room
RESERVED_FILES = 256  # what else a process has open: databases, the log, connections to the provider

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """Connection limits of a process; the defaults are those of the settings."""

    connections: int = 8_192
    """Open connections at a time."""
    head_seconds: float = 20.0
    """From the opening of a connection, or the first byte of a further request, to the end of the request's head."""
    body_seconds: float = 60.0
    """From the end of the head to the end of the body."""

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """Return the limits in *settings*, reduced to what the limit of open files allows."""
        return cls(
            connections=raise_file_limit(settings.max_connections, RESERVED_FILES + 2 * settings.db_pool_size),
            head_seconds=settings.request_head_timeout_seconds,
            body_seconds=settings.request_body_timeout_seconds,
        )


DEFAULT_LIMITS = Limits()


def raise_file_limit(connections: int, reserved: int) -> int:
    """Raise the soft limit of open files and return how many of *connections* fit beside *reserved* files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + reserved
    if soft != resource.RLIM_INFINITY and soft < needed:
        target = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with suppress(ValueError, OSError):  # some systems allow less than their hard limit
            resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return connections
    possible = max(soft - reserved, soft // 2)
    log.info("at most %d connections (%s): open files are limited to %d", possible, BODHI_MAX_CONNECTIONS, soft)
    return possible


class BoundedServer(web.Server):
    """A server that closes connections with overdue requests, and idle ones to accept others."""

    def __init__(self, made: web.Server, limits: Limits) -> None:
        """Wrap *made*, the server that aiohttp created."""
        super().__init__(
            made.request_handler,
            request_factory=self._begin_request,
            handler_cancellation=made.handler_cancellation,
            **made._kwargs,
        )
        self.limits = limits
        self.open = 0
        self._make = made.request_factory
        self._no_room = LogLimit()
        self._late = LogLimit()

    def __call__(self) -> "BoundedConnection":
        return BoundedConnection(self, loop=self._loop, **self._kwargs)

    def _begin_request(self, message: Any, payload: StreamReader, protocol: Any, *others: Any) -> web.BaseRequest:
        protocol.head_arrived(payload)
        return self._make(message, payload, protocol, *others)

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Count the connection."""
        self.open += 1
        super().connection_made(handler, transport)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        """Stop counting the connection: its socket is closed, although its handler may still run."""
        self.open -= 1
        super().connection_lost(handler, exc)

    def has_room(self, opening: int) -> bool:
        """Return whether a connection may be accepted beside *opening* others; if not, make room."""
        if self.open + opening < self.limits.connections:
            return True
        self.make_room(f"{self.limits.connections} connections are open ({BODHI_MAX_CONNECTIONS})")
        return False

    def make_room(self, cause: str) -> None:
        """Close a sixteenth of the connections: first idle ones, then those with incomplete requests.

        A connection with a complete request is never closed. Closing several at once amortizes the search.
        """
        ranked = [(connection.rank, number, connection) for number, connection in enumerate(self._bounded())]
        idle = [entry for entry in ranked if entry[0] is not None]
        chosen = heapq.nsmallest(max(1, self.limits.connections // 16), idle)
        for _, _, connection in chosen:
            connection.cut()
        if (closed := self._no_room.count(len(chosen))) is not None:
            log.warning("%s: closed %d without a complete request to accept others", cause, closed)

    def note_late(self) -> None:
        """Count a connection closed because its request did not arrive in time."""
        if (closed := self._late.count()) is not None:
            settings = f"{BODHI_REQUEST_HEAD_TIMEOUT}, {BODHI_REQUEST_BODY_TIMEOUT}"
            log.info("closed %d connections whose request did not arrive in time (%s)", closed, settings)

    def close_idle(self, *, keeps_expected: bool = False) -> None:
        """Close connections without a request; with *keeps_expected* not those whose request may be on its way."""
        for connection in self._bounded():
            if connection.is_idle and not (keeps_expected and connection.is_expected):
                connection.force_close()  # close() alone would leave its transport open

    def _bounded(self) -> "list[BoundedConnection]":
        return [connection for connection in self.connections if isinstance(connection, BoundedConnection)]


class BoundedConnection(RequestHandler):
    """A connection with time limits on the arrival of requests."""

    __slots__ = ("_arrival", "_arrives_by", "_server")

    def __init__(self, server: BoundedServer, **options: Any) -> None:
        super().__init__(server, **options)
        self._server = server
        self._arrival: asyncio.TimerHandle | None = None
        self._arrives_by = 0.0

    @property
    def is_idle(self) -> bool:
        """Whether no request is being handled; a part of its head may have arrived."""
        return self._waiter is not None and not self._waiter.done()

    @property
    def is_expected(self) -> bool:
        """Whether a request is to arrive: of a connection that is new, or the rest of one."""
        return self._arrival is not None

    @property
    def rank(self) -> float | None:
        """The lower, the sooner it has to go where others need room; None: it must not."""
        if self.transport is None:
            return None
        if self._arrival is not None:
            return self._arrives_by
        # What it was answered may still be on its way to it.
        return 0.0 if self.is_idle and not self.transport.get_write_buffer_size() else None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the time limit of the first request."""
        super().connection_made(transport)
        self._expect(self._server.limits.head_seconds)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop the time limit."""
        self._has_arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Start the time limit of a later request that arrives in parts."""
        super().data_received(data)
        if self._arrival is None and data and self.is_idle:
            self._expect(self._server.limits.head_seconds)

    def head_arrived(self, body: StreamReader) -> None:
        """Start the time limit of the body, if there is one."""
        if self._arrival is not None:
            self._has_arrived()
        if not body.is_eof():
            self._expect(self._server.limits.body_seconds)
            body.on_eof(self._has_arrived)

    def cut(self) -> None:
        """Close the connection at once, discarding unsent and unread data."""
        if self.transport is not None:
            self.transport.abort()
        self.force_close()

    def _expect(self, seconds: float) -> None:
        self._arrives_by = self._loop.time() + seconds
        self._arrival = self._loop.call_at(self._arrives_by, self._is_late)

    def _has_arrived(self) -> None:
        if self._arrival is not None:
            self._arrival.cancel()
            self._arrival = None

    def _is_late(self) -> None:
        self._arrival = None
        self._server.note_late()
        self.cut()


class BoundedRunner(web.AppRunner):
    """Runs an application on a :class:`BoundedServer`."""

    def __init__(self, app: web.Application, limits: Limits, **options: Any) -> None:
        super().__init__(app, **options)
        self.limits = limits

    def bound(self, made: web.Server) -> BoundedServer:
        """Return the server to use in place of aiohttp's."""
        return BoundedServer(made, self.limits)

    async def _make_server(self) -> BoundedServer:
        return self.bound(await super()._make_server())


class Site(web.BaseSite):
    """Accepts connections on a bound socket, a few per turn of the event loop, up to the limit."""

    def __init__(self, runner: BoundedRunner, bound: socket.socket) -> None:
        super().__init__(runner)
        assert isinstance(runner.server, BoundedServer)
        self._bounded = runner.server
        self._socket = bound
        self._loop = asyncio.get_running_loop()
        self._opening: set[asyncio.Task[None]] = set()
        self._retry: asyncio.TimerHandle | None = None

    @property
    def name(self) -> str:
        """The URL of the site."""
        host, port = self._socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def start(self) -> None:
        """Listen and accept; raise :exc:`OSError` if another server listens on the port."""
        await super().start()
        self._socket.listen(BACKLOG)
        self._resume()

    async def stop(self) -> None:
        """Close the socket after all connections that wait for it are open: closing resets those that still wait."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._accept_some(BACKLOG)
            self._socket.close()
        if self._retry is not None:
            self._retry.cancel()
        await asyncio.gather(*self._opening)
        await super().stop()

    def _accept(self) -> None:
        self._accept_some(ACCEPTS_PER_TURN)

    def _accept_some(self, most: int) -> None:
        """Accept connections, at most so many, as far as some wait and there is room."""
        for _ in range(most):
            if not self._bounded.has_room(len(self._opening)):
                self._pause()
                return
            try:
                accepted, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:  # such as no free file descriptor
                self._bounded.make_room(f"a connection cannot be accepted: {error.strerror}")
                self._pause()
                return
            accepted.setblocking(False)
            opening = self._loop.create_task(self._open(accepted))
            self._opening.add(opening)
            opening.add_done_callback(self._opening.discard)

    async def _open(self, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._bounded, accepted)
        except OSError:  # the client is gone already
            accepted.close()

    def _pause(self) -> None:
        self._loop.remove_reader(self._socket)
        self._retry = self._loop.call_later(RETRY_SECONDS, self._resume)

    def _resume(self) -> None:
        self._retry = None
        self._loop.add_reader(self._socket, self._accept)
