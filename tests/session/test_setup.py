"""``bodhi.session.setup(app, service)``: how an application and its sessions are put together."""

import asyncio
import gc

import aiohttp_session
import pytest
from aiohttp import web

import bodhi.session
from bodhi.errors import ConfigurationError
from bodhi.session import SESSIONS, CookiePolicy, DefaultSessionService, SessionUnavailable, middleware, setup
from bodhi.session.middleware import session_middleware
from session.conftest import SETTINGS
from session.pages import PAGES, cookie_of, sent


@pytest.fixture
async def closed_service(database_url, clock):
    """A service that nobody has opened."""
    return DefaultSessionService.from_url(database_url, **SETTINGS, clock=clock)


async def test_a_service_that_is_not_open_opens_and_closes_with_the_application(closed_service, serve):
    """Two lines are all that an application needs."""
    before = asyncio.all_tasks()
    client = await serve(closed_service)

    assert cookie_of(await client.post("/set", json={"a": 1}))
    assert {"a": 1} == await (await client.get("/read")).json()
    await client.close()

    assert before == asyncio.all_tasks()


def _by_on_startup(app, set_up):
    async def start(app):
        set_up(app)

    app.on_startup.append(start)


def _by_a_context(app, set_up):
    async def context(app):
        set_up(app)
        yield

    app.cleanup_ctx.append(context)


def _by_on_startup_of_a_part(app, set_up):
    part = web.Application()
    _by_on_startup(part, lambda _: set_up(app))
    app.add_subapp("/part", part)


STARTS = [_by_on_startup, _by_a_context, _by_on_startup_of_a_part]


@pytest.mark.parametrize("start", STARTS)
async def test_setup_comes_too_late_for_a_closed_service(start, closed_service):
    """An application that is starting would not open it, and each request would be an outage."""
    app = web.Application()
    start(app, lambda app: setup(app, closed_service))
    runner = web.AppRunner(app)

    with pytest.raises(ConfigurationError, match=r"starting already.*open\(\)"):
        await runner.setup()

    await runner.cleanup()
    assert SESSIONS not in app


@pytest.mark.parametrize("start", STARTS)
async def test_an_open_service_may_be_set_up_while_the_application_starts(start, service, serve):
    """Its opener closes it."""
    client = await serve(service, install=lambda app, service: start(app, lambda app: setup(app, service)))

    assert cookie_of(await client.post("/set", json={"a": 1}))
    assert {"a": 1} == await (await client.get("/read")).json()


async def test_setup_comes_too_late_for_a_part_or_a_running_application(service):
    """Neither takes a middleware any more, and the reason is said."""
    whole, part = web.Application(), web.Application()
    whole.add_subapp("/part", part)
    runner = web.AppRunner(whole)
    await runner.setup()

    for app in (whole, part):
        with pytest.raises(ConfigurationError, match=r"has started, or is part.*add_subapp"):
            setup(app, service)

    await runner.cleanup()


async def test_one_application_has_one_setup(service, make_service):
    """The second would take the visitors' sessions from the first."""
    app = web.Application()
    setup(app, service)

    for other in (service, await make_service()):
        with pytest.raises(ConfigurationError, match="once"):
            setup(app, other)

    assert app[SESSIONS] is service


def _handlers_before_setup(app, service, handle):
    app.on_cleanup.append(handle)
    setup(app, service)


def _handlers_after_setup(app, service, handle):
    setup(app, service)
    app.on_cleanup.append(handle)


def _handlers_of_a_part(app, service, handle):
    setup(app, service)
    part = web.Application()
    part.on_cleanup.append(handle)
    app.add_subapp("/part", part)


def _contexts(app, service, handle):
    async def context(app):
        yield
        await handle(app)

    app.cleanup_ctx.append(context)
    setup(app, service)


@pytest.mark.parametrize("install", [_handlers_before_setup, _handlers_after_setup, _handlers_of_a_part, _contexts])
async def test_what_cleans_up_has_sessions_still(install, closed_service, serve):
    """The service closes after it."""
    counted = []

    async def handle(_):
        counted.append(await closed_service.count_sessions())

    client = await serve(closed_service, install=lambda app, service: install(app, service, handle))
    await client.post("/set", json={"a": 1})

    await client.close()

    assert [1] == counted
    assert not closed_service.is_open


async def test_a_cleanup_that_fails_leaves_no_service_open(closed_service):
    """After a handler that failed, aiohttp calls no other."""

    async def fail(_):
        raise OSError("a bug")

    app = web.Application()
    setup(app, closed_service)
    app.on_cleanup.append(fail)
    runner = web.AppRunner(app)
    await runner.setup()

    with pytest.raises(OSError, match="a bug"):
        await runner.cleanup()

    assert not closed_service.is_open


async def test_a_start_that_fails_leaves_no_service_open(closed_service):
    """The contexts are ended then, and aiohttp calls no handler of ``on_cleanup``."""

    async def fail(_):
        raise OSError("a bug")

    app = web.Application()
    setup(app, closed_service)
    app.on_startup.append(fail)
    runner = web.AppRunner(app)

    with pytest.raises(OSError, match="a bug"):
        await runner.setup()
    assert closed_service.is_open
    await runner.cleanup()

    assert not closed_service.is_open


async def test_a_service_that_is_open_stays_open(service, serve):
    """Who opened it closes it."""
    client = await serve(service)
    cookie = cookie_of(await client.post("/set", json={"a": 1}))

    await client.close()

    assert {"a": 1} == (await service.load(cookie)).data


@pytest.mark.parametrize("depth", [0, 1, 2])
async def test_the_service_is_found_at_any_depth(depth, serve, service):
    """As the reference has it: ``request.app`` is the sub-application."""

    async def count(request):
        return web.json_response(await request.config_dict[SESSIONS].count_sessions())

    def install(app, service):
        part = web.Application()
        part.router.add_get("/count", count)
        for _ in range(depth):
            whole = web.Application()
            whole.add_subapp("/part", part)
            part = whole
        setup(app, service)
        app.add_subapp("/part", part)

    client = await serve(service, install=install)
    await client.post("/set", json={"a": 1})

    assert 1 == await (await client.get("/part" * (depth + 1) + "/count")).json()


async def test_a_sub_application_shares_the_session(serve, service):
    """Its pages read and write the same session, its streams too."""

    async def sub_page(request):
        session = await aiohttp_session.get_session(request)
        session["sub"] = True
        response = web.StreamResponse()
        await response.prepare(request)
        return response

    def install(app, service):
        setup(app, service)
        sub_app = web.Application()
        sub_app.router.add_get("/page", sub_page)
        app.add_subapp("/sub", sub_app)

    client = await serve(service, install=install)
    first = cookie_of(await client.get("/sub/page"))
    await client.post("/set", json={"a": 1})

    assert {"sub": True, "a": 1} == (await service.load(first)).data


async def _visited(request):
    """Counts the visits in the session, and answers with what it holds."""
    session = await aiohttp_session.get_session(request)
    assert session is await bodhi.session.get_session(request)
    session["visits"] = session.get("visits", 0) + 1
    return web.json_response(dict(session))


async def _streamed(request):
    """The same in a stream."""
    answer = await _visited(request)
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(answer.body)
    return response


async def _replaced(request):
    """The same in a new session."""
    await aiohttp_session.new_session(request)
    return await _visited(request)


@web.middleware
async def _asking(request, handler):
    """Asks for the session before and after the handler."""
    session = await aiohttp_session.get_session(request)
    session["outer"] = session.get("outer", 0) + 1
    response = await handler(request)
    assert "visits" in session or request.path == "/sub/replaced"
    return response


@web.middleware
async def _cloning(request, handler):
    return await handler(request.clone())


def _add_part(app, service):
    part = web.Application()
    setup(part, service)
    for name, handler in {"page": _visited, "stream": _streamed, "replaced": _replaced}.items():
        part.router.add_get(f"/{name}", handler)
    app.add_subapp("/sub", part)


@pytest.mark.parametrize("between", [[], [_asking], [_cloning], [_asking, _cloning]])
@pytest.mark.parametrize("page", ["page", "stream", "replaced"])
async def test_setups_with_one_service_share_the_session(page, between, serve, service, raw):
    """Of the application and of a part of it: one row, one cookie, and the same object."""

    def install(app, service):
        setup(app, service)
        app.middlewares.extend(between)
        _add_part(app, service)

    client = await serve(service, install=install)

    cookie = None
    for visit in (1, 2):
        response = await client.get(f"/sub/{page}")
        cookie = cookie_of(response) or cookie
        expected = 1 if page == "replaced" else visit
        assert expected == (await response.json(content_type=None))["visits"]
        stored = (await service.load(cookie)).data

    assert expected == stored["visits"]
    assert page == "replaced" or (_asking not in between) or stored["outer"] == 2
    assert 1 == len(await raw.sessions())


@pytest.mark.parametrize("page", ["page", "stream", "replaced"])
async def test_a_service_of_its_own_has_sessions_of_its_own(page, serve, service, tmp_path):
    """The application around it has asked for another, which is there again afterwards."""
    seen = []

    @web.middleware
    async def around(request, handler):
        session = await aiohttp_session.get_session(request)
        session["outer"] = True
        response = await handler(request)
        seen.append(session is request["aiohttp_session"] is await aiohttp_session.get_session(request))
        seen.append(session is await bodhi.session.get_session(request))
        return response

    own = DefaultSessionService.from_url(
        f"sqlite:{tmp_path}/own.sqlite", **{**SETTINGS, "cookie": CookiePolicy(name="own")}
    )

    def install(app, service):
        setup(app, service)
        app.middlewares.append(around)
        _add_part(app, own)

    client = await serve(service, install=install)

    response = await client.get(f"/sub/{page}")

    assert {"visits": 1} == await response.json(content_type=None)
    assert [True, True] == seen
    ids = {name: cookie.value for name, cookie in response.cookies.items() if not name.endswith("_exists")}
    assert {"outer": True} == (await service.load(ids["bodhiapp_session_id"])).data
    assert {"visits": 1} == (await own.load(ids["own"])).data


async def test_a_service_of_its_own_under_the_same_name_is_said(serve, service, tmp_path, caplog):
    """Each would set its cookie in the place of the other's."""
    own = DefaultSessionService.from_url(f"sqlite:{tmp_path}/own.sqlite", **SETTINGS)

    def install(app, service):
        setup(app, service)
        _add_part(app, own)

    client = await serve(service, install=install)

    for _ in range(2):
        assert 200 == (await client.get("/sub/page")).status

    assert 1 == len([record for record in caplog.records if "CookiePolicy" in record.getMessage()])


async def test_a_sub_application_may_have_the_sessions_alone(serve, service):
    """Then the rest of the application has none, and says so."""

    def install(app, service):
        sub_app = web.Application()
        setup(sub_app, service)
        sub_app.add_routes(PAGES)
        app.add_subapp("/sub", sub_app)

    client = await serve(service, install=install)

    cookie = cookie_of(await client.post("/sub/set", json={"a": 1}))
    assert {"a": 1} == await (await client.get("/sub/read")).json()
    assert 500 == (await client.get("/read")).status
    assert cookie


async def test_two_applications_may_share_a_service(serve, service):
    """A session begun on one is the same on the other."""
    one, other = await serve(service, keeps_cookies=False), await serve(service, keeps_cookies=False)

    cookie = cookie_of(await one.post("/set", json={"a": 1}))

    assert {"a": 1} == await (await other.get("/read", headers=sent(cookie))).json()


async def test_max_age_may_be_given_to_setup(serve, service, clock):
    """As it is to aiohttp-session's storages."""
    client = await serve(service, install=lambda app, service: setup(app, service, max_age=600), keeps_cookies=False)

    response = await client.post("/set", json={"a": 1})

    assert "; Max-Age=600; " in response.headers["Set-Cookie"]
    clock.advance(600)
    assert await service.load(cookie_of(response)) is None


async def test_nothing_of_a_request_is_kept_after_it(serve, service, monkeypatch):
    """The sessions of requests go with them, those of clones and of failed requests too."""
    registries = []

    def recorded(options, registry):
        registries.append(registry)
        return session_middleware(options, registry)

    @web.middleware
    async def cloning(request, handler):
        return await handler(request.clone())

    monkeypatch.setattr(middleware, "session_middleware", recorded)
    client = await serve(service, around=[cloning])
    for path in ("/read", "/plain", "/nowhere"):
        assert (await client.get(path)).status in {200, 404}
        assert len(registries[0]) <= 1
    await client.close()
    gc.collect()

    assert [{}] == registries


async def test_an_error_of_routing_is_no_fault(client):
    """404 and 405 pass through the middleware, with a session or without."""
    await client.post("/set", json={"a": 1})

    assert [404, 405] == [(await client.get(path)).status for path in ("/nowhere", "/set")]


async def test_class_based_views_have_sessions(serve, service):
    """``web.View`` asks with its own request."""

    class View(web.View):
        async def post(self):
            (await aiohttp_session.get_session(self.request))["view"] = True
            return web.Response()

    def install(app, service):
        setup(app, service)
        app.router.add_view("/view", View)

    client = await serve(service, install=install)

    assert {"view": True} == (await service.load(cookie_of(await client.post("/view")))).data


async def test_the_typed_functions_are_aiohttp_sessions(serve, service):
    """``bodhi.session.get_session`` gives the very same object."""

    async def handler(request):
        session = await bodhi.session.get_session(request)
        assert session is await aiohttp_session.get_session(request)
        new = await bodhi.session.new_session(request)
        assert new is await aiohttp_session.get_session(request)
        return web.Response()

    client = await serve(service, page=handler)

    assert 200 == (await client.get("/page")).status


async def test_a_request_to_a_closed_service_is_an_outage(serve, make_service):
    """What comes while the program ends is told to come again: no crash, and no logout."""
    service = await make_service()
    client = await serve(service, keeps_cookies=False)
    cookie = cookie_of(await client.post("/set", json={"a": 1}))

    await service.close()
    response = await client.get("/read", headers=sent(cookie))

    assert (503, None) == (response.status, cookie_of(response))
    with pytest.raises(SessionUnavailable):
        await service.count_sessions()


SECRET = b"hunter2hunter2"
HEAD = b"POST /set HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        HEAD + b"Cookie: session_id=" + SECRET + b"\x01\r\n\r\n",
        HEAD + b"Cookie: session_id=" + SECRET + b"\0\r\n\r\n",
        HEAD + b"Authorization: Bearer " + SECRET + b"\x7f\r\n\r\n",
        HEAD + b"Cookie " + SECRET + b": a\r\n\r\n",
        HEAD + b"Cookie: " + SECRET * 2_000 + b"\r\n\r\n",
        b"GET /?token=" + SECRET + b"\x01 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /?token=" + SECRET + b" HTTP/9.9\r\nHost: localhost\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nZZ" + SECRET + b"\r\n",
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: 14\r\n\r\n" + SECRET,
    ],
    ids=["cookie", "NUL", "bearer", "name", "long", "target", "version", "chunk", "packed"],
)
async def test_nothing_of_a_malformed_request_is_logged(closed_service, serve, caplog, request_bytes):
    """The line that cannot be read, which aiohttp would log, may hold a visitor's cookie."""
    caplog.set_level("DEBUG")
    client = await serve(closed_service)
    reader, writer = await asyncio.open_connection(client.host, client.port)

    writer.write(request_bytes)
    answer = await reader.read(12)
    writer.close()
    await writer.wait_closed()
    await client.close()

    assert answer in {b"HTTP/1.0 400", b"HTTP/1.1 400", b"HTTP/1.1 500"}
    told = [(record.message, record.exc_info) for record in caplog.records if record.name == "aiohttp.server"]
    assert told
    assert [] == [each for each in told if "\n" in each[0] or each[1]]
    assert "hunter2" not in caplog.text
