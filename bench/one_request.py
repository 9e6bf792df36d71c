"""CPU time of one HTTP request in the server process, without sockets or concurrency: to compare changes.

``python -m bench.one_request KIND [--url URL] [--path /write]`` prints CPU microseconds, the minimum of many rounds. On
a busy machine, count instructions instead, which are reproducible::

    for n in 20 420; do valgrind --tool=cachegrind --cachegrind-out-file=/dev/null \
        python -m bench.one_request bodhi --url sqlite:/tmp/one.sqlite --requests $n; done

and divide the difference of the two ``I refs`` by 400. The KIND ``whole`` is the whole application on the database of
the URL, with the headers of a proxy's verify request; compare it with ``verifier`` and ``--path /verify``. Of a read,
``--path /plain`` does not ask for the session, ``/look`` does (``--anonymous``: without cookie), ``/again`` does twice.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from aiohttp import web

from bench.application import start, start_candidate
from bench.verifying import PROXY_HEADERS

ROUNDS, REQUESTS = 15, 500


class MemoryTransport(asyncio.Transport):
    """Stores the server's output, and sets a future when a response arrives."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.written: list[bytes] = []
        self.response_arrived: asyncio.Future[None] | None = None

    def write(self, data: Any) -> None:
        self.writelines([data])

    def writelines(self, list_of_data: Any) -> None:
        self.written.append(b"".join(list_of_data))
        if self.response_arrived is not None and not self.response_arrived.done():
            self.response_arrived.set_result(None)

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        """Do nothing."""

    def pause_reading(self) -> None:
        """Do nothing."""

    def resume_reading(self) -> None:
        """Do nothing."""


class Client:
    """A connection to an application, with its cookie."""

    def __init__(self, runner: web.AppRunner, headers: Iterable[str]) -> None:
        assert runner.server is not None
        self._head = "".join(f"{line}\r\n" for line in ["Host: localhost", *headers]).encode()
        self._transport = MemoryTransport()
        self._protocol = runner.server()
        self._protocol.connection_made(self._transport)
        self._cookie = b""

    async def get(self, path: str) -> None:
        """Send a GET request and wait for its successful response."""
        self._transport.written.clear()
        self._transport.response_arrived = asyncio.get_running_loop().create_future()
        self._protocol.data_received(b"GET %s HTTP/1.1\r\n%s%s\r\n" % (path.encode(), self._head, self._cookie))
        await self._transport.response_arrived
        head = self._transport.written[0].partition(b"\r\n\r\n")[0].split(b"\r\n")
        assert head[0].startswith(b"HTTP/1.1 2"), head
        for line in head:
            name, _, value = line.partition(b": ")
            if name == b"Set-Cookie" and b"_exists=" not in value:  # the marker beside the session's cookie
                self._cookie = b"Cookie: %s\r\n" % value.partition(b";")[0]


async def _client(kind: str, url: str, stack: AsyncExitStack, *, anonymous: bool) -> Client:
    """Return a client with a session, unless it is *anonymous*, in an application that runs until *stack* closes."""
    if kind == "whole":
        return await _client_of_the_whole(url, stack)
    client = Client(await start_candidate(kind, url, stack), _proxy_headers() if kind == "verifier" else ())
    if kind != "none" and not anonymous:
        await client.get("/seed?number=1")
    return client


async def _client_of_the_whole(url: str, stack: AsyncExitStack) -> Client:
    from bench.whole_application import create_application, seed

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    app = create_application(folder, url, behind_proxy=True)
    runner = await start(app, stack)
    await seed(app, folder, callers=1)
    return Client(runner, [*_proxy_headers(), (folder / "session.headers").read_text().strip()])


def _proxy_headers() -> list[str]:
    return [f"{name}: {value}" for name, value in PROXY_HEADERS.items()]


async def measure(kind: str, url: str, path: str, requests: int, *, anonymous: bool = False) -> float:
    """Return CPU microseconds per request: of exactly *requests*, or (0) the minimum of many rounds."""
    async with AsyncExitStack() as stack:
        client = await _client(kind, url, stack, anonymous=anonymous)
        minimum = float("inf")
        for _ in range(1 if requests else ROUNDS):
            started = time.process_time()
            for _ in range(requests or REQUESTS):
                await client.get(path)
            minimum = min(minimum, (time.process_time() - started) / (requests or REQUESTS) * 1e6)
        return minimum


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind")
    parser.add_argument("--url", default="")
    parser.add_argument("--path", default="/read")
    parser.add_argument("--requests", type=int, default=0, help="send exactly this number, for instruction counts")
    parser.add_argument("--anonymous", action="store_true", help="send no cookie")
    options = parser.parse_args()
    measured = measure(options.kind, options.url, options.path, options.requests, anonymous=options.anonymous)
    print(f"{asyncio.run(measured):.1f} µs of CPU")


if __name__ == "__main__":
    main()
