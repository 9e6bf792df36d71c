"""Pytest fixtures for applications that use bodhi: ``pytest_plugins = ["bodhi.testing.plugin"]`` in ``conftest.py``.

They need pytest-asyncio, in any mode. ``docs/how-to/test-your-application.md`` explains them by an example.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from aiohttp import web

from bodhi.database import BadDatabaseUrl, dialect_of, open_database
from bodhi.server.access.scopes import Role
from bodhi.session import DefaultSessionService
from bodhi.settings import Settings, load_settings
from bodhi.testing.clients import Client, Clients, LogIn, OpenClient, log_in
from bodhi.testing.clock import Clock
from bodhi.testing.identity_provider import DevelopmentProvider

MEMORY = "sqlite::memory:"
KEY = "a-key-for-tests-of-at-least-thirty-two-characters"
LIMIT_SECONDS = 60.0  # of waits for the database and the provider: a busy machine fails no test


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--bodhi-database``."""
    parser.getgroup("bodhi").addoption(
        "--bodhi-database",
        metavar="URL",
        default=MEMORY,
        help="PostgreSQL database in which each test gets a schema of its own (default: SQLite in memory)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a URL that leaves the data of one test to the next."""
    url = config.getoption("--bodhi-database")
    try:
        is_fit = url == MEMORY or dialect_of(url) == "postgres"
    except BadDatabaseUrl as error:
        raise pytest.UsageError(f"--bodhi-database: {error}") from error
    if not is_fit:
        raise pytest.UsageError(f"--bodhi-database: a postgres:// URL or {MEMORY}, for each test begins with no data")


@pytest_asyncio.fixture
async def bodhi_database_url(pytestconfig: pytest.Config) -> AsyncIterator[str]:
    """The URL of a database without tables: SQLite in memory, or a schema of its own on PostgreSQL."""
    url: str = pytestconfig.getoption("--bodhi-database")
    if url != MEMORY:
        url += f"{'&' if '?' in url else '?'}search_path=bodhi_test_{uuid4().hex}"
    yield url
    async with open_database(url, limit_seconds=LIMIT_SECONDS) as database:
        await database.maybe("drop_test_schema")


@pytest.fixture
def bodhi_clock() -> Clock:
    """The clock of ``bodhi_service``, which stands still until the test calls ``bodhi_clock.advance(hours=25)``."""
    return Clock()


@pytest.fixture
def bodhi_service_options() -> Mapping[str, Any]:  # any option of any type
    """Options of ``bodhi_service``, none: override it with those of your application."""
    return {}


@pytest_asyncio.fixture
async def bodhi_service(
    bodhi_database_url: str, bodhi_clock: Clock, bodhi_service_options: Mapping[str, Any]
) -> AsyncIterator[DefaultSessionService]:
    """An open session service without sessions, which deletes expired ones when ``sweep()`` is called."""
    fixed = {"keys": [KEY], "clock": bodhi_clock, "sweep_seconds": None, "limit_seconds": LIMIT_SECONDS}
    async with DefaultSessionService.from_url(bodhi_database_url, **{**fixed, **bodhi_service_options}) as service:
        yield service


@pytest_asyncio.fixture
async def bodhi_client(bodhi_service: DefaultSessionService) -> AsyncIterator[OpenClient]:
    """Opens clients of an application.

    ``await bodhi_client(app, "ann", role="editor")`` is signed in, ``await bodhi_client(app)`` is not.
    """
    async with AsyncExitStack() as stack:
        yield Clients(stack, bodhi_service).open


@pytest_asyncio.fixture
async def bodhi_provider() -> AsyncIterator[DevelopmentProvider]:
    """A running identity provider, whose answers the test chooses."""
    async with DevelopmentProvider() as provider:
        yield provider


@pytest.fixture
def bodhi_settings(bodhi_database_url: str, bodhi_provider: DevelopmentProvider, tmp_path: Path) -> Settings:
    """Settings for :func:`bodhi.server.app.create_app`: a server without data, whose users ``bodhi_provider`` knows."""
    return load_settings(
        environ={
            "BODHI_HOME": str(tmp_path / "bodhi"),
            "BODHI_ENCRYPTION_KEY": KEY,
            "BODHI_SESSION_DB_URL": bodhi_database_url,
            "BODHI_DATABASE_URL": bodhi_database_url,
            "BODHI_DB_TIMEOUT": f"{LIMIT_SECONDS:.0f}",
            "BODHI_AUTH_TIMEOUT": f"{LIMIT_SECONDS:.0f}",
            "BODHI_AUTH_ISSUER": bodhi_provider.issuer,
            "BODHI_AUTH_MANAGEMENT": "true",
            "BODHI_CLIENT_ID": bodhi_provider.client_id,
            "BODHI_CLIENT_SECRET": bodhi_provider.client_secret,
        },
        cwd=tmp_path,
    )


@pytest.fixture
def bodhi_log_in(bodhi_provider: DevelopmentProvider, bodhi_client: OpenClient) -> LogIn:
    """Opens clients of an application that ``create_app`` made, and logs in at its server.

    ``await bodhi_log_in(app, "ann", role="resource_manager")`` is Ann, who has this role.
    """

    async def new_client(app: web.Application, username: str = "user", *, role: Role | str | None = None) -> Client:
        client = await bodhi_client(app)
        await log_in(client, bodhi_provider, username, role)
        return client

    return new_client
