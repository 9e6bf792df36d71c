import pytest
from aiohttp import web

from server.http.filtered_app import edge, send

PREFLIGHT = [
    "Host: localhost",
    "Origin: https://evil.example",
    "Access-Control-Request-Method: PUT",
    "Access-Control-Request-Headers: authorization",
    "Access-Control-Request-Private-Network: true",
]


def app():
    """An application with one route for two methods, and one that answers OPTIONS itself."""
    made = edge()

    async def nothing(_):
        return web.Response()

    async def permits(_):
        return web.Response(headers={"Access-Control-Allow-Origin": "*", "Vary": "Origin"})

    made.router.add_get("/route", nothing)
    made.router.add_put("/route", nothing)
    made.router.add_route("OPTIONS", "/open", permits)
    return made


def permissions(headers):
    """Return the CORS headers of a response."""
    return [name for name in headers if name.startswith("access-control-")]


async def test_preflight_is_answered_without_permission():
    """Only with the methods that the address takes."""
    status, headers, body = await send(app(), "OPTIONS /route HTTP/1.1", *PREFLIGHT)

    assert (204, "GET,HEAD,OPTIONS,PUT", []) == (status, headers["allow"], permissions(headers))
    assert b"" == body


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [("GET", "/route", 200), ("PUT", "/route", 200), ("POST", "/route", 405), ("OPTIONS", "/nowhere", 404)],
)
async def test_no_response_has_cors_headers(method, target, expected):
    """For any origin, with and without credentials."""
    status, headers, _ = await send(app(), f"{method} {target} HTTP/1.1", *PREFLIGHT, "Cookie: a=b")

    assert (expected, []) == (status, permissions(headers))


async def test_route_may_handle_options_itself():
    """One for bearer tokens alone may be open to all."""
    _, headers, _ = await send(app(), "OPTIONS /open HTTP/1.1", *PREFLIGHT)

    assert ["access-control-allow-origin"] == permissions(headers)
