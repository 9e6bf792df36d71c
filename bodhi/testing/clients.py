"""HTTP clients of an application under test: anonymous, or signed in."""

from contextlib import AsyncExitStack
from typing import Protocol

from aiohttp import CookieJar, TraceConfig, web
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from bodhi.server.access.scopes import Role, parse_role
from bodhi.session import SESSIONS, DefaultSessionService
from bodhi.testing.identity_provider import DevelopmentProvider, Person

Client = TestClient[web.Request, web.Application]

_SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


class OpenClient(Protocol):
    """What the fixture ``bodhi_client`` is."""

    async def __call__(self, app: web.Application, user_id: str | int | None = None, /, **data: object) -> Client:
        """Return a new client of *app*, with a session of *user_id* and *data* if either is given."""


class LogIn(Protocol):
    """What the fixture ``bodhi_log_in`` is."""

    async def __call__(self, app: web.Application, username: str = "user", *, role: Role | str | None = None) -> Client:
        """Return a new client of *app*, logged in through the provider as *username*, with *role* if it is given."""


class Clients:
    """Serves applications, each once, and opens clients of them, until *stack* is closed."""

    def __init__(self, stack: AsyncExitStack, service: DefaultSessionService) -> None:
        """*service* stores the sessions for an application that :func:`bodhi.session.setup` was not called for."""
        self._stack = stack
        self._service = service
        self._servers: dict[web.Application, TestServer] = {}

    async def open(self, app: web.Application, user_id: str | int | None = None, /, **data: object) -> Client:
        """See :class:`OpenClient`."""
        server, service = await self._server(app), app.get(SESSIONS, self._service)
        jar = CookieJar(unsafe=True, treat_as_secure_origin=server.make_url("/"))  # an IP address, without TLS
        client = TestClient(server, cookie_jar=jar, headers=_SAME_ORIGIN, trace_configs=[_flushing(service)])
        self._stack.push_async_callback(client.session.close)  # the server goes on for the other clients
        if user_id is not None:
            data["user_id"] = user_id
        if data:
            session_id, _ = await service.create(data)
            jar.update_cookies_from_headers(service.cookie.headers(session_id), server.make_url("/"))
        return client

    async def _server(self, app: web.Application) -> TestServer:
        if app not in self._servers:
            self._servers[app] = server = TestServer(app)
            self._stack.push_async_callback(server.close)
            await server.start_server()
        return self._servers[app]


def _flushing(service: DefaultSessionService) -> TraceConfig:
    # Uses of sessions are written a second later. Until then, a clock that a test advances passes their idle timeout.
    async def flush(*_: object) -> None:
        await service.flush()

    trace = TraceConfig()
    trace.on_request_end.append(flush)
    return trace


async def log_in(client: Client, provider: DevelopmentProvider, username: str, role: Role | str | None) -> None:
    """Log in at bodhi's server as *username*, an account that is added if it is missing; *role* replaces its role."""
    if provider.realm.accounts.named(username) is None:
        provider.add_person(Person(username))
    if role is not None:
        provider.set_role(username, parse_role(str(role)))
    async with client.post("/bodhi/v1/auth/initiate") as response:
        response.raise_for_status()
        authorization_url = (await response.json())["location"]
    callback = await provider.log_in_url(authorization_url, username)
    async with client.post("/bodhi/v1/auth/callback", json=dict(URL(callback).query)) as response:
        assert response.status == 200, await response.text()
