"""A node of the version of bodhi that runs this, with routes that count in sessions: ``python node.py serve``."""

import importlib
import os
import stat
import sys
import threading
from types import ModuleType
from typing import Any

import aiohttp_session
from aiohttp import web

from bodhi.__main__ import main

PREFIX = "counter:"


async def add(request: web.Request) -> web.Response:
    """Count one more under a name; what it comes to."""
    session = await aiohttp_session.get_session(request)
    key = PREFIX + request.match_info["name"]
    session[key] = session.get(key, 0) + 1
    return web.json_response({"value": session[key]})


async def add_atomically(request: web.Request) -> web.Response:
    """The same, with no other request in between."""
    session: Any = await aiohttp_session.get_session(request)
    key = PREFIX + request.match_info["name"]

    def count(data: dict[str, int], _: int) -> int:
        data[key] = data.get(key, 0) + 1
        return data[key]

    return web.json_response({"value": await session.atomically(count)})


async def remember(request: web.Request) -> web.Response:
    """Let the session end after so many seconds."""
    session = await aiohttp_session.get_session(request)
    session.max_age = int(request.match_info["seconds"])
    return web.json_response({})


async def read(request: web.Request) -> web.Response:
    """All that was counted, and whose session it is; an empty handle where there is no session."""
    session = await aiohttp_session.get_session(request)
    counters = {key.removeprefix(PREFIX): value for key, value in session.items() if key.startswith(PREFIX)}
    return web.json_response(
        {"handle": session.identity or "", "user_id": session.get("user_id"), "counters": counters}
    )


async def rotate(request: web.Request) -> web.Response:
    """Move the session to a new id."""
    session: Any = await aiohttp_session.get_session(request)
    session.rotate()
    return web.json_response({})


async def watch(request: web.Request) -> web.Response:
    """Answer when the session has ended."""
    session: Any = await aiohttp_session.get_session(request)
    await session.revoked()
    return web.json_response({})


def process_module() -> ModuleType:
    """The module that makes the application of a process: it is named otherwise in 0.1.0."""
    try:
        return importlib.import_module("bodhi.run.process")
    except ModuleNotFoundError:
        return importlib.import_module("bodhi.server.process")


def add_routes() -> None:
    """Let the server have the routes above, too."""
    module: Any = process_module()
    create_app = module.create_app

    def create_app_with_counters(settings: object) -> web.Application:
        app: web.Application = create_app(settings)
        app.add_routes(
            [
                web.post("/counters/{name}", add),
                web.post("/atomic-counters/{name}", add_atomically),
                web.post("/remember/{seconds}", remember),
                web.get("/counters", read),
                web.post("/rotate", rotate),
                web.get("/watch", watch),
            ]
        )
        return app

    module.create_app = create_app_with_counters


def end_with_input() -> None:
    """End this process when its input ends, unless it has none: the tests hold it, and may be killed."""
    if not stat.S_ISCHR(os.fstat(sys.stdin.fileno()).st_mode):
        threading.Thread(target=lambda: (sys.stdin.read(), os._exit(1)), daemon=True).start()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        end_with_input()
        add_routes()
    sys.exit(main())
