"""How long a websocket stays open after its session was ended on another process."""

import asyncio
from contextlib import AsyncExitStack, ExitStack
from statistics import median
from time import perf_counter

import aiohttp

from bench import load
from bench.process import running_module
from bench.environment import Absent, Figures, Surroundings, percentile, say

WAYS = {
    "postgres": "PostgreSQL, LISTEN",
    "postgres without LISTEN": "PostgreSQL, without LISTEN",
    "sqlite": "SQLite",
}
PAUSE_SECONDS = 0.01  # between two ends
LIMIT_SECONDS = 30


def measure(surroundings: Surroundings, figures: Figures) -> None:
    """Fills in the 99th percentile, from asking for the end to the close that the client sees."""
    sockets = 200 if surroundings.quick else 500
    for way, title in WAYS.items():
        say(f"  revocation, {title}")
        try:
            times = _measured(way, sockets, surroundings)
        except Absent as absent:
            figures.absent.append(f"revocation, {title}: not measured without {absent}")
            continue
        figures.values[f"revocation {way}"] = p99 = percentile(times, 0.99)
        row = {"database": title, "websockets": sockets, "median s": round(median(times), 3), "p99 s": round(p99, 3)}
        figures.tables.setdefault("From the end of a session to the close of its websocket elsewhere", []).append(
            {**row, "longest s": round(max(times), 3)}
        )


def _measured(way: str, sockets: int, surroundings: Surroundings) -> list[float]:
    name = f"revocation_{way.replace(' ', '_')}".lower()
    is_sqlite = way == "sqlite"
    url = f"sqlite:{surroundings.sqlite_file(name)}" if is_sqlite else surroundings.postgres_database(name)
    command = ["bench.socket_application", url, "--core", str(surroundings.server_core)]
    command += ["--no-listen"] if way.endswith("without LISTEN") else []
    with ExitStack() as stack:
        holds, ends = (stack.enter_context(running_module(*command)) for _ in range(2))
        cookies = load.seed(holds.port, sockets)
        return asyncio.run(_times(holds.url, ends.url, cookies))


async def _times(holds: str, ends: str, cookies: list[str]) -> list[float]:
    """Seconds for each session, one ending after the other while all others stay open."""
    closed_at: dict[str, float] = {}
    asked_at: dict[str, float] = {}

    async def hold(socket: aiohttp.ClientWebSocketResponse, handle: str) -> None:
        message = await socket.receive()
        assert message.type is aiohttp.WSMsgType.CLOSE, message
        closed_at[handle] = perf_counter()

    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), connector=aiohttp.TCPConnector(limit=0))
        )
        open_sockets = {}
        for line in cookies:
            headers = {"Cookie": line.removeprefix("Cookie: ")}
            socket = await stack.enter_async_context(client.ws_connect(f"{holds}/socket", headers=headers))
            open_sockets[await socket.receive_str()] = socket
        holding = [asyncio.create_task(hold(socket, handle)) for handle, socket in open_sockets.items()]
        async with asyncio.timeout(len(cookies) * PAUSE_SECONDS * 5 + LIMIT_SECONDS):
            for handle in open_sockets:
                asked_at[handle] = perf_counter()
                async with client.get(f"{ends}/end", params={"handle": handle}) as response:
                    assert response.status == 200, response.status
                await asyncio.sleep(PAUSE_SECONDS)
            await asyncio.gather(*holding)
    return [closed_at[handle] - asked for handle, asked in asked_at.items()]
