"""The time from the revocation of a session to the close of its WebSocket on another process."""

import asyncio
from contextlib import AsyncExitStack, ExitStack
from statistics import median
from time import perf_counter

import aiohttp

from bench import load
from bench.environment import Environment, Figures, Unavailable, log_progress, percentile
from bench.process import running_module

VARIANTS = {
    "postgres": "PostgreSQL, LISTEN",
    "postgres without LISTEN": "PostgreSQL, without LISTEN",
    "sqlite": "SQLite",
}
PAUSE_SECONDS = 0.01  # between two revocations
LIMIT_SECONDS = 30


def measure(environment: Environment, figures: Figures) -> None:
    """Measure the 99th percentile, from the revocation request to the close that the client receives."""
    sockets = 200 if environment.quick else 500
    for variant, title in VARIANTS.items():
        log_progress(f"  revocation, {title}")
        try:
            times = _measured(variant, sockets, environment)
        except Unavailable as error:
            figures.skipped.append(f"revocation, {title}: not measured without {error}")
            continue
        figures.values[f"revocation {variant}"] = p99 = percentile(times, 0.99)
        row = {"database": title, "websockets": sockets, "median s": round(median(times), 3), "p99 s": round(p99, 3)}
        figures.tables.setdefault("From the end of a session to the close of its websocket elsewhere", []).append(
            {**row, "longest s": round(max(times), 3)}
        )


def _measured(variant: str, sockets: int, environment: Environment) -> list[float]:
    name = f"revocation_{variant.replace(' ', '_')}".lower()
    is_sqlite = variant == "sqlite"
    url = f"sqlite:{environment.sqlite_file(name)}" if is_sqlite else environment.postgres_database(name)
    command = ["bench.socket_application", url, "--core", str(environment.server_core)]
    command += ["--no-listen"] if variant.endswith("without LISTEN") else []
    with ExitStack() as stack:
        holder, revoker = (stack.enter_context(running_module(*command)) for _ in range(2))
        cookies = load.seed(holder.port, sockets)
        return asyncio.run(_times(holder.url, revoker.url, cookies))


async def _times(holder_url: str, revoker_url: str, cookies: list[str]) -> list[float]:
    """Revoke the sessions one by one; return the seconds of each."""
    closed_at: dict[str, float] = {}
    revoked_at: dict[str, float] = {}

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
            socket = await stack.enter_async_context(client.ws_connect(f"{holder_url}/socket", headers=headers))
            open_sockets[await socket.receive_str()] = socket
        holding = [asyncio.create_task(hold(socket, handle)) for handle, socket in open_sockets.items()]
        async with asyncio.timeout(len(cookies) * PAUSE_SECONDS * 5 + LIMIT_SECONDS):
            for handle in open_sockets:
                revoked_at[handle] = perf_counter()
                async with client.get(f"{revoker_url}/end", params={"handle": handle}) as response:
                    assert response.status == 200, response.status
                await asyncio.sleep(PAUSE_SECONDS)
            await asyncio.gather(*holding)
    return [closed_at[handle] - revoked for handle, revoked in revoked_at.items()]
