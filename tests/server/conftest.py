"""Handlers with their gates on each database, with fake callers and a scripted provider."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from bodhi.database import Database, Schema, open_database
from bodhi.server.access.errors import NotSignedIn
from bodhi.server.access.principal import ANONYMOUS, AuthContext, SessionUser
from bodhi.server.access.profiles import Profiles
from bodhi.server.access.recent_login import RECENT_LOGIN, RecentLogin
from bodhi.server.access.scopes import Role
from bodhi.server.authentication.authenticator import AUTHENTICATOR
from bodhi.server.authentication.guard import routes_of
from bodhi.server.http.errors import error_middleware
from bodhi.server.http.operations import Operation
from bodhi.server.http.rate_limits import RATE_LIMITS, RateLimits
from bodhi.session import DefaultSessionService
from bodhi.testing.clock import Clock
from support.scripted_provider import ScriptedProvider

CALLER = "Test-Caller"
NOW = 1_800_000_000  # when everybody signed in; for sign-ins, time stands still

Serve = Callable[..., Awaitable["Api"]]


def session_user(name: str, role: Role) -> SessionUser:
    """Return a user who just logged in."""
    return SessionUser(f"id-{name}", name, role, f"token of {role}", signed_in_at=NOW)


class FakeAuthenticator:
    """Authenticates as the caller named in a request header."""

    def __init__(self) -> None:
        self.callers: dict[str, AuthContext] = {
            "nobody": SessionUser("id-nobody", "nobody", None, "token of nobody"),
            **{role.name.lower(): session_user(role.name.lower(), role) for role in Role},
        }

    async def strict(self, request: web.Request) -> AuthContext:
        context = await self.optional(request)
        if context is ANONYMOUS:
            raise NotSignedIn
        return context

    async def optional(self, request: web.Request) -> AuthContext:
        return self.callers.get(request.headers.get(CALLER, ""), ANONYMOUS)


class Api:
    """An HTTP client of the handlers."""

    def __init__(self, client: TestClient) -> None:
        self.client = client

    async def __call__(
        self, caller: str, method: str, path: str, body: object = None, **options: Any
    ) -> tuple[int, Any]:
        """Send a request; return the status and the JSON, None for an empty body, the code of an error."""
        headers = {**options.pop("headers", {}), CALLER: caller}
        given = options if body is None else {"json": body, **options}
        async with self.client.request(method, f"/bodhi/v1{path}", headers=headers, **given) as response:
            text = await response.text()
        answer = json.loads(text) if text else None
        return response.status, answer["error"]["code"] if response.status >= 400 else answer


@pytest.fixture
def has_tables() -> bool:
    """Databases with all tables; creating them is tested elsewhere."""
    return True


@pytest.fixture
def clock() -> Clock:
    """The clock of all services of the test."""
    return Clock()


@pytest.fixture
async def application(database_url: str) -> AsyncIterator[Database]:
    """The test's database, with the application's tables."""
    async with open_database(database_url, limit_seconds=60) as database:
        await Schema(database, "application").migrate()
        yield database


@pytest.fixture
async def sessions(database_url: str) -> AsyncIterator[DefaultSessionService]:
    """A session service on the same database."""
    keys = ["a key for tests, of at least thirty-two characters"]
    async with await DefaultSessionService.connect(database_url, keys=keys, sweep_seconds=None) as service:
        yield service


@pytest.fixture
def people(application: Database, clock: Clock) -> Profiles:
    """The stored profiles."""
    return Profiles(application, clock=clock)


@pytest.fixture
def provider() -> ScriptedProvider:
    """The identity provider, without users."""
    return ScriptedProvider()


@pytest.fixture
def authenticator() -> FakeAuthenticator:
    """Knows an anonymous caller, a user without a role, and a user of each role; tests may add others."""
    return FakeAuthenticator()


@pytest.fixture
def serve(aiohttp_client: Callable[..., Awaitable[TestClient]], authenticator: FakeAuthenticator) -> Serve:
    """Serves operations with *services* under their app keys; *prepare* may modify the application."""

    async def serve(
        operations: Iterable[Operation],
        services: dict[Any, Any],
        prepare: Callable[[web.Application], None] = lambda _: None,
    ) -> Api:
        app = web.Application(middlewares=[error_middleware])
        prepare(app)
        app[AUTHENTICATOR] = authenticator  # type: ignore[misc]
        app[RATE_LIMITS] = RateLimits(0)
        app[RECENT_LOGIN] = RecentLogin(900, clock=lambda: NOW)
        for key, service in services.items():
            app[key] = service
        app.add_routes(routes_of(operations))
        return Api(await aiohttp_client(app))

    return serve
