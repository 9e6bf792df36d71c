"""A TCP proxy that simulates network and server failures."""

import asyncio
import socket
import struct
from contextlib import suppress
from types import TracebackType
from typing import Literal, Self
from urllib.parse import urlsplit

from support.ports import free_port

Mode = Literal["forward", "drop", "hang", "reset"]


class TcpProxy:
    """Forwards connections to *host* and *port*, depending on :attr:`mode`.

    - ``forward``: passes everything on.
    - ``drop``: refuses new connections and closes those that are open, like a server that stopped.
    - ``hang``: takes connections and bytes and passes nothing on, like a lost route or a frozen server.
    - ``reset``: answers new connections, and those that are open, with RST, like a firewall.

    The mode is switched in the event loop that entered the proxy; what is open changes at once.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._mode: Mode = "forward"
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._connections: dict[asyncio.Task[None], list[socket.socket]] = {}
        self.port = free_port()
        self.accepted_count = 0

    @classmethod
    def to(cls, url: str) -> Self:
        """Return a proxy to the server of *url*."""
        server = urlsplit(url)
        return cls(server.hostname or "127.0.0.1", server.port or 5432)

    def url_for(self, url: str) -> str:
        """Return *url* with the proxy's host and port."""
        server = urlsplit(url)
        credentials, at, _ = server.netloc.rpartition("@")
        return server._replace(netloc=f"{credentials}{at}127.0.0.1:{self.port}").geturl()

    @property
    def mode(self) -> Mode:
        """The current treatment of connections and bytes."""
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        if mode == self._mode:
            return
        leaving, self._mode = self._mode, mode
        # Connections that lost bytes while hanging cannot continue.
        if mode in ("drop", "reset") or leaving == "hang":
            self._end_connections(reset=mode == "reset")
        if mode == "drop":
            self._stop_listening()
        elif leaving == "drop":
            self._listen()

    async def __aenter__(self) -> Self:
        self._listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop_listening()
        await asyncio.gather(*self._end_connections(reset=False), return_exceptions=True)

    def _listen(self) -> None:
        self._listener = socket.socket()
        # The port has connections of its past in TIME_WAIT when the proxy takes it again.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.setblocking(False)
        self._listener.bind(("127.0.0.1", self.port))
        self._listener.listen(512)
        self._accepting = asyncio.get_running_loop().create_task(self._accept(self._listener))

    def _stop_listening(self) -> None:
        if self._listener is not None and self._accepting is not None:
            self._accepting.cancel()
            # Now, not when the task ends: by then this file descriptor may belong to another socket.
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = self._accepting = None

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            client, _ = await loop.sock_accept(listener)
            self.accepted_count += 1
            if self._mode == "reset":
                _reset_on_close(client)
                client.close()
                continue
            sockets = [client]
            task = loop.create_task(self._serve(client, sockets))
            self._connections[task] = sockets
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        for one in self._connections.pop(task):  # a task that was cancelled before it began has closed nothing
            one.close()

    async def _serve(self, client: socket.socket, sockets: list[socket.socket]) -> None:
        """Forward a connection in both directions until either side closes it; register its *sockets*."""
        loop = asyncio.get_running_loop()
        server = socket.socket()
        sockets.append(server)
        for one in sockets:
            one.setblocking(False)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with suppress(OSError):
                if self._mode == "hang":
                    await self._carry(client, server)
                await loop.sock_connect(server, self._target)
                there = loop.create_task(self._carry(client, server))
                back = loop.create_task(self._carry(server, client))
                try:
                    await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    there.cancel()
                    back.cancel()
                    await asyncio.gather(there, back, return_exceptions=True)
        finally:
            for one in sockets:
                one.close()

    async def _carry(self, source: socket.socket, target: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(source, 65_536):
            if self._mode != "hang":
                await loop.sock_sendall(target, data)

    def _end_connections(self, *, reset: bool) -> list[asyncio.Task[None]]:
        """Cancel the tasks of open connections, which close their sockets."""
        ending = list(self._connections.items())
        for task, sockets in ending:
            if reset:
                for one in sockets:
                    _reset_on_close(one)
            task.cancel()
        return [task for task, _ in ending]


def _reset_on_close(connection: socket.socket) -> None:
    """Set linger to 0 seconds, so that closing sends RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
