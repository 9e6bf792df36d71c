"""Promise 12: whatever the response is, the change is kept, or its loss is said loudly."""

import asyncio
import itertools
import logging
from contextlib import suppress

import pytest
from aiohttp import ClientError, web
from aiohttp_session import new_session

from bodhi.session import SessionDataError, SessionNotSaved, get_session, setup
from session.conftest import DEADLINE_SECONDS
from session.pages import cookie_of, sent


async def _response(request):
    return web.Response(text="done")


async def _json(request):
    return web.json_response({})


async def _not_found(request):
    raise web.HTTPNotFound


async def _redirect(request):
    raise web.HTTPFound("/plain")


async def _see_other(request):
    raise web.HTTPSeeOther("/plain")


async def _no_content(request):
    raise web.HTTPNoContent


async def _stream(request):
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"done")
    await response.write_eof()
    return response


async def _unfinished_stream(request):
    response = web.StreamResponse()
    await response.prepare(request)
    return response


async def _prepared_response(request):
    response = web.Response(text="done")
    await response.prepare(request)
    await response.write_eof()
    return response


async def _file(request):
    return web.FileResponse(__file__)


async def _websocket(request):
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.close()
    return socket


ANSWERS = [
    _response,
    _json,
    _not_found,
    _redirect,
    _see_other,
    _no_content,
    _stream,
    _unfinished_stream,
    _prepared_response,
    _file,
    _websocket,
]


async def _get(client, path, answer, **headers):
    """The response to a request, a websocket's handshake included."""
    if answer is _websocket:
        async with client.ws_connect(path, headers=headers) as socket:
            await socket.receive()
            return socket._response
    async with client.get(path, headers=headers, allow_redirects=False) as response:
        await response.read()
        return response


def _changing(answer, change):
    async def handler(request):
        change(await get_session(request))
        return await answer(request)

    return handler


async def test_a_new_session_is_kept_and_its_cookie_sent(serve, service, subtests):
    """The row is there, and the headers that go out bring its id."""
    for answer in ANSWERS:
        with subtests.test(answer.__name__):
            page = _changing(answer, lambda session: session.update(a=1))
            client = await serve(service, keeps_cookies=False, page=page)

            response = await _get(client, "/page", answer)

            assert {"a": 1} == (await service.load(cookie_of(response))).data
            assert "no-store" == response.headers["Cache-Control"]
            assert "Cookie" == response.headers["Vary"]


async def test_a_change_is_kept_before_the_headers_go_out(serve, service, statements, subtests):
    """With one write; whoever has the response finds the change in the next request."""
    for answer in ANSWERS:
        with subtests.test(answer.__name__):
            client = await serve(service, page=_changing(answer, lambda session: session["cart"].append("pear")))
            cookie = cookie_of(await client.post("/set", json={"cart": ["apple"]}))
            statements.clear()

            response = await _get(client, "/page", answer)

            assert ["load_session", "save_session"] == statements
            assert {"cart": ["apple", "pear"]} == (await service.load(cookie)).data
            assert cookie_of(response) is None


async def test_a_login_reaches_the_browser(serve, service, subtests):
    """A rotation gives out its new id, whatever the response is."""
    for answer in ANSWERS:
        with subtests.test(answer.__name__):
            client = await serve(service, page=_changing(answer, lambda session: session.update(user_id="alice")))
            before = cookie_of(await client.post("/set", json={"cart": 1}))

            after = cookie_of(await _get(client, "/page", answer))

            assert {"cart": 1, "user_id": "alice"} == (await service.load(after)).data
            assert await service.load(before) is None


async def test_a_logout_reaches_the_browser(serve, service, raw, subtests):
    """The cookie is removed, whatever the response is."""
    for answer in ANSWERS:
        with subtests.test(answer.__name__):
            client = await serve(service, page=_changing(answer, lambda session: session.invalidate()))
            await client.post("/login/alice")

            assert "" == cookie_of(await _get(client, "/page", answer))
            assert [] == await raw.sessions()


NESTED = {
    "a list grows": lambda data: data["list"].append(2),
    "a list shrinks": lambda data: data["list"].clear(),
    "a dict's key is set": lambda data: data["dict"].update(b=2),
    "a dict's key goes": lambda data: data["dict"].pop("a"),
    "a value in a list of dicts": lambda data: data["deep"][0]["x"].append(1),
    "1 becomes True": lambda data: data["dict"].update(a=True),
    "1 becomes 1.0": lambda data: data["dict"].update(a=1.0),
    "0 becomes -0.0": lambda data: data["dict"].update(zero=-0.0),
    "None becomes NaN": lambda data: data["dict"].update(none=float("nan")),
}


NO_CHANGES = {
    "there and back": lambda data: data["list"].append(1) or data["list"].pop(),
    "set to the same": lambda data: data.update(list=[1]),
    "set to an equal tuple": lambda data: data.update(list=(1,)),
    "copied": dict,
    "setdefault": lambda data: data.setdefault("list", []),
}


def _nested():
    return {"list": [1], "dict": {"a": 1, "zero": 0.0, "none": None}, "deep": [{"x": []}]}


@pytest.fixture
async def nested(serve, service):
    """A page that makes any of the changes; the change, done by a request to a session of its own."""

    async def page(request):
        session = await get_session(request)
        (NESTED | NO_CHANGES)[request.query["change"]](session)
        return web.Response()

    client = await serve(service, keeps_cookies=False, page=page)

    async def make(change):
        cookie = cookie_of(await client.post("/set", json=_nested()))
        await client.get("/page", params={"change": change}, headers=sent(cookie))
        return (await service.load(cookie)).data

    return make


async def test_a_change_inside_a_value_counts(nested, subtests):
    """Nobody has to call changed()."""
    for name, change in NESTED.items():
        expected = _nested()
        change(expected)
        with subtests.test(name):
            assert repr(expected) == repr(await nested(name))


async def test_no_change_is_no_write(nested, statements, subtests):
    """A session that is as it was costs no statement."""
    for name in NO_CHANGES:
        statements.clear()
        with subtests.test(name):
            assert _nested() == await nested(name)
            assert ["read_beginning", "create_session", "load_session", "load_session"] == statements


@pytest.mark.parametrize("value", [(1, 2), {1: "one"}, 2**70, float("nan"), "\ud800"], ids=repr)
async def test_what_only_json_can_hold_is_no_change_either(value, serve, service, statements):
    """A request that only reads writes nothing, whatever the session holds."""
    client = await serve(service, keeps_cookies=False)
    cookie, _ = await service.create({"value": value})
    statements.clear()

    await client.get("/read", headers=sent(cookie))

    assert ["load_session"] == statements


async def test_changed_asks_for_a_write(serve, service, statements):
    """As aiohttp-session has it."""
    client = await serve(service, page=_changing(_response, lambda session: session.changed()))
    await client.post("/set", json={"a": 1})
    statements.clear()

    await client.get("/page")

    assert ["load_session", "save_session"] == statements


async def test_a_middleware_may_change_the_session_after_the_handler(serve, service, statements):
    """One around the session's own, and one inside: one write for both and the handler."""

    @web.middleware
    async def outer(request, handler):
        response = await handler(request)
        (await get_session(request))["outer"] = True
        return response

    @web.middleware
    async def inner(request, handler):
        response = await handler(request)
        (await get_session(request))["inner"] = True
        return response

    client = await serve(service, around=[outer], inside=[inner])

    response = await client.post("/set", json={"a": 1})

    cookie = cookie_of(response)
    assert {"a": 1, "inner": True, "outer": True} == (await service.load(cookie)).data


async def test_a_middleware_may_start_the_session(serve, service):
    """The change of an outer middleware alone is kept, with its cookie."""

    @web.middleware
    async def counting(request, handler):
        response = await handler(request)
        session = await get_session(request)
        session["visits"] = session.get("visits", 0) + 1
        return response

    client = await serve(service, around=[counting])

    cookies = [cookie_of(await client.get("/plain")) for _ in range(3)]

    assert {"visits": 3} == (await service.load(cookies[0])).data
    assert [None, None] == cookies[1:]


@pytest.mark.parametrize("raises", [False, True], ids=["returned", "raised"])
@pytest.mark.parametrize("path", ["/set", "/login/alice", "/logout"])
async def test_a_middleware_may_answer_in_the_handlers_place(path, raises, serve, service):
    """An envelope around every answer does not lose the cookie that the answer was to bring."""

    @web.middleware
    async def envelope(request, handler):
        try:
            answer = await handler(request)
            text = answer.text
        except web.HTTPException as error:
            text = error.reason
        if request.path == "/plain":
            return answer
        if raises:
            raise web.HTTPConflict(text="another")
        return web.json_response({"text": text})

    client = await serve(service, around=[envelope], keeps_cookies=False)
    _, begun = await service.create({"cart": 1})
    before, _ = await service.rotate(begun, {"cart": 1})

    after = cookie_of(await client.post(path, json={"a": 1}, headers=sent(before)))

    if path == "/set":
        assert {"cart": 1, "a": 1} == (await service.load(before)).data
    elif path == "/logout":
        assert "" == after
    else:
        assert {"cart": 1, "user_id": "alice"} == (await service.load(after)).data


@pytest.mark.parametrize("path", ["/set", "/login/alice", "/moved", "/file"])
async def test_a_middleware_sees_the_cookie_of_a_plain_response(path, serve, service):
    """It is in the headers once ``setup``'s middleware has returned, whether the response was returned or raised."""
    seen = []

    @web.middleware
    async def looking(request, handler):
        try:
            response = await handler(request)
        except web.HTTPException as error:
            seen.append(cookie_of(error))
            raise
        seen.append(cookie_of(response))
        return response

    async def moved(request):
        (await get_session(request))["a"] = 1
        raise web.HTTPFound("/plain")

    async def file(request):
        (await get_session(request))["a"] = 1
        return web.FileResponse(__file__)

    client = await serve(service, around=[looking], moved=moved, file=file)

    response = await client.post(path, json={"a": 1}, allow_redirects=False)

    assert [cookie_of(response)] == seen
    assert await service.load(seen[0])


@pytest.mark.parametrize("answers", ["the same response", "a copy of its headers", "another response"])
@pytest.mark.parametrize("afterwards", ["nothing", "login", "logout"])
async def test_the_last_cookie_alone_is_sent(afterwards, answers, serve, service, raw):
    """A middleware that changes the session after the cookie was set leaves no second one in the response."""
    seen = []

    @web.middleware
    async def changing(request, handler):
        response = await handler(request)
        if request.path != "/set":
            return response
        seen.append(cookie_of(response))
        session = await get_session(request)
        if afterwards == "login":
            session["user_id"] = "alice"
        elif afterwards == "logout":
            session.invalidate()
        if answers == "a copy of its headers":
            return web.Response(headers=response.headers)
        return response if answers == "the same response" else web.Response()

    client = await serve(service, around=[changing])

    sent_cookie = cookie_of(await client.post("/set", json={"a": 1}))

    if afterwards == "nothing":
        assert seen == [sent_cookie]
        assert {"a": 1} == (await service.load(sent_cookie)).data
    elif afterwards == "login":
        assert seen != [sent_cookie]
        assert {"a": 1, "user_id": "alice"} == (await service.load(sent_cookie)).data
        assert await service.load(seen[0]) is None
    else:
        assert sent_cookie is None
        assert [] == await raw.sessions()


async def test_the_cookie_of_a_stream_is_there_once_its_headers_are(serve, service):
    """Its handler sees it after ``prepare``, and a middleware after it the same one."""
    seen = []

    async def stream(request):
        (await get_session(request))["a"] = 1
        response = web.StreamResponse()
        seen.append(cookie_of(response))
        await response.prepare(request)
        seen.append(cookie_of(response))
        return response

    @web.middleware
    async def looking(request, handler):
        response = await handler(request)
        seen.append(cookie_of(response))
        return response

    client = await serve(service, around=[looking], page=stream)

    cookie = cookie_of(await client.get("/page"))

    assert [None, cookie, cookie] == seen
    assert {"a": 1} == (await service.load(cookie)).data


async def test_a_first_session_survives_another_answer(serve, service):
    """The same for a session that begins in the handler of an error that is shown otherwise."""

    @web.middleware
    async def friendly(request, handler):
        try:
            return await handler(request)
        except web.HTTPNotFound:
            return web.Response(text="a page of its own", status=404)

    client = await serve(
        service, around=[friendly], page=_changing(_not_found, lambda session: session.update(seen="/page"))
    )

    response = await client.get("/page")

    assert {"seen": "/page"} == (await service.load(cookie_of(response))).data


async def test_handler_may_receive_a_clone_of_the_request(serve, service):
    """A middleware that strips headers hands on a clone: what its handler changes is kept."""

    @web.middleware
    async def stripping(request, handler):
        return await handler(request.clone(headers={**request.headers, "X-Internal": ""}))

    client = await serve(service, inside=[stripping], page=_changing(_response, lambda session: session.update(b=2)))

    first = cookie_of(await client.get("/page"))
    assert {"b": 2} == (await service.load(first)).data
    assert '{"b": 2}' == await (await client.get("/read")).text()


def _cloning(**changes):
    """A middleware that passes on a clone of the request, as those of aiohttp_remotes do."""

    @web.middleware
    async def middleware(request, handler):
        return await handler(request.clone(**changes))

    return middleware


@web.middleware
async def _replacing(request, handler):
    """Answers with another response than the handler's, unless that has been sent."""
    response = await handler(request)
    return response if response.prepared else web.Response(text="another")


@pytest.mark.parametrize(
    "options",
    [
        {"around": [_cloning(scheme="https", host="example.org", remote="192.0.2.1")]},
        {"around": [_cloning(), _cloning(rel_url="/page?changed=1")]},
        {"around": [_cloning()], "inside": [_cloning(method="POST")]},
        {"around": [_replacing, _cloning()], "inside": [_cloning()]},
        {"around": [_cloning()], "inside": [_replacing]},
    ],
    ids=["outside", "two outside", "outside and inside", "answered outside", "answered inside"],
)
async def test_the_cookie_is_sent_for_a_clone_of_the_request(options, serve, service, subtests):
    """Whichever request object the handler and aiohttp see: one row for a visitor, and later requests find it."""
    for answer in ANSWERS:
        with subtests.test(answer.__name__):
            client = await serve(service, page=_changing(answer, lambda session: session.update(a=1)), **options)
            before = await service.count_sessions()

            response = await _get(client, "/page", answer)
            again = await _get(client, "/page", answer)

            assert {"a": 1} == (await service.load(cookie_of(response))).data
            assert "no-store" == response.headers["Cache-Control"]
            assert "Cookie" == response.headers["Vary"]
            assert cookie_of(again) is None
            assert before + 1 == await service.count_sessions()


async def test_a_clone_may_carry_other_headers(serve, service):
    """The session belongs to the cookie that a middleware passes on; its end reaches the browser."""
    session_id, _ = await service.create({"a": 1})
    client = await serve(service, around=[_cloning(headers=sent(session_id))], keeps_cookies=False)

    read = await client.get("/read")
    logout = await client.post("/logout")

    assert {"a": 1} == await read.json()
    assert ("no-store", "Cookie") == (read.headers["Cache-Control"], read.headers["Vary"])
    assert "" == cookie_of(logout)
    assert await service.load(session_id) is None


async def test_a_sub_application_with_a_setup_of_its_own_keeps_the_outer_cookie(serve, service):
    """A middleware between the two that begins the session is answered like any other."""

    @web.middleware
    async def counting(request, handler):
        (await get_session(request))["visited"] = True
        return await handler(request)

    def install(app, service):
        setup(app, service)
        app.middlewares.append(counting)
        sub_app = web.Application()
        setup(sub_app, service)
        sub_app.router.add_get("/page", _response)
        app.add_subapp("/sub", sub_app)

    client = await serve(service, install=install)

    assert {"visited": True} == (await service.load(cookie_of(await client.get("/sub/page")))).data


# What is lost, is said.


def _lost(service, caplog):
    said = [record for record in caplog.records if record.levelno >= logging.WARNING and "lost" in record.getMessage()]
    assert len(said) == service.counters.lost_changes
    return len(said)


async def _crash(request):
    raise RuntimeError("a bug")


async def _server_error(request):
    raise web.HTTPInternalServerError


async def _bad_gateway(request):
    return web.Response(status=502)


async def _failing_stream(request):
    response = web.StreamResponse(status=500)
    await response.prepare(request)
    await response.write_eof()
    return response


FAILURES = {_crash: 500, _server_error: 500, _bad_gateway: 502, _failing_stream: 500}


async def test_failed_request_saves_nothing_and_logs_it(serve, service, raw, caplog, subtests):
    """A crash or a 5xx keeps nothing of what the handler did; there is a warning and a counter."""
    for lost, (answer, start) in enumerate(itertools.product(FAILURES, [{}, {"a": 1}]), 1):
        with subtests.test(answer.__name__, start=start):
            client = await serve(service, page=_changing(answer, lambda session: session.update(b=2)))
            if start:
                await client.post("/set", json=start)
            rows = await raw.sessions()

            response = await client.get("/page")

            assert (FAILURES[answer], None) == (response.status, cookie_of(response))
            assert rows == await raw.sessions()
            assert lost == _lost(service, caplog)


async def test_a_failed_request_without_a_change_loses_nothing(serve, service, caplog, subtests):
    """There is no warning where nothing was to be kept."""
    for answer in FAILURES:
        with subtests.test(answer.__name__):
            client = await serve(service, page=_changing(answer, dict))
            await client.post("/set", json={"a": 1})

            await client.get("/page")

            assert 0 == _lost(service, caplog)


async def test_lost_change_of_a_failing_outer_middleware_is_logged(serve, service, raw, caplog):
    """Its 5xx keeps nothing either."""

    @web.middleware
    async def failing(request, handler):
        await handler(request)
        (await get_session(request))["b"] = 2
        return web.Response(status=500)

    client = await serve(service, around=[failing])

    response = await client.get("/plain")

    assert (500, None) == (response.status, cookie_of(response))
    assert [] == await raw.sessions()
    assert 1 == _lost(service, caplog)


@pytest.mark.parametrize("answer", [_crash, _server_error, _bad_gateway])
async def test_a_page_in_the_place_of_a_failure_keeps_nothing_of_it(answer, serve, service, raw, caplog):
    """A middleware that turns a crash or a 5xx into an answer does not make half of its change count."""

    @web.middleware
    async def forgiving(request, handler):
        try:
            await handler(request)
        except (RuntimeError, web.HTTPServerError):
            return web.Response(text="never mind")
        return web.Response(text="never mind either")

    client = await serve(service, around=[forgiving], page=_changing(answer, lambda session: session.update(b=2)))

    response = await client.get("/page")

    assert (200, None) == (response.status, cookie_of(response))
    assert [] == await raw.sessions()
    assert 1 == _lost(service, caplog)


async def test_cancelled_request_logs_its_lost_change(serve, service, caplog):
    """The browser went away, and the server stops the handler (aiohttp's handler_cancellation)."""
    changed = asyncio.Event()

    async def handler(request):
        session = await get_session(request)
        session["b"] = 2
        changed.set()
        await asyncio.Event().wait()

    client = await serve(service, page=handler, cancels_handlers=True)
    await client.post("/set", json={"a": 1})
    request = asyncio.create_task(client.get("/page"))
    await changed.wait()
    request.cancel()
    await _until(lambda: service.counters.lost_changes)

    assert 1 == _lost(service, caplog)


async def test_handler_without_a_response_logs_its_lost_change(serve, service, raw, caplog):
    """The 500 that aiohttp makes of it keeps nothing."""

    async def forgetful(request):
        (await get_session(request))["b"] = 2

    client = await serve(service, page=forgetful)

    response = await client.get("/page")

    assert (500, None) == (response.status, cookie_of(response))
    assert [] == await raw.sessions()
    assert 1 == _lost(service, caplog)


# Streams.


def _streaming(*, before=None, after=None, kind="stream"):
    """A handler that changes its session before and after its headers go out."""

    async def handler(request):
        session = await get_session(request)
        if before:
            before(session)
        response = web.WebSocketResponse() if kind == "websocket" else web.StreamResponse()
        await response.prepare(request)
        if after:
            outcome = after(session)
            if asyncio.iscoroutine(outcome):
                await outcome
        if isinstance(response, web.WebSocketResponse):
            await response.close()
        return response

    return handler


@pytest.mark.parametrize("answer", [_stream, _websocket])
async def test_a_late_change_of_a_stored_session_is_kept(answer, serve, service):
    """It needs no cookie: it is saved as the handler ends, and nothing is lost."""
    kind = "websocket" if answer is _websocket else "stream"
    client = await serve(
        service,
        page=_streaming(
            before=lambda session: session.update(b=2), after=lambda session: session.update(late=True), kind=kind
        ),
    )
    cookie = cookie_of(await client.post("/set", json={"a": 1}))

    await _get(client, "/page", answer)
    await _until(lambda: service.counters.saves == 2)

    assert {"a": 1, "b": 2, "late": True} == (await service.load(cookie)).data
    assert 0 == service.counters.lost_changes


READERS = {
    "get": lambda session: session.get("flash", []),
    "pop": lambda session: session.pop("flash", []),
    "setdefault": lambda session: session.setdefault("flash", []),
    "take all": lambda session: session.update(flash=[]),
    "put and take": lambda session: (session.setdefault("flash", ["hello"]), session.pop("flash")),
}


@pytest.mark.parametrize("answer", [_stream, _websocket])
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize("fails", [False, True])
async def test_who_only_reads_a_flash_message_loses_nothing(answer, read, fails, serve, service, caplog):
    """An anonymous websocket that finds no message is no warning, whether its handler ends or fails."""
    kind = "websocket" if answer is _websocket else "stream"
    ended = asyncio.Event()

    def after(session):
        read(session)
        if fails:
            raise ConnectionResetError

    @web.middleware
    async def around(request, handler):
        try:
            return await handler(request)
        finally:
            ended.set()

    client = await serve(service, around=[around], page=_streaming(before=len, after=after, kind=kind))

    with suppress(ClientError):
        await _get(client, "/page", answer)
    async with asyncio.timeout(DEADLINE_SECONDS):
        await ended.wait()

    assert 0 == _lost(service, caplog)


async def _until(is_true):
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not is_true():
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("answer", [_stream, _websocket])
@pytest.mark.parametrize(
    ("start", "after"),
    [
        ({}, lambda session: session.update(late=True)),
        ({"a": 1}, lambda session: session.update(user_id="alice")),
        ({"a": 1}, lambda session: session.rotate()),
    ],
    ids=["a new session", "a login", "a rotation"],
)
async def test_late_change_that_needs_a_cookie_is_logged_as_lost(start, after, answer, serve, service, raw, caplog):
    """Nothing is stored that no browser could ever reach, and the old session stays as it was."""
    kind = "websocket" if answer is _websocket else "stream"
    client = await serve(service, page=_streaming(after=after, kind=kind))
    if start:
        await client.post("/set", json=start)
    rows = await raw.sessions()

    response = await _get(client, "/page", answer)
    await _until(lambda: service.counters.lost_changes)

    assert cookie_of(response) is None
    assert rows == await raw.sessions()
    assert 1 == _lost(service, caplog)


@pytest.mark.parametrize(
    ("start", "change"),
    [
        ({}, {"late": True}),
        ({"a": 1}, {"user_id": "alice"}),
    ],
    ids=["a new session", "a login"],
)
@pytest.mark.parametrize("get", [get_session, new_session])
async def test_a_session_first_asked_for_in_a_stream_is_too_late_for_a_cookie(
    get, start, change, serve, service, raw, caplog
):
    """A handler that sends its headers first, and then thinks of the session, strands no visitor."""

    async def handler(request):
        response = web.StreamResponse()
        await response.prepare(request)
        session = await get(request)
        session.update(change)
        return response

    client = await serve(service, page=handler)
    if start:
        await client.post("/set", json=start)
    rows = await raw.sessions()

    response = await client.get("/page")
    await response.read()
    await _until(lambda: service.counters.lost_changes)

    assert cookie_of(response) is None
    assert rows == await raw.sessions()
    assert 1 == _lost(service, caplog)
    assert start == await (await client.get("/read")).json()


async def test_a_stored_session_first_asked_for_in_a_stream_is_kept(serve, service):
    """It needs no cookie."""

    async def handler(request):
        response = web.StreamResponse()
        await response.prepare(request)
        (await get_session(request))["late"] = True
        return response

    client = await serve(service, page=handler)
    cookie = cookie_of(await client.post("/set", json={"a": 1}))

    await (await client.get("/page")).read()
    await _until(lambda: service.counters.saves)

    assert {"a": 1, "late": True} == (await service.load(cookie)).data


@pytest.mark.parametrize("answer", [_stream, _websocket])
@pytest.mark.parametrize("afterwards", [{}, {"flash": "bye"}], ids=["logout", "logout and a greeting"])
async def test_a_late_logout_ends_the_session(afterwards, answer, serve, service, raw):
    """The cookie can no longer be removed, but it opens nothing any more."""

    def leave(session):
        session.invalidate()
        session.update(afterwards)

    kind = "websocket" if answer is _websocket else "stream"
    client = await serve(service, page=_streaming(after=leave, kind=kind))
    await client.post("/login/alice")

    await _get(client, "/page", answer)
    async with asyncio.timeout(DEADLINE_SECONDS):
        while service.counters.lost_changes == 0 and await raw.sessions():
            await asyncio.sleep(0.001)

    assert [] == await raw.sessions()


async def test_save_keeps_a_change_during_a_stream(serve, service):
    """From then on every other request sees it, while the stream goes on."""
    saved, go_on = asyncio.Event(), asyncio.Event()

    async def keep(session):
        session["progress"] = 50
        await session.save()
        saved.set()
        await go_on.wait()
        session["progress"] = 100
        await session.save()

    client = await serve(service, page=_streaming(after=keep))
    cookie = cookie_of(await client.post("/set", json={"a": 1}))
    stream = asyncio.create_task(client.get("/page"))
    await saved.wait()

    assert {"a": 1, "progress": 50} == (await service.load(cookie)).data
    go_on.set()
    await (await stream).read()
    assert {"a": 1, "progress": 100} == (await service.load(cookie)).data


async def test_save_before_the_headers_gives_the_cookie_to_the_response(serve, service):
    """A session that was saved by hand is told to the browser as any other."""

    async def handler(request):
        session = await get_session(request)
        session["a"] = 1
        await session.save()
        session["b"] = 2
        return web.Response()

    client = await serve(service, page=handler)

    cookie = cookie_of(await client.get("/page"))

    assert {"a": 1, "b": 2} == (await service.load(cookie)).data


async def test_what_was_saved_before_a_crash_is_kept(serve, service):
    """save() is for what must not be lost: the crash after it takes neither the change nor the cookie."""

    async def handler(request):
        session = await get_session(request)
        session["a"] = 1
        await session.save()
        raise RuntimeError("a bug")

    client = await serve(service, page=handler)

    response = await client.get("/page")

    assert 500 == response.status
    assert {"a": 1} == (await service.load(cookie_of(response))).data


async def test_save_after_the_headers_raises(serve, service, raw):
    """A new session after the headers: the handler is told, and may go on without."""
    told = []

    async def keep(session):
        session["late"] = True
        try:
            await session.save()
        except SessionNotSaved as error:
            told.append(error)

    client = await serve(service, page=_streaming(after=keep))

    response = await client.get("/page")
    await response.read()

    assert 200 == response.status
    assert 1 == len(told)
    assert [] == await raw.sessions()


async def test_two_saves_at_once_are_one_session(serve, service, raw):
    """Tasks of one handler that save together make one row."""

    async def handler(request):
        session = await get_session(request)
        session["a"] = 1
        await asyncio.gather(session.save(), session.save(), session.save())
        return web.Response()

    client = await serve(service, page=handler)

    cookie = cookie_of(await client.get("/page"))

    assert 1 == len(await raw.sessions())
    assert {"a": 1} == (await service.load(cookie)).data


async def test_concurrent_first_reads_get_the_same_session(serve, service):
    """Tasks of one handler that ask for the session together get the same one."""

    async def handler(request):
        sessions = await asyncio.gather(*(get_session(request) for _ in range(3)))
        for number, session in enumerate(sessions):
            session[f"task {number}"] = number
        return web.Response()

    client = await serve(service, page=handler)
    cookie = cookie_of(await client.post("/set", json={"a": 1}))

    await client.get("/page")

    assert {"a": 1, "task 0": 0, "task 1": 1, "task 2": 2} == (await service.load(cookie)).data


# What cannot be stored.


async def test_a_value_that_cannot_be_stored_names_its_key(serve, service, raw, caplog):
    """A 500 for whoever wrote the handler, with the key in the log; the session stays as it was."""
    client = await serve(service, page=_changing(_response, lambda session: session.update(when=object())))
    await client.post("/set", json={"a": 1})
    rows = await raw.sessions()

    response = await client.get("/page")

    assert (500, None) == (response.status, cookie_of(response))
    assert rows == await raw.sessions()
    errors = [record.exc_info[1] for record in caplog.records if record.exc_info]
    assert any(isinstance(error, SessionDataError) and "'when'" in str(error) for error in errors)


@pytest.mark.parametrize("start", [{"a": 1}, {"a": float("nan")}], ids=["plain", "NaN"])
async def test_a_value_that_cannot_be_stored_does_not_hide_a_crash(start, serve, service, caplog):
    """The handler's own error is what is logged, whatever its session holds."""

    async def handler(request):
        session = await get_session(request)
        session["when"] = object()
        repr(session)
        raise RuntimeError("the real bug")

    client = await serve(service, page=handler)
    _, begun = await service.create(start)
    cookie, _ = await service.rotate(begun, start)

    response = await client.get("/page", headers=sent(cookie))

    assert 500 == response.status
    errors = [record.exc_info[1] for record in caplog.records if record.exc_info]
    assert ["the real bug"] == [str(error) for error in errors]
    assert 1 == _lost(service, caplog)


async def test_a_page_in_the_place_of_an_unstorable_value_is_shown(serve, service, raw):
    """A middleware that answers errors itself gets its answer out."""

    @web.middleware
    async def forgiving(request, handler):
        try:
            return await handler(request)
        except TypeError:
            return web.Response(status=400, text="never mind")

    client = await serve(
        service, around=[forgiving], page=_changing(_response, lambda session: session.update(when=object()))
    )

    response = await client.get("/page")

    assert (400, "never mind", None) == (response.status, await response.text(), cookie_of(response))
    assert [] == await raw.sessions()


async def test_what_can_be_stored_can_be_read(serve, service):
    """Nesting is either refused as it is saved or comes back: no session is set aside for its depth."""

    def nested(depth):
        value = []
        for _ in range(depth):
            value = [value]
        return value

    async def nest(request):
        session = await get_session(request)
        session["deep"] = nested(int(request.query["depth"]))
        return web.Response()

    async def look(request):
        session = await get_session(request)
        return web.Response(text=str("deep" in session))

    @web.middleware
    async def pass_on(request, handler):
        return await handler(request)

    # Further frames on the stack where the session is read than where it is saved.
    client = await serve(service, inside=[pass_on] * 10, nest=nest, look=look)
    statuses = set()
    for depth in [10, 100, *range(780, 1000, 6)]:
        await client.post("/set", json={"deep": None})
        saved = await client.get("/nest", params={"depth": depth})
        statuses.add(saved.status)
        read = await client.get("/look")
        assert (200, "True") == (read.status, await read.text()), f"{depth} levels, saved with {saved.status}"
    assert 0 == service.counters.unreadable
    assert {200, 500} == statuses


async def test_changes_of_a_replaced_session_are_not_kept(serve, service):
    """Of get_session() and new_session() in one request the new one counts."""

    async def handler(request):
        (await get_session(request))["old"] = 1
        (await new_session(request))["new"] = 2
        return web.Response()

    client = await serve(service, page=handler)
    before = cookie_of(await client.post("/set", json={"a": 1}))

    after = cookie_of(await client.get("/page"))

    assert {"new": 2} == (await service.load(after)).data
    assert await service.load(before) is None


async def test_a_client_that_goes_away_in_a_stream_keeps_what_was_saved(serve, service):
    """The handler's next write fails; the change before the headers is there."""

    async def endless(request):
        (await get_session(request))["b"] = 2
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65_536)

    client = await serve(service, page=endless)
    cookie = cookie_of(await client.post("/set", json={"a": 1}))

    response = await client.get("/page")
    response.close()

    assert {"a": 1, "b": 2} == (await service.load(cookie)).data
