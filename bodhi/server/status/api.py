"""``/ping``, ``/health`` and ``/bodhi/v1/info``: liveness, readiness and version."""

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

_UNUSED_DIGEST = bytes(32)  # of no session id


class Pong(msgspec.Struct):
    """The answer to a ping."""

    message: str = "pong"


log = logging.getLogger(__name__)


async def ping(request: web.Request) -> web.Response:
    """Answer 200 while the process runs, independent of databases and provider."""
    return json_response(Pong())


async def health(request: web.Request) -> web.Response:
    """Answer 200 if requests can be served, 503 if the session database fails or the server is shutting down."""
    if request.app[SHUTDOWN].is_draining:
        return error_response(ShuttingDown)
    try:
        await request.app[SESSIONS].get_session_store().load(_UNUSED_DIGEST)
    except BodhiError as error:
        request.app[SESSIONS].note_unavailable(error)
        raise SessionUnavailableResponse from error
    return json_response(Pong())


class Info(msgspec.Struct):
    """The server's version and status: ``setup``, ``resource-admin`` or ``ready``."""

    version: str
    commit_sha: str
    status: str


async def info(request: web.Request) -> web.Response:
    """Answer 200 with version, commit, and the status of the registration at the identity provider."""
    status = await request.app[INSTANCES].status()
    return json_response(Info(bodhi.__version__, request.app[COMMIT_SHA], str(status)))


OPERATIONS = (
    Operation("GET", "/ping", ping, PUBLIC, "Check liveness", responses={200: Pong}),
    Operation(
        "GET",
        "/health",
        health,
        PUBLIC,
        "Check readiness",
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
