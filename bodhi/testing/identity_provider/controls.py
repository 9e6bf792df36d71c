"""What a test sees of the calls, and how it makes them go wrong."""

import asyncio
import json
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from bodhi.testing.identity_provider.token_endpoint import GRANTS

# Given the answer, or None before there is one; gives the answer to send, or None to go on.
Behaviour = Callable[[web.Request, web.StreamResponse | None], Awaitable[web.StreamResponse | None]]


@dataclass(slots=True)
class Call:
    """One request that came."""

    name: str
    headers: Mapping[str, str] = field(repr=False)
    parameters: Mapping[str, str] = field(repr=False)
    status: int | None = None  # of the answer; None until there is one


@dataclass(slots=True)
class Hold:
    """A point at which a call waits."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait_until_reached(self) -> None:
        """Returns when a call has come to it."""
        await self.reached.wait()

    def release(self) -> None:
        """Let the call go on, and later ones too."""
        self.released.set()


@dataclass(slots=True)
class _Script:
    behaviour: Behaviour
    after: bool
    left: int | None


class Controls:
    """Counts calls by name and makes them fail.

    The names: ``discovery``, ``certs``, ``userinfo``, ``authorize``, ``log_in``, ``code``, ``refresh``,
    ``client_credentials``, ``exchange``, ``revoke``, ``log_out``, and those of the management calls, which are the
    methods of :class:`~bodhi.testing.identity_provider.management.Management`.

    A script is used up after *times* calls; None is for ever. With ``after=True`` the call takes effect first, so that
    a refresh token is used up though its client does not hear of it. Scripts for one name act in their order, one
    a call.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.counts: Counter[str] = Counter()
        self._scripts: dict[str, list[_Script]] = {}
        self._closed = asyncio.Event()
        self._called: list[tuple[str, int, asyncio.Event]] = []

    def fail(
        self,
        name: str,
        *,
        status: int = 500,
        body: str | bytes | Mapping[str, Any] = "",
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
        after: bool = False,
        times: int | None = 1,
    ) -> None:
        """Answer with this in place of the right answer; a mapping as *body* becomes JSON."""
        is_json = not isinstance(body, str | bytes)
        data = json.dumps(body).encode() if is_json else body.encode() if isinstance(body, str) else body
        said = content_type or ("application/json" if is_json else "text/html")

        async def answer(_: web.Request, __: web.StreamResponse | None) -> web.Response:
            return web.Response(body=data, status=status, headers={hdrs.CONTENT_TYPE: said, **(headers or {})})

        self._add(name, answer, after, times)

    def alter(self, name: str, change: Callable[[dict[str, Any]], object], *, times: int | None = 1) -> None:
        """Let *change* work on the JSON object of a right answer before it is sent; errors stay as they are."""

        async def altered(_: web.Request, response: web.StreamResponse | None) -> web.StreamResponse | None:
            assert isinstance(response, web.Response)
            if response.status >= 400:
                return response
            content = json.loads(response.text or "")
            change(content)
            return web.json_response(content, status=response.status)

        self._add(name, altered, True, times)

    def reset(self, name: str, *, after: bool = False, times: int | None = 1) -> None:
        """Break the connection instead of an answer."""

        async def broken(request: web.Request, _: web.StreamResponse | None) -> web.Response:
            _break(request)
            return web.Response()

        self._add(name, broken, after, times)

    def hang(self, name: str, *, after: bool = False, times: int | None = 1) -> None:
        """Never answer."""

        async def silent(request: web.Request, _: web.StreamResponse | None) -> web.Response:
            await self._closed.wait()
            _break(request)
            return web.Response()

        self._add(name, silent, after, times)

    def delay(self, name: str, seconds: float, *, after: bool = False, times: int | None = 1) -> None:
        """Answer so much later, in real time."""

        async def late(_: web.Request, response: web.StreamResponse | None) -> web.StreamResponse | None:
            await self._unless_closed(asyncio.sleep(seconds))
            return response

        self._add(name, late, after, times)

    def hold(self, name: str, *, after: bool = False, times: int | None = 1) -> Hold:
        """Let the call wait until the hold that this gives is released."""
        hold = Hold()

        async def held(_: web.Request, response: web.StreamResponse | None) -> web.StreamResponse | None:
            hold.reached.set()
            await self._unless_closed(hold.released.wait())
            return response

        self._add(name, held, after, times)
        return hold

    def heal(self) -> None:
        """Forget all scripts that were not used up."""
        self._scripts.clear()

    async def wait_for_calls(self, name: str, count: int = 1, *, limit_seconds: float = 60.0) -> None:
        """Return when *count* calls of this name have arrived since the provider started.

        Raises:
            TimeoutError: they did not arrive within *limit_seconds*.

        """
        if self.counts[name] < count:
            event = asyncio.Event()
            self._called.append((name, count, event))
            try:
                async with asyncio.timeout(limit_seconds):
                    await event.wait()
            except TimeoutError:
                arrived = f"{self.counts[name]} of {count} calls of {name}"
                raise TimeoutError(f"{arrived} arrived within {limit_seconds:g} s") from None

    def close(self) -> None:
        """Let everything go that hangs or is held."""
        self._closed.set()

    @property
    def middleware(self) -> Middleware:
        """What an application needs as its outermost middleware."""

        @web.middleware
        async def controlled(request: web.Request, handler: Handler) -> web.StreamResponse:
            call = await self._note(request)
            response = await self._act(request, call.name, None)
            if response is None:
                response = await self._act(request, call.name, await handler(request))
            assert response is not None
            call.status = response.status
            return response

        return controlled

    def _add(self, name: str, behaviour: Behaviour, after: bool, times: int | None) -> None:
        self._scripts.setdefault(name, []).append(_Script(behaviour, after, times))

    async def _note(self, request: web.Request) -> Call:
        parameters = await _parameters(request)
        name = request.match_info.route.name or "unknown"
        if name == "token":
            name = GRANTS.get(parameters.get("grant_type", ""), name)
        call = Call(name, dict(request.headers), parameters)
        self.calls.append(call)
        self.counts[name] += 1
        for waiting, count, event in self._called:
            if waiting == name and self.counts[name] >= count:
                event.set()
        return call

    async def _act(
        self, request: web.Request, name: str, response: web.StreamResponse | None
    ) -> web.StreamResponse | None:
        after = response is not None
        for script in self._scripts.get(name, ()):
            if script.after is after and script.left != 0:
                if script.left is not None:
                    script.left -= 1
                return await script.behaviour(request, response)
        return response

    async def _unless_closed(self, waiting: Awaitable[object]) -> None:
        tasks = [asyncio.ensure_future(waiting), asyncio.ensure_future(self._closed.wait())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _parameters(request: web.Request) -> dict[str, str]:
    """Those of the query, the form and the JSON object."""
    form = await request.post()
    parameters = {name: str(value) for name, value in (*request.query.items(), *form.items())}
    if request.content_type == "application/json":
        with suppress(ValueError):
            content = await request.json()
            parameters |= {name: str(value) for name, value in content.items()} if isinstance(content, dict) else {}
    return parameters


def _break(request: web.Request) -> None:
    """End the connection with a reset, as a server does that crashed."""
    if request.transport is not None:
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
