"""The whole application in this process on each database, a running provider, and browsers that log in."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from aiohttp import CookieJar
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import AbstractRouteDef

from bodhi.server.app import create_app
from bodhi.server.login.api import LOGIN
from bodhi.settings import load_settings
from bodhi.testing import DevelopmentProvider
from support.patience import PATIENT_ENVIRON
from support.provider import provider as provider  # noqa: PLC0414 - fixtures, which a conftest has by importing them
from support.server_process import environ as environ  # noqa: PLC0414
from support.server_process import launch as launch  # noqa: PLC0414

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}

StartServer = Callable[..., Awaitable[TestServer]]


class Browser(TestClient):
    """A client with a cookie jar that sends unsafe requests like a page of the server."""

    async def post(self, path: str, **options: Any) -> Any:  # type: ignore[override]
        """A POST from a page of this server."""
        return await super().post(path, **{**options, "headers": {**SAME_ORIGIN, **options.get("headers", {})}})

    async def put(self, path: str, **options: Any) -> Any:  # type: ignore[override]
        """A PUT from a page of this server."""
        return await super().put(path, **{**options, "headers": {**SAME_ORIGIN, **options.get("headers", {})}})

    async def delete(self, path: str, **options: Any) -> Any:  # type: ignore[override]
        """A DELETE from a page of this server."""
        return await super().delete(path, **{**options, "headers": {**SAME_ORIGIN, **options.get("headers", {})}})

    async def begin(self) -> str:
        """Start a login; return the authorization URL."""
        response = await self.post("/bodhi/v1/auth/initiate")
        assert 201 == response.status, await response.text()
        return str((await response.json())["location"])

    async def finish(self, callback: str | dict[str, str]) -> Any:
        """Complete a login with the provider's redirect URL or its parameters; return the response."""
        answer = dict(parse_qsl(urlsplit(callback).query)) if isinstance(callback, str) else callback
        return await self.post("/bodhi/v1/auth/callback", json=answer)

    async def log_in(self, provider: DevelopmentProvider, user: str = "user") -> dict[str, Any]:
        """Log in as *user*; return the result of ``GET /bodhi/v1/user``."""
        response = await self.finish(await provider.log_in_url(await self.begin(), user=user))
        assert 200 == response.status, await response.text()
        return await self.user()

    async def user(self) -> dict[str, Any]:
        """Return the result of ``GET /bodhi/v1/user``."""
        response = await self.get("/bodhi/v1/user")
        assert 200 == response.status, await response.text()
        return dict(await response.json())

    @property
    def session_cookie(self) -> str | None:
        """The session id in the browser's cookie."""
        return next((cookie.value for cookie in self.session.cookie_jar if "session_id" in cookie.key), None)


@pytest.fixture
async def start_server(database_url: str, provider: DevelopmentProvider, tmp_path: Path) -> AsyncIterator[StartServer]:
    """Starts nodes of one cluster, with additional *routes*, on the same database and provider."""
    async with AsyncExitStack() as stack:

        async def start(*routes: AbstractRouteDef, **environ: str | None) -> TestServer:
            given = {
                "BODHI_HOME": str(tmp_path / "bodhi"),
                "BODHI_SESSION_DB_URL": database_url,
                "BODHI_DATABASE_URL": database_url,
                **PATIENT_ENVIRON,
                "BODHI_AUTH_ISSUER": provider.issuer,
                "BODHI_AUTH_MANAGEMENT": "true",
                "BODHI_CLIENT_ID": provider.client_id,
                "BODHI_CLIENT_SECRET": provider.client_secret,
                **environ,  # None takes one away
            }
            settings = load_settings(
                environ={name: value for name, value in given.items() if value is not None}, cwd=tmp_path
            )
            app = create_app(settings)
            app.add_routes(routes)
            # Tests do not wait between two attempts; the delays have tests of their own.
            app[LOGIN].provider.grants._retry_delays = ()
            server = TestServer(app)
            await server.start_server()
            stack.push_async_callback(server.close)
            return server

        yield start


@pytest.fixture
async def server(start_server: StartServer) -> TestServer:
    """A node."""
    return await start_server()


@pytest.fixture
async def open_browser() -> AsyncIterator[Callable[[TestServer], Awaitable[Browser]]]:
    """Opens browsers with separate cookies."""
    async with AsyncExitStack() as stack:

        async def open_browser(server: TestServer) -> Browser:
            browser = Browser(server, cookie_jar=CookieJar(unsafe=True))
            # The server is the fixture's: closing a browser leaves it running.
            stack.push_async_callback(browser.session.close)
            return browser

        yield open_browser


@pytest.fixture
async def browser(server: TestServer, open_browser: Callable[[TestServer], Awaitable[Browser]]) -> Browser:
    """A browser at the node."""
    return await open_browser(server)
