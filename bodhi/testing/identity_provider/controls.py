"""Call recording and fault injection."""

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

# Called with None before the handler or its response after it. Returns the response to send, or None to continue.
Behaviour = Callable[[web.Request, web.StreamResponse | None], Awaitable[web.StreamResponse | None]]


@dataclass(slots=True)
class Call:
    """A received request."""

    name: str
    headers: Mapping[str, str] = field(repr=False)
    parameters: Mapping[str, str] = field(repr=False)
    status: int | None = None  # of the response; None until there is one
    client_port: int | None = None  # of the connection; tells which process called


@dataclass(slots=True)
class Hold:
    """A held call."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait_until_reached(self) -> None:
        """Return when a call is being held."""
        await self.reached.wait()

    def release(self) -> None:
        """Release the call, and do not hold later ones."""
        self.released.set()


@dataclass(slots=True)
class _Fault:
    behaviour: Behaviour
    after: bool
    left: int | None


class Controls:
    """Counts calls by name and injects faults.

    The names: ``discovery``, ``certs``, ``userinfo``, ``authorize``, ``log_in``, ``code``, ``refresh``,
    ``client_credentials``, ``exchange``, ``revoke``, ``log_out``, and those of the management calls, which are the
    methods of :class:`~bodhi.testing.identity_provider.management.Management`.

    A fault applies to the next *times* calls; None means all. With ``after=True`` the call takes effect before the
    fault: a refresh token is consumed although its client gets no response. Faults of one name apply in order, one per
    call.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.counts: Counter[str] = Counter()
        self._faults: dict[str, list[_Fault]] = {}
        self._closed = asyncio.Event()
        self._waiters: list[tuple[str, int, asyncio.Event]] = []

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
        """Respond with this instead; a mapping as *body* becomes JSON."""
        is_json = not isinstance(body, str | bytes)
        data = json.dumps(body).encode() if is_json else body.encode() if isinstance(body, str) else body
        response_type = content_type or ("application/json" if is_json else "text/html")

        async def answer(_: web.Request, __: web.StreamResponse | None) -> web.Response:
            return web.Response(body=data, status=status, headers={hdrs.CONTENT_TYPE: response_type, **(headers or {})})

        self._add(name, answer, after, times)

    def alter(self, name: str, change: Callable[[dict[str, Any]], object], *, times: int | None = 1) -> None:
        """Apply *change* to the JSON object of successful responses; errors are not changed."""

        async def alter_response(_: web.Request, response: web.StreamResponse | None) -> web.StreamResponse | None:
            assert isinstance(response, web.Response)
            if response.status >= 400:
                return response
            content = json.loads(response.text or "")
            change(content)
            return web.json_response(content, status=response.status)

        self._add(name, alter_response, True, times)

    def reset(self, name: str, *, after: bool = False, times: int | None = 1) -> None:
        """Reset the connection instead of responding."""

        async def reset_call(request: web.Request, _: web.StreamResponse | None) -> web.Response:
            _reset_connection(request)
            return web.Response()

        self._add(name, reset_call, after, times)

    def hang(self, name: str, *, after: bool = False, times: int | None = 1) -> None:
        """Never respond."""

        async def hang_call(request: web.Request, _: web.StreamResponse | None) -> web.Response:
            await self._closed.wait()
            _reset_connection(request)
            return web.Response()

        self._add(name, hang_call, after, times)

    def delay(self, name: str, seconds: float, *, after: bool = False, times: int | None = 1) -> None:
        """Delay the response by *seconds* of real time."""

        async def delay_call(_: web.Request, response: web.StreamResponse | None) -> web.StreamResponse | None:
            await self._unless_closed(asyncio.sleep(seconds))
            return response

        self._add(name, delay_call, after, times)

    def hold(self, name: str, *, after: bool = False, times: int | None = 1) -> Hold:
        """Hold calls until the returned hold is released."""
        hold = Hold()

        async def hold_call(_: web.Request, response: web.StreamResponse | None) -> web.StreamResponse | None:
            hold.reached.set()
            await self._unless_closed(hold.released.wait())
            return response

        self._add(name, hold_call, after, times)
        return hold

    def heal(self) -> None:
        """Remove all remaining faults."""
        self._faults.clear()

    async def wait_for_calls(self, name: str, count: int = 1, *, limit_seconds: float = 60.0) -> None:
        """Return when *count* calls of this name have arrived since the provider started.

        Raises:
            TimeoutError: they did not arrive within *limit_seconds*.

        """
        if self.counts[name] < count:
            event = asyncio.Event()
            self._waiters.append((name, count, event))
            try:
                async with asyncio.timeout(limit_seconds):
                    await event.wait()
            except TimeoutError:
                arrived = f"{self.counts[name]} of {count} calls of {name}"
                raise TimeoutError(f"{arrived} arrived within {limit_seconds:g} s") from None

    def close(self) -> None:
        """Release all hanging and held calls."""
        self._closed.set()

    @property
    def middleware(self) -> Middleware:
        """The middleware that records calls and injects faults; it must be the outermost."""

        @web.middleware
        async def apply_controls(request: web.Request, handler: Handler) -> web.StreamResponse:
            call = await self._record(request)
            response = await self._apply_fault(request, call.name, None)
            if response is None:
                response = await self._apply_fault(request, call.name, await handler(request))
            assert response is not None
            call.status = response.status
            return response

        return apply_controls

    def _add(self, name: str, behaviour: Behaviour, after: bool, times: int | None) -> None:
        self._faults.setdefault(name, []).append(_Fault(behaviour, after, times))

    async def _record(self, request: web.Request) -> Call:
        parameters = await _parameters(request)
        name = request.match_info.route.name or "unknown"
        if name == "token":
            name = GRANTS.get(parameters.get("grant_type", ""), name)
        client = request.transport.get_extra_info("peername") if request.transport is not None else None
        call = Call(name, dict(request.headers), parameters, client_port=client[1] if client else None)
        self.calls.append(call)
        self.counts[name] += 1
        for waiting, count, event in self._waiters:
            if waiting == name and self.counts[name] >= count:
                event.set()
        return call

    async def _apply_fault(
        self, request: web.Request, name: str, response: web.StreamResponse | None
    ) -> web.StreamResponse | None:
        after = response is not None
        for fault in self._faults.get(name, ()):
            if fault.after is after and fault.left != 0:
                if fault.left is not None:
                    fault.left -= 1
                return await fault.behaviour(request, response)
        return response

    async def _unless_closed(self, waiting: Awaitable[object]) -> None:
        tasks = [asyncio.ensure_future(waiting), asyncio.ensure_future(self._closed.wait())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _parameters(request: web.Request) -> dict[str, str]:
    """Return the parameters of the query, the form and the JSON object."""
    form = await request.post()
    parameters = {name: str(value) for name, value in (*request.query.items(), *form.items())}
    if request.content_type == "application/json":
        with suppress(ValueError):
            content = await request.json()
            parameters |= {name: str(value) for name, value in content.items()} if isinstance(content, dict) else {}
    return parameters


def _reset_connection(request: web.Request) -> None:
    """Reset the connection, as if the server crashed."""
    if request.transport is not None:
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
