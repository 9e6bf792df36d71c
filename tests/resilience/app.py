"""A small application with sessions, run as a process or in the test process.

As a process: ``python app.py '{"url": ..., "limit_seconds": ...}'``; it prints its port when it is ready and ends in
order on SIGTERM, or when its standard input ends, as it does when the tests are gone.
"""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator

import aiohttp_session
from aiohttp import web

from bodhi.database import CannotOpen
from bodhi.session import SESSIONS, DefaultSessionService, setup

KEY = "a key for tests, of at least thirty-two characters"
LOADED, GO_ON = web.AppKey("loaded", asyncio.Event), web.AppKey("go_on", asyncio.Event)
ATTEMPTS = 30  # to open a database within a short limit


async def plain(request: web.Request) -> web.Response:
    """Respond without a session."""
    return web.json_response({})


async def read(request: web.Request) -> web.Response:
    """Return the session's data."""
    session = await aiohttp_session.get_session(request)
    return web.json_response(dict(session))


async def write(request: web.Request) -> web.Response:
    """Set a key of the session to a number, and pad the session to the requested size."""
    session = await aiohttp_session.get_session(request)
    session[request.match_info["key"]] = int(request.query["value"])
    if "bytes" in request.query:
        session["padding"] = "x" * int(request.query["bytes"])
    return web.json_response({})


async def login(request: web.Request) -> web.Response:
    """Set the session's user, which rotates it."""
    session = await aiohttp_session.get_session(request)
    session["user_id"] = request.query["user"]
    return web.json_response({})


async def logout(request: web.Request) -> web.Response:
    """End the session."""
    session = await aiohttp_session.get_session(request)
    session.invalidate()
    return web.json_response({})


async def end(request: web.Request) -> web.Response:
    """End all sessions of a user, by a call of the service."""
    ended = await request.config_dict[SESSIONS].clear_sessions_for_user(request.query["user"])
    return web.json_response(ended)


async def slow(request: web.Request) -> web.Response:
    """Wait between loading and saving the session, until another request lets it go on."""
    session = await aiohttp_session.get_session(request)
    request.config_dict[LOADED].set()
    await request.config_dict[GO_ON].wait()
    session["slow"] = 1
    return web.json_response({})


async def loaded(request: web.Request) -> web.Response:
    """Return once a slow request has loaded its session."""
    await request.config_dict[LOADED].wait()
    return web.json_response({})


async def go_on(request: web.Request) -> web.Response:
    """Let all slow requests go on."""
    request.config_dict[GO_ON].set()
    return web.json_response({})


def create_app(service: DefaultSessionService) -> web.Application:
    """Return an application that opens and closes *service*."""
    app = web.Application()
    setup(app, service)
    app[LOADED], app[GO_ON] = asyncio.Event(), asyncio.Event()
    app.add_routes(
        [
            web.get("/plain", plain),
            web.get("/read", read),
            web.post("/write/{key}", write),
            web.post("/login", login),
            web.post("/logout", logout),
            web.post("/end", end),
            web.post("/slow", slow),
            web.post("/loaded", loaded),
            web.post("/go_on", go_on),
        ]
    )

    async def opened(_: web.Application) -> AsyncIterator[None]:
        async with service:
            yield

    app.cleanup_ctx.append(opened)
    return app


async def started(url: str, **options: object) -> web.AppRunner:
    """The application with an open database; on a busy machine that may take longer than the limit under test."""
    for attempt in range(ATTEMPTS):
        service = DefaultSessionService.from_url(url, keys=[KEY], **options)
        runner = web.AppRunner(create_app(service), shutdown_timeout=2)
        try:
            await runner.setup()
        except CannotOpen:
            await runner.cleanup()
            if attempt == ATTEMPTS - 1:
                raise
        else:
            return runner
    raise AssertionError("the last attempt returns or raises")


async def main(options: dict[str, object]) -> None:
    """Serve until stopped."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    loop.add_reader(sys.stdin, stopping.set)
    runner = await started(str(options.pop("url")), **options)
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        sys.stdout.write(f"{runner.addresses[0][1]}\n")
        sys.stdout.flush()
        await stopping.wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
