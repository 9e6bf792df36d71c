import pytest
from aiohttp import web

from bodhi import session
from bodhi.server.http.request_filters import request_filter_middleware
from bodhi.session import DefaultSessionService
from server.http.filtered_app import edge, send

KEY = "a key for tests, of at least thirty-two characters"
SECRET = "made-up-by-a-client"
SPELLINGS = [
    "X-BodhiApp-User-Id",
    "x-bodhiapp-user-id",
    "X-BODHIAPP-ROLE",
    "X_BodhiApp_User_Id",
    "x-bodhiapp_user-id",
    "X_BODHIAPP-",
]


@pytest.mark.parametrize("target", ["/", "/ping", "/where/a", "/nowhere"])
@pytest.mark.parametrize("method", ["GET", "POST", "PROPFIND"])
@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_internal_headers_are_removed_from_requests(spelling, method, target, caplog):
    """Whatever their spelling, on each route and where there is none; the log does not see them either."""
    seen = []

    @web.middleware
    async def inner(request, handler):
        seen.append((dict(request.headers), request.raw_headers))
        return await handler(request)

    caplog.set_level("DEBUG")
    await send(
        edge(request_filter_middleware(), inner), f"{method} {target} HTTP/1.1", "Host: a", f"{spelling}: {SECRET}"
    )

    assert SECRET not in repr(seen)
    assert SECRET not in caplog.text
    assert 1 == len(seen)


async def test_every_internal_header_line_is_removed_and_others_are_kept():
    """In their order, with those that come twice."""
    status, _, body = await send(
        edge(request_filter_middleware()),
        "GET / HTTP/1.1",
        "Host: a",
        "X-BodhiApp-Role: 1",
        "Cookie: a=1",
        "x_bodhiapp_role: 2",
        "X-BodhiApp: 3",
        "X-Bodhi-App-Role: 4",
        "Cookie: b=2",
    )

    expected = [
        ["Host", "a"],
        ["Cookie", "a=1"],
        ["X-BodhiApp", "3"],
        ["X-Bodhi-App-Role", "4"],
        ["Cookie", "b=2"],
        ["Connection", "close"],
    ]
    assert (200, expected) == (status, body["headers"])
    assert "\n".join(f"{name}:{value}" for name, value in expected) == body["raw"]


async def test_non_utf_8_header_bytes_are_kept():
    """Such a header is no reason to fail."""
    status, _, body = await send(
        edge(request_filter_middleware()), "GET / HTTP/1.1", "Host: a", "X-BodhiApp-Role: 1", b"Cookie: \xff\xc3\xa4"
    )

    assert (200, "?\u00e4") == (status, dict(body["headers"])["Cookie"])


async def test_rest_of_the_request_is_unchanged():
    """Path parameters, connection, client and body."""

    async def echoes(request):
        return web.json_response([dict(request.match_info), request.remote, await request.text()])

    app = edge(request_filter_middleware())
    app.router.add_post("/echo/{name}", echoes)

    status, _, body = await send(
        app, "POST /echo/a HTTP/1.1", "Host: a", "X-BodhiApp-Role: 1", "Content-Length: 4", body=b"body"
    )

    assert (200, [{"name": "a"}, "127.0.0.1", "body"]) == (status, body)


async def test_session_works_with_headers_removed(aiohttp_client, sqlite_url):
    """Aiohttp makes the headers of the answer with the request as it came."""

    async def counts(request):
        visitor = await session.get_session(request)
        visitor["seen"] = visitor.get("seen", 0) + 1
        return web.json_response(visitor["seen"])

    app = web.Application(middlewares=[request_filter_middleware()])
    session.setup(app, DefaultSessionService.from_url(sqlite_url, keys=[KEY]))
    app.router.add_get("/", counts)
    client = await aiohttp_client(app)

    assert [1, 2] == [await (await client.get("/", headers={"X-BodhiApp-Role": "1"})).json() for _ in range(2)]


async def test_request_without_internal_headers_is_not_copied(aiohttp_client):
    """Nothing is copied for the others."""
    seen = []

    @web.middleware
    async def outer(request, handler):
        seen.append(request)
        return await handler(request)

    client = await aiohttp_client(edge(outer, request_filter_middleware(), outer))

    await client.get("/", headers={"X-Request-ID": "1", "Accept": "x-bodhiapp-role"})

    assert seen[0] is seen[1]
