"""A proxy in front of bodhi and of a protected application, and browsers that access them through it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from aiohttp import ClientSession, CookieJar, DummyCookieJar, WSMsgType, web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Handler
from multidict import CIMultiDict
from yarl import URL

from server.login.conftest import Browser, start_server  # noqa: F401 - a fixture
from support import proxies
from support.provider import provider as provider  # noqa: PLC0414 - a fixture, which a conftest has by importing it


async def headers_seen(request: web.Request) -> web.Response:
    """Return the identity headers that arrived, as spelled; empty ones are left out."""
    told = [
        (name.decode(), value.decode()) for name, value in request.raw_headers if value and _is_identity(name.lower())
    ]
    return web.json_response(told)


def _is_identity(name: bytes) -> bool:
    return b"bodhi" in name or name in {b"cookie", b"authorization", b"upgrade"}


async def echo(request: web.Request) -> web.WebSocketResponse:
    """Send the user of the WebSocket, then echo messages."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.send_str(request.headers["X-BodhiApp-Username"])
    async for message in socket:
        if message.type == WSMsgType.TEXT:
            await socket.send_str(message.data)
    return socket


async def instruct(request: web.Request) -> web.Response:
    """Respond with the headers in the query, for the browser or the proxy."""
    return web.Response(headers=CIMultiDict(request.query), text="from here")


async def refuse(_: web.Request) -> web.Response:
    """Respond with the application's own error."""
    return web.Response(status=403, text="Not at this time of the day")


class Upstream:
    """An application without bodhi, which records the targets and header names of requests."""

    def __init__(self) -> None:
        self.targets: list[str] = []
        self.headers: list[list[str]] = []
        app = web.Application(middlewares=[self._note], handler_args={"max_field_size": 16_384})  # for a large token
        app.router.add_route("GET", "/socket", echo)
        app.router.add_route("GET", "/refused", refuse)
        app.router.add_route("GET", "/answer", instruct)
        app.router.add_route("GET", "/static/answer", instruct)
        app.router.add_route("*", "/{path:.*}", headers_seen)
        self.server = TestServer(app)

    @web.middleware
    async def _note(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.targets.append(request.raw_path)
        self.headers.append(list(request.headers))
        return await handler(request)


@pytest.fixture
async def application() -> AsyncIterator[Upstream]:
    """The protected application."""
    upstream = Upstream()
    async with upstream.server:
        yield upstream


@pytest.fixture
async def static_files() -> AsyncIterator[Upstream]:
    """The public static files, served by the same handlers."""
    upstream = Upstream()
    async with upstream.server:
        yield upstream


@pytest.fixture
def gives_tokens() -> bool:
    """Whether the proxy forwards access tokens; overridden by tests."""
    return False


@pytest.fixture
def additions() -> tuple[str, ...]:
    """Options in addition to the plain configuration; overridden by tests."""
    return ()


@pytest.fixture
def changes() -> Mapping[str, Mapping[str, str]]:
    """Changes to the page's configuration, by proxy; overridden by tests."""
    return {}


@pytest.fixture(params=list(proxies.PROXIES))
async def proxy(
    request: pytest.FixtureRequest,
    start_server: Any,  # noqa: F811
    application: Upstream,
    static_files: Upstream,
    gives_tokens: bool,
    additions: tuple[str, ...],
    changes: Mapping[str, Mapping[str, str]],
) -> AsyncIterator[str]:
    """The URL of the proxy."""
    bodhi = await start_server(
        BODHI_TRUSTED_PROXIES="127.0.0.1/32",
        BODHI_VERIFY_ACCESS_TOKEN=str(gives_tokens).lower(),
        BODHI_VERIFY_CLAIMS="X-BodhiApp-Department=department" if proxies.FURTHER_CLAIM in additions else None,
    )
    ports = {"bodhi": bodhi.port, "application": application.server.port, "static": static_files.server.port}
    start = proxies.PROXIES[request.param](
        **ports, additions=additions, gives_tokens=gives_tokens, changes=changes.get(request.param, {})
    )
    url = await asyncio.to_thread(start.__enter__)
    application.targets.clear()
    yield url
    await asyncio.to_thread(start.__exit__, None, None, None)


@pytest.fixture
def proxy_name(request: pytest.FixtureRequest, proxy: str) -> str:
    """The name of the proxy."""
    return str(request.node.callspec.params["proxy"])


class RawClient:
    """Sends raw requests that a library would correct or refuse."""

    def __init__(self, url: str) -> None:
        self._address = URL(url)

    async def get(self, target: str, *lines: str) -> tuple[int, list[tuple[str, str]], str]:
        """Send ``GET`` *target* with header *lines*; return status, lower-case headers, and body."""
        request = [f"GET {target} HTTP/1.1", f"Host: {self._address.authority}", *lines]
        if not any(line.lower().startswith("connection:") for line in lines):
            request.append("Connection: close")
        reader, writer = await asyncio.open_connection(self._address.host, self._address.port)
        try:
            writer.write("".join(f"{line}\r\n" for line in [*request, ""]).encode("latin-1"))
            head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 300)).decode("latin-1")
            status, *fields = head.strip().split("\r\n")
            headers = [(name.lower(), value.strip()) for name, _, value in (field.partition(":") for field in fields)]
            length = int(dict(headers).get("content-length", "0"))
            body = (await reader.readexactly(length)).decode()
        finally:
            writer.close()
        return int(status.split()[1]), headers, body


@pytest.fixture
def raw(proxy: str) -> RawClient:
    """A raw client of the proxy."""
    return RawClient(proxy)


class Visitor(Browser):
    """A browser that accesses bodhi through the proxy."""

    def __init__(self, url: str, session: ClientSession) -> None:
        self._url = url
        self._visitor = session

    @property
    def session(self) -> ClientSession:
        return self._visitor

    async def request(self, method: str, path: str, **options: Any) -> Any:  # type: ignore[override]
        url = URL(self._url + path, encoded=True)  # as it is, whatever it looks like
        return await self._visitor.request(method, url, **{"allow_redirects": False, **options})

    async def get(self, path: str, **options: Any) -> Any:  # type: ignore[override]
        return await self.request("GET", path, **options)

    async def post(self, path: str, **options: Any) -> Any:  # type: ignore[override]
        headers = {"Sec-Fetch-Site": "same-origin", **options.pop("headers", {})}
        return await self.request("POST", path, headers=headers, **options)

    def connect(self, path: str, **options: Any) -> Any:
        """Open a WebSocket."""
        return self._visitor.ws_connect(self._url + path, **options)


@pytest.fixture
async def visitor(proxy: str) -> AsyncIterator[Visitor]:
    """A browser at the proxy."""
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
        yield Visitor(proxy, session)


@pytest.fixture
async def cookieless_client(proxy: str) -> AsyncIterator[Visitor]:
    """A client of the proxy without a cookie jar."""
    async with ClientSession(cookie_jar=DummyCookieJar()) as session:
        yield Visitor(proxy, session)
