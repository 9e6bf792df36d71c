"""The measured server process: a small aiohttp application with one kind of sessions.

Run as ``python -m bench.application KIND [--url URL] [--core N]``. It prints its port when it is ready, and exits when
its standard input closes. Each kind imports only what it needs, because memory is measured too.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from itertools import chain
from typing import Any

from aiohttp import web

from bench.candidates import FLOORS, PING_FLOOR
from bench.session_data import KEY, session_data

LIMIT_SECONDS = 60.0  # a program under valgrind is about fifty times slower

Setup = Callable[[web.Application], None]


async def _open_sessions(kind: str, url: str, stack: AsyncExitStack) -> Setup:
    """Return a setup function for sessions of this *kind*, which stay open until *stack* closes."""
    if kind == "none":
        return lambda _: None
    return await _KINDS[kind](url, stack)


async def _bodhi(url: str, stack: AsyncExitStack) -> Setup:
    from bodhi.session import DefaultSessionService, setup

    created = DefaultSessionService.from_url(url, keys=[KEY], limit_seconds=LIMIT_SECONDS)
    service = await stack.enter_async_context(created)
    return lambda app: setup(app, service)


async def _cookie(_: str, __: AsyncExitStack) -> Setup:
    from aiohttp_session.cookie_storage import EncryptedCookieStorage
    from cryptography.fernet import Fernet

    return _aiohttp_session(EncryptedCookieStorage(Fernet(Fernet.generate_key())))


async def _redis(url: str, stack: AsyncExitStack) -> Setup:
    from aiohttp_session.redis_storage import RedisStorage
    from redis import asyncio as aioredis

    return _aiohttp_session(RedisStorage(await stack.enter_async_context(aioredis.from_url(url))))


async def _pool(url: str, stack: AsyncExitStack) -> Setup:
    import asyncpg

    from bench.storages import PoolStorage

    pool = await stack.enter_async_context(asyncpg.create_pool(url))
    await pool.execute(PoolStorage.TABLE)
    return _aiohttp_session(PoolStorage(pool))


async def _shared_connection(url: str, stack: AsyncExitStack) -> Setup:
    from bench.storages import SharedConnectionStorage, open_shared_connection

    connection = await open_shared_connection(url)
    stack.push_async_callback(connection.close)
    await connection.execute(SharedConnectionStorage.TABLE)
    return _aiohttp_session(SharedConnectionStorage(connection))


async def _floor(kind: str, url: str, stack: AsyncExitStack) -> Setup:
    from bench.floors import open_floor

    return await open_floor(kind, url, stack)


_FLOORS = (PING_FLOOR, *chain.from_iterable(FLOORS.values()))
_KINDS: dict[str, Callable[[str, AsyncExitStack], Awaitable[Setup]]] = {
    "bodhi": _bodhi,
    "cookie": _cookie,
    "redis": _redis,
    "verifier": _redis,
    "pool": _pool,
    "shared": _shared_connection,
    **{kind: partial(_floor, kind) for kind in _FLOORS},
}


def _aiohttp_session(storage: Any) -> Setup:
    import aiohttp_session

    # aiohttp warns about aiohttp-session's string keys at every request, which would slow the alternatives down.
    aiohttp_session.SESSION_KEY = web.RequestKey("SESSION", object)  # type: ignore[assignment]
    aiohttp_session.STORAGE_KEY = web.RequestKey("STORAGE", object)  # type: ignore[assignment]
    return lambda app: aiohttp_session.setup(app, storage)


def _add_handlers(app: web.Application, kind: str) -> None:
    """Add ``/seed``, ``/read`` and ``/write``; only ``/read`` without sessions; for the verifier, its own.

    A floor adds its own handlers. bodhi has ``/plain``, ``/look`` and ``/again`` as well, which show what a read costs.
    """
    if kind in _FLOORS:
        return
    if kind == "none":
        app.router.add_get("/read", _plain)
        return
    if kind == "verifier":
        from bench.redis_verifier import add_handlers

        add_handlers(app)
        return
    from aiohttp_session import get_session, new_session

    if kind == "bodhi":
        from bodhi.session import get_session  # its own, which takes fewer steps

        _add_parts_of_a_read(app)

    async def seed(request: web.Request) -> web.Response:
        session = await new_session(request)
        session.update(session_data(int(request.query["number"])))
        return web.Response(text="seeded")

    async def read(request: web.Request) -> web.Response:
        session = await get_session(request)
        return web.Response(text=session["user_id"])  # fails, and is counted, if no session was found

    async def write(request: web.Request) -> web.Response:
        session = await get_session(request)
        session["visits"] += 1
        return web.Response(text=session["user_id"])

    app.router.add_get("/seed", seed)
    app.router.add_get("/read", read)
    app.router.add_get("/write", write)


def _add_parts_of_a_read(app: web.Application) -> None:
    from bodhi.session import get_session

    async def look(request: web.Request) -> web.Response:
        return web.Response(text=(await get_session(request)).get("user_id", "user-000000"))

    async def again(request: web.Request) -> web.Response:
        await get_session(request)
        return await look(request)

    app.router.add_get("/plain", _plain)
    app.router.add_get("/look", look)
    app.router.add_get("/again", again)


async def _plain(_: web.Request) -> web.Response:
    return web.Response(text="user-000000")


async def start(app: web.Application, stack: AsyncExitStack) -> web.AppRunner:
    """Start an application; stop it when *stack* closes."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    return runner


async def start_candidate(kind: str, url: str, stack: AsyncExitStack) -> web.AppRunner:
    """Start an application with sessions of this *kind*; stop it when *stack* closes."""
    app = web.Application()
    (await _open_sessions(kind, url, stack))(app)
    _add_handlers(app, kind)
    return await start(app, stack)


async def serve(kind: str, url: str) -> None:
    """Serve until standard input ends."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
    async with AsyncExitStack() as stack:
        runner = await start_candidate(kind, url, stack)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(runner.addresses[0][1], flush=True)
        await ended.wait()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["none", *_KINDS])
    parser.add_argument("--url", default="")
    parser.add_argument("--core", type=int)
    parser.add_argument("--uvloop", action="store_true", help="serve on uvloop's event loop")
    options = parser.parse_args()
    if options.core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {options.core})
    with asyncio.Runner(loop_factory=_uvloop() if options.uvloop else None) as runner:
        runner.run(serve(options.kind, options.url))


def _uvloop() -> Callable[[], asyncio.AbstractEventLoop]:
    import uvloop

    return uvloop.new_event_loop


if __name__ == "__main__":
    main()
