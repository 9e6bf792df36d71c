"""Requests in one process, without sockets, each stretch of them between two marks: run this under callgrind.

Run as ``python -m bench.counted_requests KIND [--url URL] [--requests N]``: it prints a line of JSON for each stretch,
in the order of the counts.
"""

import argparse
import asyncio
import json
from collections.abc import Sequence
from contextlib import AsyncExitStack

from bench.application import start_candidate
from bench.callgrind import Marks
from bench.one_request import Client

IN_FLIGHT = (1, 4, 32)
WARM_UP = 48


async def count(kind: str, url: str, requests: int) -> None:
    """Reads, and writes where there are sessions, with so many of them in flight."""
    marks = Marks()
    async with AsyncExitStack() as stack:
        runner = await start_candidate(kind, url, stack)
        clients = [Client(runner, ()) for _ in range(max(IN_FLIGHT))]
        has_sessions = kind != "none"
        if has_sessions:
            for number, client in enumerate(clients):
                await client.ask(f"/seed?number={number}")
        for what in ("read", "write") if has_sessions else ("read",):
            for in_flight in IN_FLIGHT:
                await ask(clients[:in_flight], f"/{what}", WARM_UP)
                marks.start()
                await ask(clients[:in_flight], f"/{what}", requests)
                marks.stop()
                print(json.dumps({"what": what, "in_flight": in_flight, "requests": requests}), flush=True)


async def ask(clients: Sequence[Client], path: str, requests: int) -> None:
    """So many requests in all, of each client one after the other."""
    left = iter(range(requests))

    async def one(client: Client) -> None:
        for _ in left:
            await client.ask(path)

    await asyncio.gather(*(one(client) for client in clients))


def main() -> None:
    """Read the command line and ask."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind")
    parser.add_argument("--url", default="")
    parser.add_argument("--requests", type=int, default=160)
    options = parser.parse_args()
    asyncio.run(count(options.kind, options.url, options.requests))


if __name__ == "__main__":
    main()
