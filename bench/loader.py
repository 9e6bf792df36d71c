"""A load generator for machines without wrk: ``python -m bench.loader URL COOKIES --connections N --seconds S``.

It prints the same as ``load.lua``. It uses more CPU per request than wrk: above about 20,000 requests per second, it is
the bottleneck rather than the server.
"""

import argparse
import asyncio
import json
from itertools import cycle
from pathlib import Path
from time import perf_counter
from typing import Any, cast
from urllib.parse import urlsplit

from bench.environment import percentile

_END = b"\r\n\r\n"


class _Connection(asyncio.Protocol):
    """Sends the next request after each response."""

    def __init__(self, load: "_Load") -> None:
        self._load = load
        self._received = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.failed += not self._load.is_over

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(_END)
        if not end or len(body) < _content_length(head):
            return
        self._received = b""
        self._load.latencies.append(perf_counter() - self._sent_at)
        self._load.failed += not head.startswith((b"HTTP/1.1 2", b"HTTP/1.0 2"))
        if self._load.is_over:
            self._transport.close()
        else:
            self._send()

    def _send(self) -> None:
        self._sent_at = perf_counter()
        self._transport.write(next(self._load.requests))


class _Load:
    def __init__(self, requests: list[bytes]) -> None:
        self.requests = cycle(requests)
        self.latencies: list[float] = []
        self.failed = 0
        self.is_over = False


async def run(url: str, headers: list[str], always: list[str], connections: int, seconds: float) -> dict[str, Any]:
    """Request *url* on *connections* as fast as possible; return requests, seconds, failures and latencies."""
    target = urlsplit(url)
    begin = f"GET {target.path} HTTP/1.1\r\nHost: {target.netloc}\r\n"
    begin += "".join(f"{line}\r\n" for line in always)
    load = _Load([f"{begin}{line}\r\n\r\n".encode() for line in headers] or [f"{begin}\r\n".encode()])
    loop = asyncio.get_running_loop()
    started = perf_counter()
    for _ in range(connections):
        await loop.create_connection(lambda: _Connection(load), target.hostname or "127.0.0.1", target.port or 80)
    await asyncio.sleep(seconds)
    load.is_over = True
    taken = perf_counter() - started
    times = load.latencies or [0.0]
    return {
        "requests": len(load.latencies),
        "seconds": taken,
        "failed": load.failed,
        "p50_ms": percentile(times, 0.5) * 1000,
        "p99_ms": percentile(times, 0.99) * 1000,
    }


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def main() -> None:
    """Read the command line, generate the load, print the result."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("headers", type=Path)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--header", action="append", default=[], help="a header of every request")
    options = parser.parse_args()
    headers = options.headers.read_text().splitlines()
    done = asyncio.run(run(options.url, headers, options.header, options.connections, options.seconds))
    print(json.dumps(done))


if __name__ == "__main__":
    main()
