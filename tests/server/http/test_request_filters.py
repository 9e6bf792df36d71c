"""The request filters on every route."""

import pytest
from aiohttp import web

from bodhi.server.app import OPERATIONS
from bodhi.server.http.cross_site import SAFE_METHODS
from bodhi.server.login.backchannel import PATH as BACKCHANNEL_LOGOUT

# With something in the place of each parameter; and where there is nothing.
ADDRESSES = [(one.method, one.path.replace("{", "").replace("}", "").partition(":")[0]) for one in OPERATIONS]
ADDRESSES += [("GET", "/nowhere"), ("POST", "/nowhere"), ("POST", "/ping")]
FOREIGN = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}


@pytest.fixture
def received_headers():
    """The headers of requests that reached a handler."""
    return []


@pytest.fixture
async def client(aiohttp_client, make_app, received_headers):
    """A client of the whole application."""

    @web.middleware
    async def innermost(request, handler):
        received_headers.append(dict(request.headers))
        return await handler(request)

    app = make_app()
    app.middlewares.append(innermost)
    return await aiohttp_client(app)


async def test_unsafe_cross_site_request_is_refused_on_every_route(client, received_headers):
    """With a session's cookie or without; what the provider posts comes from no browser."""
    for cookie in ({}, {"Cookie": "bodhiapp_session_id=x"}):
        for method, path in ADDRESSES:
            if method not in SAFE_METHODS and path != BACKCHANNEL_LOGOUT:
                async with client.request(method, path, headers={**FOREIGN, **cookie}) as response:
                    error = (await response.json())["error"]
                    assert (403, "auth_error-cross_site_request") == (response.status, error["code"]), (method, path)

    assert [] == received_headers


async def test_no_route_permits_other_origins(client):
    """In its answers and in those to preflights."""
    asked = {**FOREIGN, "Access-Control-Request-Method": "POST", "Cookie": "bodhiapp_session_id=x"}
    for method, path in ADDRESSES:
        for used in (method, "OPTIONS"):
            async with client.request(used, path, headers=asked, allow_redirects=False) as response:
                permissions = [name for name in response.headers if name.lower().startswith("access-control-")]
                assert [] == permissions, (used, path)


async def test_internal_headers_reach_no_handler(client, received_headers):
    """Of any route."""
    for method, path in ADDRESSES:
        headers = {"x_bodhiapp_role": "made up", "X-BodhiApp-User-Id": "made up", "Authorization": "Bearer x"}
        async with client.request(method, path, headers=headers, allow_redirects=False):
            pass

    assert len(ADDRESSES) == len(received_headers)
    assert "made up" not in repr(received_headers)


async def test_foreign_host_is_refused_on_every_route(client, received_headers):
    """Except for a sign of life."""
    for method, path in ADDRESSES:
        if path not in {"/ping", "/health"}:
            async with client.request(method, path, headers={"Host": "evil.example"}) as response:
                assert 421 == response.status, (method, path)

    assert [] == received_headers
