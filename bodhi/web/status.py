"""``/ping``, ``/health`` and ``/bodhi/v1/info``: whether the server is alive, fit for requests, and which one it is."""

import logging
from functools import cache

from aiohttp import web

from bodhi.errors import BodhiError
from bodhi.session import SESSIONS
from bodhi.session.responses import SessionUnavailableResponse
from bodhi.web.errors import envelope
from bodhi.web.life import LIFE

COMMIT_SHA = web.AppKey("COMMIT_SHA", str)

_NOBODY = bytes(32)  # no session id has this digest

log = logging.getLogger(__name__)


async def ping(request: web.Request) -> web.Response:
    """200 whenever the process answers at all: it depends on nothing else."""
    return web.json_response({"message": "pong"})


async def health(request: web.Request) -> web.Response:
    """200 when requests can be served; 503 while the session database does not answer, or when the server ends."""
    if request.app[LIFE].is_ending:
        return envelope(503, "server_error-shutting_down", "The server is shutting down.")
    try:
        await request.app[SESSIONS].get_session_store().load(_NOBODY)
    except BodhiError as error:
        log.warning("not healthy: %s", error.__cause__ or error)
        raise SessionUnavailableResponse from error
    return web.json_response({"message": "pong"})


async def info(request: web.Request) -> web.Response:
    """Version, commit and status; ``setup`` says that no instance is registered yet."""
    return web.json_response({"version": _version(), "commit_sha": request.app[COMMIT_SHA], "status": "setup"})


@cache
def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # here, for it takes a while

    try:
        return version("bodhi")
    except PackageNotFoundError:
        return "unknown"  # a checkout that is not installed
