"""``/ping``, ``/health`` and ``/bodhi/v1/info``: whether the server is alive, fit for requests, and which one it is."""

import logging

import msgspec
from aiohttp import web

import bodhi
from bodhi.errors import BodhiError
from bodhi.server.access.errors import DatabaseUnavailable
from bodhi.server.access.instance import INSTANCES
from bodhi.server.http.errors import error_response
from bodhi.server.http.lifecycle import SHUTDOWN
from bodhi.server.http.operations import PUBLIC, Operation
from bodhi.server.http.request_errors import SessionStoreUnavailable, ShuttingDown
from bodhi.server.http.responses import json_response
from bodhi.session import SESSIONS, SessionUnavailableResponse

COMMIT_SHA = web.AppKey("COMMIT_SHA", str)

_NOBODY = bytes(32)  # no session id has this digest


class Pong(msgspec.Struct):
    """The answer to a ping."""

    message: str = "pong"


log = logging.getLogger(__name__)


async def ping(request: web.Request) -> web.Response:
    """200 whenever the process answers at all: it depends on nothing else."""
    return json_response(Pong())


async def health(request: web.Request) -> web.Response:
    """200 when requests can be served; 503 while the session database does not answer, or when the server ends."""
    if request.app[SHUTDOWN].is_draining:
        return error_response(ShuttingDown)
    try:
        await request.app[SESSIONS].get_session_store().load(_NOBODY)
    except BodhiError as error:
        request.app[SESSIONS].note_unavailable(error)
        raise SessionUnavailableResponse from error
    return json_response(Pong())


class Info(msgspec.Struct):
    """Which server this is; ``status`` is ``setup``, ``resource-admin`` or ``ready``."""

    version: str
    commit_sha: str
    status: str


async def info(request: web.Request) -> web.Response:
    """Version, commit and how far the registration at the identity provider has come."""
    status = await request.app[INSTANCES].status()
    return json_response(Info(bodhi.__version__, request.app[COMMIT_SHA], str(status)))


OPERATIONS = (
    Operation("GET", "/ping", ping, PUBLIC, "Whether the process answers", responses={200: Pong}),
    Operation(
        "GET",
        "/health",
        health,
        PUBLIC,
        "Whether requests can be served",
        responses={200: Pong},
        errors=(SessionStoreUnavailable, ShuttingDown),
    ),
    Operation(
        "GET",
        "/bodhi/v1/info",
        info,
        PUBLIC,
        "Version and status",
        responses={200: Info},
        errors=(DatabaseUnavailable,),
    ),
)
