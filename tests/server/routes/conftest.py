"""The whole application on each database, with a caller of every kind."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from bodhi.server.app import create_app
from bodhi.server.authentication.guard import routes_of
from bodhi.server.http.operations import Operation
from bodhi.settings import load_settings
from bodhi.testing import DevelopmentProvider
from server.routes.live_server import environment
from support.provider import provider as provider  # noqa: PLC0414 - a fixture, which a conftest has by importing it

StartClient = Callable[..., Awaitable[TestClient]]


@pytest.fixture
async def start_client(database_url: str, provider: DevelopmentProvider, tmp_path: Path) -> AsyncIterator[StartClient]:
    """Serves the application with additional *operations*; returns a client without a cookie jar."""
    async with AsyncExitStack() as stack:

        async def start(
            operations: Iterable[Operation] = (), *, is_registered: bool = True, **environ: str
        ) -> TestClient:
            base = environment(provider, database_url, tmp_path / "bodhi", is_registered=is_registered)
            app = create_app(load_settings(environ={**base, **environ}, cwd=tmp_path))
            app.add_routes(routes_of(operations))
            return await stack.enter_async_context(TestClient(TestServer(app), cookie_jar=aiohttp.DummyCookieJar()))

        yield start
