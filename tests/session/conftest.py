"""A session service on each database, with a clock that tests move, and applications served over HTTP."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import CookieJar, DummyCookieJar, web
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.typedefs import Handler, Middleware
from aiohttp_session import get_session

from bodhi.database.statements import Statement
from bodhi.session import DefaultSessionService, SessionUnavailable, setup
from session.pages import PAGES
from support.raw_database import RawDatabase

KEY = "a key for tests, of at least thirty-two characters"
IDLE_SECONDS = 3_600
LIFETIME_SECONDS = 86_400
TOUCH_SECONDS = 60
SETTINGS: dict[str, Any] = {
    "keys": [KEY],
    "idle_seconds": IDLE_SECONDS,
    "lifetime_seconds": LIFETIME_SECONDS,
    "touch_seconds": TOUCH_SECONDS,
    "sweep_seconds": None,
}
DEADLINE_SECONDS = 300

MakeService = Callable[..., Awaitable[DefaultSessionService]]
Serve = Callable[..., Awaitable[TestClient]]


class Clock:
    """The time in milliseconds since 1970, as every statement is told it; it stands still until it is moved."""

    def __init__(self) -> None:
        self.now_ms = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now_ms

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass."""
        self.now_ms += round(seconds * 1000)


@pytest.fixture
def has_tables() -> bool:
    """They are there: that they are created is tested elsewhere."""
    return True


@pytest.fixture
def clock() -> Clock:
    """The clock of every service of this test."""
    return Clock()


@pytest.fixture
async def make_service(database_url: str, clock: Clock) -> AsyncIterator[MakeService]:
    """Makes further services on the test's database: other nodes of the cluster, or other settings."""
    async with AsyncExitStack() as stack:

        async def make(**options: Any) -> DefaultSessionService:
            service = DefaultSessionService.from_url(database_url, **{**SETTINGS, "clock": clock, **options})
            return await stack.enter_async_context(service)

        yield make


@pytest.fixture
async def service(make_service: MakeService) -> DefaultSessionService:
    """A service on an empty database, with timeouts of an hour and a day."""
    return await make_service()


@pytest.fixture
async def raw(database_url: str) -> AsyncIterator[RawDatabase]:
    """The test's database, past bodhi."""
    async with RawDatabase(database_url) as raw:
        yield raw


class _Server(TestServer):
    """A server that leaves handlers alone when the browser goes away, as aiohttp's does unless told otherwise."""

    def __init__(self, app: web.Application, *, cancels_handlers: bool) -> None:
        super().__init__(app)
        self._cancels_handlers = cancels_handlers

    async def _make_runner(self, **options: Any) -> web.BaseRunner:
        # A test that fails while it holds a request does not wait for it to end.
        own = {"handler_cancellation": self._cancels_handlers, "shutdown_timeout": 0.1}
        return await super()._make_runner(**{**options, **own})


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serves an application, with the usual pages and a test's own, to a browser.

    *around* are middlewares outside of the session's, *inside* those within it; *handlers* answer under their names.
    Unless it *keeps_cookies* the browser sends what a test writes into the header. With *cancels_handlers* the server
    stops the handler of a browser that goes away, as ``web.run_app(handler_cancellation=True)`` does.
    """
    async with AsyncExitStack() as stack:

        async def serve(
            service: DefaultSessionService,
            *,
            install: Callable[[web.Application, DefaultSessionService], None] = setup,
            around: Iterable[Middleware] = (),
            inside: Iterable[Middleware] = (),
            keeps_cookies: bool = True,
            cancels_handlers: bool = False,
            **handlers: Handler,
        ) -> TestClient:
            app = web.Application(middlewares=around)
            install(app, service)
            app.middlewares.extend(inside)
            app.add_routes(PAGES)
            for name, handler in handlers.items():
                app.router.add_route("*", f"/{name}", handler)
            jar = CookieJar(unsafe=True) if keeps_cookies else DummyCookieJar()
            client = TestClient(_Server(app, cancels_handlers=cancels_handlers), cookie_jar=jar)
            await client.start_server()
            stack.push_async_callback(client.close)
            return client

        yield serve


@pytest.fixture
async def client(serve: Serve, service: DefaultSessionService) -> TestClient:
    """A browser that keeps its cookies, at an application with the usual pages."""
    return await serve(service)


@pytest.fixture
async def bare_client(serve: Serve, service: DefaultSessionService) -> TestClient:
    """The same, but for the cookies: it sends those that a test writes."""
    return await serve(service, keeps_cookies=False)


class HeldRequest:
    """A handler that stops between loading its session and changing it, until it may go on."""

    def __init__(self, change: Callable[[Any], object] | None = None) -> None:
        self._change = change or (lambda session: session.update(late=True))
        self._loaded = asyncio.Event()
        self._may_go_on = asyncio.Event()

    async def handler(self, request: web.Request) -> web.StreamResponse:
        session = await get_session(request)
        self._loaded.set()
        await self._may_go_on.wait()
        self._change(session)
        return web.json_response(dict(session))

    async def reached(self) -> None:
        """Returns once a request has loaded its session and waits."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            await self._loaded.wait()

    def go_on(self) -> None:
        """Lets the request make its change and end."""
        self._may_go_on.set()


@pytest.fixture
def hold() -> type[HeldRequest]:
    """Makes handlers that stop between loading the session and changing it."""
    return HeldRequest


class OtherProcess:
    """A process of its own on the same database, as another node or an operator's command would be."""

    def __init__(self, **environment: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("other_process.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        self._turn = threading.Lock()

    def _ask(self, command: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._turn:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        assert answer, "the other process has failed; its traceback is on stderr"
        return json.loads(answer)

    async def ask(self, command: dict[str, Any]) -> Any:
        """The answer to one command of ``other_process.py``."""
        return await asyncio.to_thread(self._ask, command)

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=DEADLINE_SECONDS)
        self._process.stdout.close()


class OtherNode:
    """What another process does with the test's database, at the time of the test's clock unless told otherwise."""

    def __init__(self, process: OtherProcess, url: str, clock: Callable[[], int | None]) -> None:
        self._process = process
        self._url = url
        self._clock = clock

    async def call(self, method: str, *arguments: Any, seconds_later: float = 0, **options: Any) -> Any:
        """What the service's *method* returns there."""
        return await self._ask({"call": method, "arguments": arguments}, seconds_later, options)

    async def http(
        self, method: str, path: str, *, cookie: str | None = None, json: Any = None, **options: Any
    ) -> dict[str, Any]:
        """The status, the cookie and the text of the answer to a request there."""
        command = {"method": method, "path": path, "cookie": cookie, "json": json}
        answer: dict[str, Any] = await self._ask(command, 0, options)
        return answer

    async def _ask(self, command: dict[str, Any], seconds_later: float, options: dict[str, Any]) -> Any:
        now_ms = self._clock()
        if now_ms is not None:
            now_ms += round(seconds_later * 1000)
        settings = {**SETTINGS, **options}
        return await self._process.ask({**command, "url": self._url, "now_ms": now_ms, "options": settings})


@pytest.fixture(scope="session")
def other_process() -> Iterator[OtherProcess]:
    """One further process for all tests of this worker."""
    process = OtherProcess()
    yield process
    process.close()


@pytest.fixture
def other_node(other_process: OtherProcess, database_url: str, clock: Clock) -> OtherNode:
    """Another process on the test's database."""
    return OtherNode(other_process, database_url, clock)


@pytest.fixture
def start_node() -> Iterator[Callable[..., OtherNode]]:
    """Starts nodes with an environment of their own, which go by the database's clock."""
    processes: list[OtherProcess] = []

    def start(url: str, **environment: str) -> OtherNode:
        processes.append(OtherProcess(**environment))
        return OtherNode(processes[-1], url, lambda: None)

    yield start
    for process in processes:
        process.close()


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the statements that run from here on, on any service of this process.

    Without what begins and bounds a transaction, which is the driver's own.
    """
    names: list[str] = []
    arguments = Statement.arguments

    def record(statement: Statement, *given: Any) -> tuple[object, ...]:
        if statement.name != "limit_transaction":
            names.append(statement.name)
        return arguments(statement, *given)

    monkeypatch.setattr(Statement, "arguments", record)
    return names


@pytest.fixture
def break_store(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes methods of a service's store fail as if the database did not answer, or with another error."""

    def fail(service: DefaultSessionService, *methods: str, error: Exception | None = None) -> None:
        async def failing(*_: object, **__: object) -> None:
            raise error or SessionUnavailable

        @asynccontextmanager
        async def failing_block(*_: object, **__: object) -> AsyncIterator[None]:
            raise error or SessionUnavailable
            yield  # type: ignore[unreachable]

        for method in methods:
            failure = failing_block if method == "locked" else failing
            monkeypatch.setattr(service.get_session_store(), method, failure)

    return fail
