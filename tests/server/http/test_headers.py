import pytest
from aiohttp import web

from bodhi.server.http.static_files import static_url

CSP = "default-src 'none'; frame-ancestors 'none'"


async def fails(_):
    """500."""
    raise ZeroDivisionError


async def redirects(_):
    """302."""
    raise web.HTTPFound("/ping")


async def streams(request):
    """A stream."""
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write_eof(b"done")
    return response


async def sends_a_file(_):
    """A file."""
    return web.FileResponse(__file__)


async def opens_a_websocket(request):
    """A websocket that ends at once."""
    websocket = web.WebSocketResponse()
    await websocket.prepare(request)
    await websocket.close()
    return websocket


ROUTES = [
    web.get("/fails", fails),
    web.get("/redirects", redirects),
    web.get("/streams", streams),
    web.get("/file", sends_a_file),
    web.get("/websocket", opens_a_websocket),
]
REQUESTS = [
    ("GET", "/ping", 200),
    ("HEAD", "/health", 200),
    ("GET", "/bodhi/v1/info", 200),
    ("GET", "/nowhere", 404),
    ("POST", "/ping", 405),
    ("GET", "/fails", 500),
    ("GET", "/redirects", 302),
    ("GET", "/streams", 200),
    ("GET", "/file", 200),
    ("GET", "/websocket", 400),  # without the headers of one
    ("GET", "/ui/login", 200),
    ("GET", "/ui", 303),
    ("GET", "/ui/auth/callback", 400),
    ("GET", "/bodhi/v1/auth/verify", 401),
    ("POST", "/bodhi/v1/logout", 200),
    ("GET", static_url("pages.js"), 200),
    ("GET", "/ui/static/nothing.js", 404),
]
OWN_ORIGIN = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin"}


@pytest.mark.parametrize(("method", "path", "status"), REQUESTS[:10])
async def test_every_answer_has_the_security_headers(aiohttp_client, make_app, method, path, status):
    """Whatever its kind and status, and none says which versions run."""
    client = await aiohttp_client(make_app(*ROUTES))

    response = await client.request(method, path, allow_redirects=False)

    assert status == response.status
    headers = response.headers
    assert CSP == headers["Content-Security-Policy"]
    assert "nosniff" == headers["X-Content-Type-Options"]
    assert "same-origin" == headers["Referrer-Policy"]
    assert "no-store" == headers["Cache-Control"]
    assert "bodhi" == headers["Server"]
    assert "Strict-Transport-Security" not in headers


@pytest.mark.parametrize(("method", "path", "status"), REQUESTS)
async def test_every_answer_is_for_its_own_origin(aiohttp_client, make_app, method, path, status):
    """Pages, files and data, errors and redirects: no other origin holds its window or loads it."""
    client = await aiohttp_client(make_app(*ROUTES))

    response = await client.request(method, path, allow_redirects=False)

    assert (status, OWN_ORIGIN) == (response.status, {name: response.headers.get(name) for name in OWN_ORIGIN})


async def test_websocket_handshake_has_the_security_headers(aiohttp_client, make_app):
    """In the answer to its handshake."""
    client = await aiohttp_client(make_app(*ROUTES))

    async with client.ws_connect("/websocket") as websocket:
        assert CSP == websocket._response.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/ping", "/nowhere", "/fails"])
async def test_https_responses_have_strict_transport_security(aiohttp_client, make_app, path):
    """For a year, as browsers see https."""
    client = await aiohttp_client(make_app(*ROUTES, BODHI_PUBLIC_SCHEME="https", BODHI_PUBLIC_HOST="example.org"))

    response = await client.get(path, allow_redirects=False)

    assert "max-age=31536000; includeSubDomains" == response.headers["Strict-Transport-Security"]


async def test_handler_may_override_security_headers(aiohttp_client, make_app):
    """A page has a policy of its own, and a picture may be kept."""
    own = {"Content-Security-Policy": "default-src 'self'", "Cache-Control": "max-age=60"}

    async def page(_):
        return web.Response(text="page", headers=own)

    client = await aiohttp_client(make_app(web.get("/try", page)))

    headers = (await client.get("/try")).headers

    assert own == {name: headers[name] for name in own}
    assert ["default-src 'self'"] == headers.getall("Content-Security-Policy")
