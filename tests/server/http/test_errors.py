import io
import json

import aiohttp_session
import pytest
from aiohttp import ClientPayloadError, web

from bodhi.session import (
    CapabilityMissing,
    SessionGone,
    SessionGoneResponse,
    SessionUnavailable,
    SessionUnavailableResponse,
)

SECRET = "hunter2-correct-horse"


def raising(error):
    """Return a handler that raises *error*."""

    async def handler(_):
        raise error

    return handler


def error_of(status, text):
    """Return type and code of the error envelope *text*, and check its members."""
    assert SECRET not in text
    assert "Traceback" not in text
    body = json.loads(text)
    assert ["error"] == list(body)
    assert {"message", "type", "code"} == set(body["error"])
    return status, body["error"]["type"], body["error"]["code"]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (web.HTTPBadRequest(text=SECRET), (400, "invalid_request_error", "route_error-bad_request")),
        (web.HTTPUnauthorized(reason=SECRET), (401, "authentication_error", "route_error-unauthorized")),
        (web.HTTPForbidden(text=SECRET), (403, "forbidden_error", "route_error-forbidden")),
        (web.HTTPNotFound(text=SECRET), (404, "not_found_error", "route_error-not_found")),
        (web.HTTPConflict(), (409, "conflict_error", "route_error-conflict")),
        (web.HTTPUnprocessableEntity(), (422, "unprocessable_entity_error", "route_error-unprocessable_content")),
        (web.HTTPFailedDependency(), (424, "invalid_request_error", "route_error-status_424")),
        (web.HTTPBadGateway(text=SECRET), (502, "internal_server_error", "server_error-bad_gateway")),
        (web.HTTPInsufficientStorage(), (507, "internal_server_error", "server_error-status_507")),
        (web.HTTPServiceUnavailable(text=SECRET), (503, "service_unavailable", "server_error-unavailable")),
        (SessionUnavailableResponse(), (503, "service_unavailable", "auth_error-session_store")),
        (SessionUnavailable(SECRET), (503, "service_unavailable", "auth_error-session_store")),
        (SessionGoneResponse(), (401, "authentication_error", "auth_error-session_gone")),
        (SessionGone(SECRET), (401, "authentication_error", "auth_error-session_gone")),
        (CapabilityMissing(SECRET), (501, "internal_server_error", "server_error-not_implemented")),
        (TimeoutError(SECRET), (500, "internal_server_error", "server_error-internal")),
        (ZeroDivisionError(SECRET), (500, "internal_server_error", "server_error-internal")),
    ],
    ids=repr,
)
async def test_every_error_has_the_envelope(aiohttp_client, make_app, error, expected):
    """Whatever is raised, its own text stays here."""
    client = await aiohttp_client(make_app(web.get("/try", raising(error))))

    response = await client.get("/try")

    assert expected == error_of(response.status, await response.text())
    assert "application/json" == response.content_type
    assert SECRET not in response.reason


async def test_unknown_address_is_404(aiohttp_client, make_app):
    """With the envelope, and nothing of the address in it."""
    client = await aiohttp_client(make_app())

    response = await client.get(f"/bodhi/v1/{SECRET}?code={SECRET}")

    expected = (404, "not_found_error", "route_error-not_found")
    assert expected == error_of(response.status, await response.text())


async def test_wrong_method_is_405_with_those_allowed(aiohttp_client, make_app):
    """The Allow header stays."""
    client = await aiohttp_client(make_app())

    response = await client.post("/ping")

    expected = (405, "invalid_request_error", "route_error-method_not_allowed")
    assert expected == error_of(response.status, await response.text())
    assert "GET,HEAD" == response.headers["Allow"]


async def test_large_body_is_413(aiohttp_client, make_app):
    """As soon as a handler reads it."""

    async def read(request):
        return web.json_response(len(await request.read()))

    client = await aiohttp_client(make_app(web.post("/try", read)))

    response = await client.post("/try", data=io.BytesIO(bytes(1024**2 + 1)))

    expected = (413, "invalid_request_error", "route_error-content_too_large")
    assert expected == error_of(response.status, await response.text())


@pytest.mark.parametrize("error", [SessionUnavailable(), SessionUnavailableResponse()], ids=repr)
async def test_outage_response_has_retry_after(aiohttp_client, make_app, error):
    """Retry-After stays, or comes."""
    client = await aiohttp_client(make_app(web.get("/try", raising(error))))

    assert "5" == (await client.get("/try")).headers["Retry-After"]


async def test_headers_and_cookies_of_an_error_stay(aiohttp_client, make_app):
    """Only the body is another one."""

    async def handler(_):
        answer = web.HTTPTooManyRequests(headers={"Retry-After": "7", "X-Own": "1"})
        answer.set_cookie("own", "1")
        raise answer

    client = await aiohttp_client(make_app(web.get("/try", handler)))

    response = await client.get("/try")

    assert ("7", "1", "1") == (
        response.headers["Retry-After"],
        response.headers["X-Own"],
        response.cookies["own"].value,
    )
    assert "route_error-too_many_requests" == (await response.json())["error"]["code"]


async def test_redirect_response_is_unchanged(aiohttp_client, make_app):
    """It is no error."""
    client = await aiohttp_client(make_app(web.get("/try", raising(web.HTTPSeeOther("/ping")))))

    response = await client.get("/try", allow_redirects=False)

    assert (303, "/ping", "303: See Other") == (response.status, response.headers["Location"], await response.text())


async def test_error_with_a_json_body_is_unchanged(aiohttp_client, make_app):
    """A handler that says more than the status does."""
    words = {"error": {"message": "m", "type": "conflict_error", "code": "own-code"}}
    error = web.HTTPConflict(text=json.dumps(words), content_type="application/json")
    client = await aiohttp_client(make_app(web.get("/try", raising(error))))

    assert words == await (await client.get("/try")).json()


async def test_error_response_saves_session_changes(aiohttp_client, make_app):
    """An answer such as 409 is no crash."""

    async def handler(request):
        session = await aiohttp_session.get_session(request)
        session["seen"] = session.get("seen", 0) + 1
        raise web.HTTPConflict(headers={"X-Seen": str(session["seen"])})

    client = await aiohttp_client(make_app(web.get("/try", handler)))

    assert ["1", "2"] == [(await client.get("/try")).headers["X-Seen"] for _ in range(2)]


async def test_handler_without_a_response_is_500(aiohttp_client, make_app, caplog):
    """A forgotten return statement has the envelope too, and a line in the log."""

    async def handler(_):
        pass

    client = await aiohttp_client(make_app(web.get("/try", handler)))

    response = await client.get("/try")

    expected = (500, "internal_server_error", "server_error-internal")
    assert expected == error_of(response.status, await response.text())
    assert ["GET /try: the handler returned no response"] == [it.message for it in caplog.records if it.levelno > 20]


async def test_failure_is_logged_once_with_its_traceback(aiohttp_client, make_app, caplog):
    """With method and path, without the query."""
    client = await aiohttp_client(make_app(web.get("/fail", raising(ZeroDivisionError("division")))))

    await client.get(f"/fail?code={SECRET}")

    [record] = [it for it in caplog.records if it.levelno > 20]
    assert "GET /fail failed" == record.message
    assert ZeroDivisionError is record.exc_info[0]
    assert SECRET not in caplog.text


@pytest.mark.parametrize("error", [ZeroDivisionError(), web.HTTPConflict(), SessionUnavailable()], ids=repr)
async def test_failure_in_a_stream_cuts_the_connection(aiohttp_client, make_app, error):
    """The client must not take half a stream, or an error written into it, for the whole."""

    async def handler(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"half")
        raise error

    client = await aiohttp_client(make_app(web.get("/try", handler)))

    response = await client.get("/try")

    assert 200 == response.status
    assert b"half" == await response.content.readexactly(4)
    with pytest.raises(ClientPayloadError):
        await response.content.read()
