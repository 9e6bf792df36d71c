import logging

import aiohttp_session
import pytest
from aiohttp import web

import bodhi.server.app  # noqa: F401 - with the errors of every feature
from bodhi import session
from bodhi.database import DatabaseUnavailable
from bodhi.logs import FailureLog
from bodhi.oidc.errors import ProviderUnavailable
from bodhi.server.access.errors import api_errors
from bodhi.server.authentication.guard import guarded
from bodhi.server.http.errors import OUTAGES, error_middleware
from bodhi.server.http.operations import PUBLIC, Operation
from bodhi.session import DefaultSessionService

KEY = "a key for tests, of at least thirty-two characters"
ERRORS = [error for error in api_errors() if error.__module__.startswith("bodhi.")]
BY_CODE = {error.code: error for error in ERRORS}


def behind_guard(handler):
    """Wrap *handler* like a public operation."""
    return guarded(Operation("GET", "/", handler, PUBLIC, "refuses"))


def refusing(refusal, place=lambda handler: handler):
    """Return an application whose only route raises *error*."""

    async def handler(_):
        raise refusal

    app = web.Application(middlewares=[error_middleware])
    app.router.add_get("/", place(handler))
    return app


@pytest.mark.parametrize("place", [lambda handler: handler, behind_guard], ids=["outside", "inside"])
@pytest.mark.parametrize("raised", ERRORS, ids=lambda error: f"{error.code}-{error.status}")
async def test_error_has_the_status_and_message_of_its_class(aiohttp_client, raised, place):
    """Wherever it was raised."""
    client = await aiohttp_client(refusing(raised(), place))

    response = await client.get("/")
    error = (await response.json())["error"]

    expected = (raised.status, raised.code, " ".join(raised.__doc__.split()))
    assert expected == (response.status, error["code"], error["message"])
    assert {"message", "type", "code"} == set(error)
    assert ("5" if raised.status == 503 else None) == response.headers.get("Retry-After")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("json_rejection_error", "invalid_request_error"),
        ("api_auth_error-missing_auth", "authentication_error"),
        ("api_auth_error-forbidden", "forbidden_error"),
        ("entity_error-not_found", "not_found_error"),
        ("access_request_error-already_pending", "conflict_error"),
        ("access_request_error-already_has_access", "unprocessable_entity_error"),
        ("app_instance_error-not_found", "internal_server_error"),
        ("auth_error-app_status_invalid", "invalid_app_state"),
        ("auth_error-idp_unavailable", "service_unavailable"),
    ],
)
async def test_error_type_follows_from_the_status(aiohttp_client, code, expected):
    """Except for a server that is not set up."""
    client = await aiohttp_client(refusing(BY_CODE[code]()))

    assert expected == (await (await client.get("/")).json())["error"]["type"]


async def test_status_and_details_may_be_given(aiohttp_client):
    """As where a role is unknown in a token, which is 401, and in a body, which is 400."""
    client = await aiohttp_client(refusing(BY_CODE["role_error-invalid_role_name"](status=401, role="boss")))

    response = await client.get("/")

    assert (401, {"role": "boss"}) == (response.status, (await response.json())["error"]["param"])
    assert "authentication_error" == (await response.json())["error"]["type"]


@pytest.mark.parametrize(
    ("code", "headers", "expected"),
    [
        ("token_error-invalid_token", {"Authorization": "Bearer x"}, "Bearer"),
        ("token_error-invalid_token", {"Authorization": "bearer x"}, "Bearer"),
        ("token_error-invalid_token", {"Authorization": "Bearer"}, "Bearer"),
        ("auth_error-invalid_token", {"Authorization": "Basic YTpi"}, None),
        ("auth_error-invalid_access", {}, None),
        ("api_auth_error-forbidden", {"Authorization": "Bearer x"}, None),
    ],
)
async def test_www_authenticate_is_sent_for_bearer_requests_only(aiohttp_client, code, headers, expected):
    """A browser is not to ask anybody for a password."""
    client = await aiohttp_client(refusing(BY_CODE[code]()))

    assert expected == (await client.get("/", headers=headers)).headers.get("WWW-Authenticate")


def raised_from(error, cause):
    """Return *error* as ``raise error from cause`` leaves it."""
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("inside", [True, False])
async def test_the_cause_of_an_outage_is_logged_once(inside, aiohttp_client, caplog):
    """In the words of whatever failed, however many requests fail, and whoever raised it from them."""
    database, provider = BY_CODE["auth_error-database_unavailable"], BY_CODE["auth_error-idp_unavailable"]
    errors = [
        DatabaseUnavailable("PostgreSQL: too many connections"),
        raised_from(database(), DatabaseUnavailable("SQLite: database or disk is full")),
        raised_from(provider(), raised_from(ProviderUnavailable(), ConnectionResetError("reset by peer"))),
        raised_from(provider(), ConnectionResetError()),
    ]

    async def handler(request):
        raise errors[int(request.query["error"])]

    app = web.Application(middlewares=[error_middleware])
    log = logging.getLogger("bodhi.test")
    app[OUTAGES] = {database: FailureLog(log, "database gone"), provider: FailureLog(log, "provider gone")}
    app.router.add_get("/", behind_guard(handler) if inside else handler)
    client = await aiohttp_client(app)

    for error in [0, 1, 2, 3] * 10:
        assert 503 == (await client.get("/", params={"error": error})).status

    assert [
        "database gone failures=1 cause: PostgreSQL: too many connections",
        "database gone failures=1 cause: SQLite: database or disk is full",
        "provider gone failures=1 cause: reset by peer",
        "provider gone failures=1 cause: ConnectionResetError",
    ] == [record.getMessage() for record in caplog.records if record.name == "bodhi.test"]


async def test_api_error_saves_session_changes(aiohttp_client, sqlite_url, caplog):
    """What was consumed before it stays consumed, like with any answer; a server error keeps nothing."""
    codes = iter(["login_error-missing_code", "auth_error-idp_unavailable", "login_error-missing_code"])
    seen = []

    async def handler(request):
        visitor = await aiohttp_session.get_session(request)
        seen.append(visitor.get("seen", 0))
        visitor["seen"] = seen[-1] + 1
        raise BY_CODE[next(codes)]

    app = web.Application(middlewares=[error_middleware])
    session.setup(app, DefaultSessionService.from_url(sqlite_url, keys=[KEY]))
    app.router.add_get("/", behind_guard(handler))
    client = await aiohttp_client(app)

    assert [400, 503, 400] == [(await client.get("/")).status for _ in range(3)]
    assert [0, 1, 1] == seen
    assert 1 == caplog.text.count("session change lost")
