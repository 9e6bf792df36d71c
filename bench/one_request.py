"""What one HTTP read or write takes in the server process, without sockets and without a load: for looking at changes.

``python -m bench.one_request KIND [--url URL] [--path /write]`` prints CPU microseconds, the least of many rounds. On a
machine that others use too, count instructions instead, which are the same each time::

    for n in 20 420; do valgrind --tool=cachegrind --cachegrind-out-file=/dev/null \
        python -m bench.one_request bodhi --url sqlite:/tmp/one.sqlite --requests $n; done

and divide the difference of the two ``I refs`` by 400. The KIND ``whole`` is the whole application on the
database of the URL, asked to verify as a proxy does; ``verifier`` with ``--path /verify`` is its peer.
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
from bench.verifying import ASKED

ROUNDS, REQUESTS = 15, 500


class Nowhere(asyncio.Transport):
    """The client's end of a connection: keeps what is written, and says when an answer has come."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.written: list[bytes] = []
        self.answered: asyncio.Future[None] | None = None

    def write(self, data: Any) -> None:
        self.writelines([data])

    def writelines(self, list_of_data: Any) -> None:
        self.written.append(b"".join(list_of_data))
        if self.answered is not None and not self.answered.done():
            self.answered.set_result(None)

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        """Nothing is open."""

    def pause_reading(self) -> None:
        """Nothing more comes by itself."""

    def resume_reading(self) -> None:
        """Nothing was kept back."""


class Client:
    """One connection to an application, and the cookie that it was given."""

    def __init__(self, runner: web.AppRunner, headers: Iterable[str]) -> None:
        assert runner.server is not None
        self._head = "".join(f"{line}\r\n" for line in ["Host: localhost", *headers]).encode()
        self._transport = Nowhere()
        self._protocol = runner.server()
        self._protocol.connection_made(self._transport)
        self._cookie = b""

    async def ask(self, path: str) -> None:
        """The answer to a GET of *path* has come, and it was 200."""
        self._transport.written.clear()
        self._transport.answered = asyncio.get_running_loop().create_future()
        self._protocol.data_received(b"GET %s HTTP/1.1\r\n%s%s\r\n" % (path.encode(), self._head, self._cookie))
        await self._transport.answered
        head = self._transport.written[0].partition(b"\r\n\r\n")[0].split(b"\r\n")
        assert head[0].startswith(b"HTTP/1.1 2"), head
        for line in head:
            name, _, value = line.partition(b": ")
            if name == b"Set-Cookie":
                self._cookie = b"Cookie: %s\r\n" % value.partition(b";")[0]


async def _client(kind: str, url: str, stack: AsyncExitStack) -> Client:
    """Somebody with a session in an application that runs until *stack* closes."""
    if kind == "whole":
        return await _client_of_the_whole(url, stack)
    client = Client(await start_candidate(kind, url, stack), _asked() if kind == "verifier" else ())
    if kind != "none":
        await client.ask("/seed?number=1")
    return client


async def _client_of_the_whole(url: str, stack: AsyncExitStack) -> Client:
    from bench.whole_application import created, seed

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    app = created(folder, url, behind_proxy=True)
    runner = await start(app, stack)
    await seed(app, folder, callers=1)
    return Client(runner, [*_asked(), (folder / "session.headers").read_text().strip()])


def _asked() -> list[str]:
    return [f"{name}: {value}" for name, value in ASKED.items()]


async def measure(kind: str, url: str, path: str, requests: int) -> float:
    """CPU microseconds of one request; with *requests* after exactly so many, without them the least of many rounds."""
    async with AsyncExitStack() as stack:
        client = await _client(kind, url, stack)
        least = float("inf")
        for _ in range(1 if requests else ROUNDS):
            started = time.process_time()
            for _ in range(requests or REQUESTS):
                await client.ask(path)
            least = min(least, (time.process_time() - started) / (requests or REQUESTS) * 1e6)
        return least


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind")
    parser.add_argument("--url", default="")
    parser.add_argument("--path", default="/read")
    parser.add_argument("--requests", type=int, default=0, help="exactly so many, once: for counting")
    options = parser.parse_args()
    print(f"{asyncio.run(measure(options.kind, options.url, options.path, options.requests)):.1f} µs of CPU")


if __name__ == "__main__":
    main()
