"""The whole application on each database, with one caller of every kind that there is."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from bodhi.app import create_app
from bodhi.settings import load_settings
from bodhi.testing import DevelopmentProvider
from bodhi.web.guard import routes_of
from bodhi.web.operations import Operation
from support.provider import provider as provider  # noqa: PLC0414 - a fixture, which a conftest has by importing it

StartClient = Callable[..., Awaitable[TestClient]]


@pytest.fixture
async def start_client(database_url: str, provider: DevelopmentProvider, tmp_path: Path) -> AsyncIterator[StartClient]:
    """Serves the application, with *operations* beside its own; what it gives has no cookies but those it is told."""
    async with AsyncExitStack() as stack:

        async def start(operations: Iterable[Operation] = (), **environ: str) -> TestClient:
            settings = load_settings(
                environ={
                    "BODHI_HOME": str(tmp_path / "bodhi"),
                    "BODHI_SESSION_DB_URL": database_url,
                    "BODHI_DATABASE_URL": database_url,
                    "BODHI_AUTH_ISSUER": provider.issuer,
                    "BODHI_AUTH_MANAGEMENT": "true",
                    **environ,
                },
                cwd=tmp_path,
            )
            app = create_app(settings)
            app.add_routes(routes_of(operations))
            return await stack.enter_async_context(TestClient(TestServer(app), cookie_jar=aiohttp.DummyCookieJar()))

        yield start


@pytest.fixture
def registered(provider: DevelopmentProvider) -> dict[str, str]:
    """The environment of a server that is a client of the provider."""
    return {"BODHI_CLIENT_ID": provider.client_id, "BODHI_CLIENT_SECRET": provider.client_secret}
