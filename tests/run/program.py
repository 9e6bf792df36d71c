"""``bodhi serve`` with additional routes, run instead of ``python -m bodhi``."""

import asyncio
import os
import signal
import sys
import time

from aiohttp import web

from bodhi import cli
from bodhi.run import process
from bodhi.server import app


async def upload(request: web.Request) -> web.StreamResponse:
    """Return the size of the body; the first line is sent before it is read."""
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"begun\n")
    await response.write_eof(str(len(await request.read())).encode())
    return response


async def forever(request: web.Request) -> web.StreamResponse:
    """A stream that never ends."""
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"begun\n")
    await asyncio.Event().wait()
    return response


async def stuck(request: web.Request) -> web.StreamResponse:
    """A handler that blocks the event loop."""
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"begun\n")
    time.sleep(60)
    return response


async def kill(_: web.Request) -> web.Response:
    """Kill this process."""
    os.kill(os.getpid(), signal.SIGKILL)
    return web.Response()


async def pid(_: web.Request) -> web.Response:
    """Return the process id."""
    return web.Response(text=str(os.getpid()))


def create_app(settings):
    """The application, with these routes too."""
    application = app.create_app(settings)
    routes = [web.get(f"/{handler.__name__}", handler) for handler in (forever, stuck, kill, pid)]
    application.add_routes([*routes, web.post("/upload", upload)])
    return application


process.create_app = create_app  # type: ignore[attr-defined]
sys.exit(cli.main())
