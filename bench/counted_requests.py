"""Series of requests in one process, without sockets, each between two marks: run it under callgrind.

Run as ``python -m bench.counted_requests KIND [--url URL] [--requests N]``. It prints a line of JSON for each series,
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
from bodhi.session import SqlSessionStore

IN_FLIGHT = (1, 4, 32)
TIMES_SLOWER = 50  # a program under valgrind; its database is not
WARM_UP = 48


async def count(kind: str, url: str, requests: int) -> None:
    """Run reads, and writes if there are sessions, at each number of requests in flight."""
    marks = Marks()
    if kind == "bodhi":
        # A call that waits for company waits as long in terms of what is done meanwhile.
        SqlSessionStore.max_wait_seconds *= TIMES_SLOWER
    async with AsyncExitStack() as stack:
        runner = await start_candidate(kind, url, stack)
        clients = [Client(runner, ()) for _ in range(max(IN_FLIGHT))]
        has_sessions = kind != "none"
        if has_sessions:
            for number, client in enumerate(clients):
                await client.get(f"/seed?number={number}")
        for operation in ("read", "write") if has_sessions else ("read",):
            for in_flight in IN_FLIGHT:
                await send(clients[:in_flight], f"/{operation}", WARM_UP)
                marks.start()
                await send(clients[:in_flight], f"/{operation}", requests)
                marks.stop()
                print(json.dumps({"operation": operation, "in_flight": in_flight, "requests": requests}), flush=True)


async def send(clients: Sequence[Client], path: str, requests: int) -> None:
    """Send *requests* in total; each client sends one at a time."""
    remaining = iter(range(requests))

    async def send_all(client: Client) -> None:
        for _ in remaining:
            await client.get(path)

    await asyncio.gather(*(send_all(client) for client in clients))


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind")
    parser.add_argument("--url", default="")
    parser.add_argument("--requests", type=int, default=160)
    options = parser.parse_args()
    asyncio.run(count(options.kind, options.url, options.requests))


if __name__ == "__main__":
    main()
