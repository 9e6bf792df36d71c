"""A server process with WebSockets that close with their session; the measurement runs two on one database.

Run as ``python -m bench.socket_application URL [--no-listen] [--core N]``. It prints its port when it is ready, and
exits when its standard input closes. With ``--no-listen`` it has no notifications, as behind PgBouncer.
"""

import argparse
import asyncio
import os
import sys

from aiohttp import WSMsgType, web

from bench.session_data import KEY, session_data
from bodhi.session import SESSIONS, DefaultSessionService, get_session, new_session, setup


async def seed(request: web.Request) -> web.Response:
    """Create a session."""
    (await new_session(request)).update(session_data(int(request.query["number"])))
    return web.Response()


async def socket(request: web.Request) -> web.WebSocketResponse:
    """Send the session's handle, and stay open until the session ends."""
    session = await get_session(request)
    response = web.WebSocketResponse()
    await response.prepare(request)
    async with session.until_revoked(response):
        await response.send_str(session.identity or "")
        async for message in response:
            if message.type is WSMsgType.TEXT:
                await response.send_str(message.data)
    return response


async def end(request: web.Request) -> web.Response:
    """Revoke the session with this handle."""
    assert await request.app[SESSIONS].revoke_session(request.query["handle"])
    return web.Response()


async def serve(url: str, *, listens: bool) -> None:
    """Serve until standard input ends."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
    app = web.Application()
    # Without a statement cache, bodhi assumes PgBouncer and does not listen.
    setup(app, DefaultSessionService.from_url(url, keys=[KEY], statement_cache_size=100 if listens else 0))
    app.router.add_get("/seed", seed)
    app.router.add_get("/socket", socket)
    app.router.add_get("/end", end)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(runner.addresses[0][1], flush=True)
        await ended.wait()
    finally:
        await runner.cleanup()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--no-listen", action="store_true")
    parser.add_argument("--core", type=int)
    options = parser.parse_args()
    if options.core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {options.core})
    asyncio.run(serve(options.url, listens=not options.no_listen))


if __name__ == "__main__":
    main()
