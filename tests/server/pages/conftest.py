"""The application with its pages in this process, and a development provider."""

from contextlib import AsyncExitStack

import pytest
from aiohttp import CookieJar
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from bodhi.server.app import create_app
from bodhi.settings import load_settings
from bodhi.testing import DevelopmentProvider
from server.pages.browser import Browser
from support.patience import PATIENT_ENVIRON
from support.ports import free_port


@pytest.fixture
async def provider():
    """A provider with the users admin, manager, power, user and nobody."""
    async with DevelopmentProvider() as provider:
        yield provider


@pytest.fixture
async def serve(tmp_path):
    """Serves the application with additional *routes* and the settings *environ*."""
    async with AsyncExitStack() as stack:

        async def serve(*routes, **environ):
            port = free_port()
            base = {"BODHI_HOME": str(tmp_path / "bodhi"), "BODHI_PORT": str(port), **PATIENT_ENVIRON}
            settings = load_settings(environ={**base, **environ}, cwd=tmp_path)
            app = create_app(settings)
            app.add_routes(routes)
            server = TestServer(app, port=port)
            await stack.enter_async_context(server)
            return server

        yield serve


@pytest.fixture
async def server(database_url, serve, provider):  # in this order: the database outlives the server
    """The application on each database, as a client of the provider."""
    return await serve(**environment(provider, database_url))


@pytest.fixture
async def new_browser(provider):
    """Opens browsers with separate cookies."""
    async with AsyncExitStack() as stack:

        async def new_browser(server):
            client = TestClient(server, cookie_jar=CookieJar(unsafe=True))
            stack.push_async_callback(client.session.close)
            return Browser(client, [str(URL(provider.issuer).origin())])

        yield new_browser


@pytest.fixture
async def browser(server, new_browser):
    """A browser without a login."""
    return await new_browser(server)


@pytest.fixture
async def client(serve):
    """A client of the application on SQLite, without a provider."""
    async with TestClient(await serve()) as client:
        yield client


def environment(provider, database_url):
    """Return settings for an application that is a client of *provider*, with all data in one database."""
    return {
        "BODHI_SESSION_DB_URL": database_url,
        "BODHI_DATABASE_URL": database_url,
        "BODHI_AUTH_ISSUER": provider.issuer,
        "BODHI_AUTH_MANAGEMENT": "true",
        "BODHI_AUTH_LOGOUT": "true",
        "BODHI_CLIENT_ID": provider.client_id,
        "BODHI_CLIENT_SECRET": provider.client_secret,
    }
