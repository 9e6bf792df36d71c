"""A running provider with a manual clock, and an HTTP client."""

import aiohttp
import pytest

from bodhi.testing import Clock, DevelopmentProvider
from support.provider import CALLBACK, VERIFIER


@pytest.fixture
def clock():
    """The provider's time, in milliseconds."""
    return Clock()


@pytest.fixture
async def provider(clock):
    """A running provider."""
    async with DevelopmentProvider(now=lambda: clock() / 1000) as provider:
        yield provider


@pytest.fixture
async def http():
    """A browser with a cookie jar."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        yield http


@pytest.fixture
def post(provider, http):
    """Posts a form as the client; returns the status and the JSON, None for an empty body."""

    async def post(endpoint, **form):
        credentials = {"client_id": provider.client_id, "client_secret": provider.client_secret}
        sent = {name: value for name, value in (credentials | form).items() if value is not None}
        async with http.post(f"{provider.issuer}/protocol/openid-connect/{endpoint}", data=sent) as response:
            return response.status, await response.json() if await response.read() else None

    return post


@pytest.fixture
def redeem(post):
    """Redeems a code as the client, with *changes* to the form."""

    async def redeem(code, **changes):
        sound = {"grant_type": "authorization_code", "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        return await post("token", code=code, **(sound | changes))

    return redeem


@pytest.fixture
def refresh(post):
    """Uses a refresh token."""

    async def refresh(token, **changes):
        return await post("token", grant_type="refresh_token", refresh_token=token, **changes)

    return refresh


@pytest.fixture
def manage(provider, http):
    """Makes a management call with a bearer token; returns the status and the JSON."""

    async def manage(method, path, token=None, body=None):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with http.request(method, f"{provider.issuer}/bodhi/{path}", json=body, headers=headers) as response:
            return response.status, await response.json()

    return manage
