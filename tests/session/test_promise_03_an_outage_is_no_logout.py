"""Promise 3: while the database does not answer there are 503s, and afterwards the same cookies work.

What real outages do is shown elsewhere; here the store fails at each of its calls in turn.
"""

import asyncio
import logging

import aiohttp_session
import pytest
from aiohttp import ClientError, ServerDisconnectedError, web

from bodhi.session import SESSIONS, DefaultSessionService, SessionUnavailable, get_session
from session.conftest import SETTINGS
from session.pages import cookie_of, sent


async def _begun(client):
    return cookie_of(await client.post("/set", json={"a": 1}))


def _assert_is_outage(response):
    assert (503, None) == (response.status, cookie_of(response))
    assert int(response.headers["Retry-After"]) > 0
    assert "no-store" == response.headers["Cache-Control"]


@pytest.mark.parametrize(
    ("method", "verb", "path", "body"),
    [
        ("load", "GET", "/read", None),
        ("save", "POST", "/set", {"b": 2}),
        ("delete", "POST", "/logout", None),
        ("locked", "POST", "/remove/a", None),
        ("locked", "POST", "/login/alice", None),
    ],
)
async def test_a_request_that_needs_the_database_is_answered_503(
    method, verb, path, body, client, service, break_store, monkeypatch
):
    """503 with Retry-After, nothing about the cookie, nothing changed; afterwards the same cookie works."""
    await _begun(client)

    with monkeypatch.context():
        break_store(service, method)
        _assert_is_outage(await client.request(verb, path, json=body))
        assert 1 == service.counters.unavailable
        monkeypatch.undo()

    assert {"a": 1} == await (await client.get("/read")).json()
    assert 200 == (await client.request(verb, path, json=body)).status


async def test_a_new_session_that_cannot_be_stored_is_answered_503(client, service, break_store):
    """No cookie for a session that does not exist."""
    break_store(service, "create")

    _assert_is_outage(await client.post("/set", json={"a": 1}))


async def test_pages_that_need_no_session_go_on(client, service, break_store):
    """An outage of the session database is none of their business."""
    await _begun(client)
    break_store(service, "load", "save", "create", "delete", "locked", "touch")

    response = await client.get("/plain")

    assert (200, "plain") == (response.status, await response.text())
    assert "Vary" not in response.headers


async def test_visitors_without_a_cookie_read_on(client, service, break_store):
    """Whoever has no session needs no database."""
    break_store(service, "load", "save", "create", "delete", "locked", "touch")

    assert 200 == (await client.get("/read")).status


@pytest.mark.parametrize(
    ("method", "call"),
    [
        ("count", lambda service: service.count_sessions()),
        ("clear_user", lambda service: service.clear_sessions_for_user("ann")),
        ("create", lambda service: service.create({"user_id": "ann"})),
    ],
)
@pytest.mark.parametrize("asks", [True, False])
async def test_a_call_of_the_service_in_a_handler_is_answered_503(
    method, call, asks, serve, service, break_store, caplog
):
    """As what the session itself asks for, whether or not the handler asks for that as well."""

    async def administer(request):
        if asks:
            (await get_session(request))["seen"] = True
        await call(request.config_dict[SESSIONS])
        return web.Response()

    client = await serve(service, administer=administer)
    await _begun(client)
    break_store(service, method, error=SessionUnavailable("the disk is full"))

    _assert_is_outage(await client.post("/administer"))
    assert 1 == service.counters.unavailable
    assert "cause: the disk is full" in caplog.text
    assert {"a": 1} == await (await client.get("/read")).json()


async def test_a_stream_that_calls_the_service_in_an_outage_is_cut(serve, service, break_store):
    """Its head is out already, and a second one would be part of its content."""

    async def export(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"line")
        await service.count_sessions()
        return response

    client = await serve(service, export=export)
    break_store(service, "count")

    response = await client.get("/export")
    assert 200 == response.status
    with pytest.raises(ClientError):
        await response.read()


async def test_a_handler_may_catch_the_outage(serve, service, break_store):
    """It is an error of its own type, so that a page can do without its session."""

    async def handler(request):
        try:
            await get_session(request)
        except SessionUnavailable:
            return web.Response(text="without")

    client = await serve(service, tolerant=handler)
    cookie = await _begun(client)
    break_store(service, "load")

    response = await client.get("/tolerant")

    assert (200, "without", None) == (response.status, await response.text(), cookie_of(response))
    assert cookie


async def test_a_touch_that_fails_fails_no_request(client, service, clock, break_store, monkeypatch, raw, caplog):
    """It is tried again later, and extends the session from when it was used."""
    await _begun(client)
    clock.advance(600)

    with monkeypatch.context():
        break_store(service, "touch")
        assert 200 == (await client.get("/read")).status
        assert 0 == await service.flush()
        assert 1 == service.counters.touch_failures
        monkeypatch.undo()
    used_at = clock.now_ms
    clock.advance(600)

    assert 1 == await service.flush()
    assert [used_at] == [row["last_seen_at"] for row in await raw.sessions()]


@pytest.mark.parametrize("error", [SessionUnavailable(), RuntimeError("a bug")], ids=["outage", "bug"])
async def test_touching_goes_on_after_whatever_went_wrong(error, client, service, clock, monkeypatch, raw, break_store):
    """One failure does not end the touching of a process for good: active users would be logged out."""
    monkeypatch.setattr("bodhi.session.touches.GATHER_SECONDS", 0.001)
    monkeypatch.setattr("bodhi.session.touches.RETRY_SECONDS", 0.001)
    store = service.get_session_store()
    touch, failed, done = store.touch, asyncio.Event(), asyncio.Event()

    async def failing_once(touches):
        if not failed.is_set():
            failed.set()
            raise error
        extended = await touch(touches)
        done.set()
        return extended

    monkeypatch.setattr(store, "touch", failing_once)
    await _begun(client)
    clock.advance(600)
    await client.get("/read")
    async with asyncio.timeout(300):
        await failed.wait()
        await client.get("/read")
        await done.wait()

    assert [clock.now_ms] == [row["last_seen_at"] for row in await raw.sessions()]


async def test_closing_gets_through_when_the_last_touches_fail(make_service, serve, clock, break_store):
    """A database that is gone at the end does not keep the program from ending."""
    service = await make_service()
    client = await serve(service)
    await _begun(client)
    clock.advance(600)
    await client.get("/read")
    break_store(service, "touch", error=RuntimeError("gone"))

    await service.close()


async def test_change_lost_to_an_outage_is_logged_and_counted(client, service, break_store, caplog):
    """The handler did its work and the session does not say so: a warning and a counter."""
    await _begun(client)
    break_store(service, "save", "locked")

    with caplog.at_level(logging.WARNING, logger="bodhi.session"):
        _assert_is_outage(await client.post("/set", json={"b": 2}))

    assert 1 == service.counters.unavailable


async def test_a_failing_save_in_an_outer_middleware_is_no_success(serve, service, break_store):
    """A session changed around setup's middleware is saved as the headers go out, too late for a 503: not for a 200."""

    @web.middleware
    async def counting(request, handler):
        response = await handler(request)
        session = await get_session(request)
        session["visits"] = session.get("visits", 0) + 1
        return response

    client = await serve(service, around=[counting])
    await client.get("/plain")
    break_store(service, "save", "locked")

    with pytest.raises(ServerDisconnectedError):
        await client.get("/plain")
    assert 1 == service.counters.lost_changes


async def test_a_page_shown_instead_of_the_503_is_shown(serve, service, break_store):
    """An outer middleware may put a page of its own in the place of the 503; the save is not tried again for it."""

    @web.middleware
    async def friendly(request, handler):
        try:
            return await handler(request)
        except web.HTTPServiceUnavailable:
            return web.Response(text="Come back soon")

    client = await serve(service, around=[friendly])
    await _begun(client)
    break_store(service, "save", "locked")

    response = await client.post("/set", json={"b": 2})

    assert (200, "Come back soon", None) == (response.status, await response.text(), cookie_of(response))
    assert 1 == service.counters.lost_changes


async def test_an_outage_in_the_middle_of_a_stream_is_no_second_response(serve, service, break_store):
    """session.save() in a stream fails as an error of the handler: no 503 is written into the stream."""

    async def handler(request):
        session = await get_session(request)
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(b"begun")
        session["b"] = 2
        await session.save()
        return response

    client = await serve(service, stream=handler)
    await _begun(client)
    break_store(service, "save", "locked")

    response = await client.get("/stream")

    assert 200 == response.status
    received = bytearray()

    async def read():
        async for chunk in response.content.iter_any():
            received.extend(chunk)

    with pytest.raises(ClientError):  # the connection ends, not the stream
        await read()
    assert b"begun" == received


def _outages(caplog):
    return [record.getMessage() for record in caplog.records if "unavailable" in record.message]


async def test_a_service_that_nobody_opened_says_so_once(database_url, serve, caplog):
    """Not as an outage: no database would ever answer."""
    service = DefaultSessionService.from_url(database_url, **SETTINGS)
    client = await serve(service, install=lambda app, service: aiohttp_session.setup(app, service.storage))

    for _ in range(20):
        assert 503 == (await client.get("/read", headers=sent("A" * 43))).status
        assert 503 == (await client.post("/set", json={"a": 1})).status

    [line] = _outages(caplog)
    assert "The database was not opened" in line


async def test_a_service_that_was_closed_says_so(make_service, serve, caplog):
    """The same for one that its owner closed while the application still serves."""
    service = await make_service()
    client = await serve(service)
    await _begun(client)
    await service.close()

    _assert_is_outage(await client.get("/read"))

    [line] = _outages(caplog)
    assert "or it was closed" in line


async def test_the_words_of_any_store_are_logged(client, service, break_store, monkeypatch, caplog):
    """Also those of a store that is not bodhi's own, and of what it raises the error from."""
    await _begun(client)
    outage = SessionUnavailable()
    outage.__cause__ = OSError("no route to the cache")
    break_store(service, "load", error=outage)
    for _ in range(5):
        _assert_is_outage(await client.get("/read"))
    monkeypatch.undo()
    break_store(service, "save", error=SessionUnavailable("the cache is read-only"))
    for _ in range(5):
        _assert_is_outage(await client.post("/set", json={"b": 2}))

    assert ["no route to the cache", "the cache is read-only"] == [
        line.partition("cause: ")[2] for line in _outages(caplog)
    ]
