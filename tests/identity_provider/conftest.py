"""A running provider, and a client that talks to it over HTTP."""

import aiohttp
import pytest

from support.provider import provider

__all__ = ["provider"]


@pytest.fixture
async def http():
    """A browser with a cookie jar, that follows no redirect unless it is told to."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        yield http
