"""A scripted provider on loopback that records its requests."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

REALM = "/realms/bodhi"
DISCOVERY = "/.well-known/openid-configuration"
KEYS = "/protocol/openid-connect/certs"
TOKEN = "/protocol/openid-connect/token"


@dataclass
class ReceivedRequest:
    """A received request."""

    method: str
    path: str  # without the realm's
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    form: dict[str, str] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Reply:
    """A response: JSON unless *body* is bytes; *hangs* never responds, *resets* resets the connection."""

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False
    resets: bool = False


HANGS = Reply(hangs=True)
RESETS = Reply(resets=True)


class ScriptedProvider:
    """Replies by path in turn; the last one repeats. Paths without replies are 404."""

    def __init__(self) -> None:
        self.requests: list[ReceivedRequest] = []
        self.came = asyncio.Event()  # a request, since it was cleared
        self._replies: dict[str, list[Reply | Callable[[ReceivedRequest], Reply]]] = {}
        self._held = asyncio.Event()
        self._open = asyncio.Event()
        self._open.set()
        app = web.Application(client_max_size=2**22)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._server = TestServer(app)

    async def start(self) -> None:
        await self._server.start_server()

    async def close(self) -> None:
        self._held.set()
        self._open.set()
        await self._server.close()

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self._server.port}{REALM}"

    @property
    def metadata(self) -> dict[str, Any]:
        """The default metadata."""
        base = f"{self.issuer}/protocol/openid-connect"
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{base}/auth",
            "token_endpoint": f"{base}/token",
            "jwks_uri": f"{base}/certs",
            "end_session_endpoint": f"{base}/logout",
            "revocation_endpoint": f"{base}/revoke",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }

    def reply(self, path: str, *replies: Reply | Callable[[ReceivedRequest], Reply]) -> None:
        """Answer requests for *path* with *replies* from now on, or with what they return for the request."""
        self._replies[path] = list(replies)

    def describe(self, **changes: Any) -> None:
        """Answer discovery with the default metadata and these *changes*."""
        self.reply(DISCOVERY, Reply(body={**self.metadata, **changes}))

    def publish(self, *jwks: Any) -> None:
        """Publish these keys."""
        self.reply(KEYS, Reply(body={"keys": list(jwks)}))

    def hold(self) -> None:
        """Hold every response until :meth:`release`."""
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    def count(self, path: str) -> int:
        """Return how often *path* was requested."""
        return sum(request.path == path for request in self.requests)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix(REALM)
        is_form = request.content_type == "application/x-www-form-urlencoded"
        form = {name: str(value) for name, value in (await request.post()).items()} if is_form else {}
        body = b"" if is_form else await request.read()
        received = ReceivedRequest(request.method, path, dict(request.query), dict(request.headers), body, form)
        self.requests.append(received)
        self.came.set()
        replies = self._replies.get(path, [Reply(404, {"error": "HTTP 404 Not Found"})])
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        reply = reply if isinstance(reply, Reply) else reply(received)
        await self._open.wait()
        if reply.hangs:
            await self._held.wait()
        if reply.resets and request.transport is not None:
            request.transport.abort()
        if isinstance(reply.body, bytes):
            return web.Response(status=reply.status, body=reply.body, headers=reply.headers)
        return web.json_response(reply.body, status=reply.status, headers=reply.headers)
