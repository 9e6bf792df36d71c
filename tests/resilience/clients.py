"""Browsers that use the test application and record every response."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from support.leaks import note

COOKIE = "bodhiapp_session_id"
PATIENCE_SECONDS = 15.0  # longer than any bound under test, so that a request without one shows
PAUSE_SECONDS = 0.02  # between two requests of a visitor: the load stays bounded also where answers come at once


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to a request; *status* 0 means no response."""

    path: str
    status: int
    started_at: float  # by time.monotonic()
    seconds: float
    set_cookie: tuple[str, ...] = ()
    retry_after: str | None = None
    body: Any = field(default=None, repr=False)


class Visitor:
    """A browser that increments a key of its session."""

    def __init__(self, client: aiohttp.ClientSession, base_url: str, name: str) -> None:
        self._client = client
        self.base_url = base_url
        self.name = name
        self.cookie: str | None = None
        self.answers: list[Answer] = []
        self.tried = 0  # the last number that was sent to be written
        self.kept = 0  # the last one that was answered 200

    async def plain(self) -> Answer:
        """GET /plain."""
        return await self._ask("GET", "/plain")

    async def read(self) -> Answer:
        """GET /read."""
        return await self._ask("GET", "/read")

    async def write(self, *, size: int = 0) -> Answer:
        """POST the next number to the visitor's key, with *size* bytes of padding."""
        self.tried += 1
        padding = f"&bytes={size}" if size else ""
        answer = await self._ask("POST", f"/write/{self.name}?value={self.tried}{padding}")
        if answer.status == 200:
            self.kept = self.tried
        return answer

    async def login(self, user: str | None = None) -> Answer:
        """POST /login."""
        return await self._ask("POST", f"/login?user={user or self.name}")

    async def logout(self) -> Answer:
        """POST /logout."""
        return await self._ask("POST", "/logout")

    async def end(self) -> Answer:
        """POST /end."""
        return await self._ask("POST", f"/end?user={self.name}")

    async def slow(self) -> Answer:
        """POST /slow, which is answered after /go_on."""
        return await self._ask("POST", "/slow")

    async def loaded(self) -> Answer:
        """POST /loaded, which is answered once /slow has its session."""
        return await self._ask("POST", "/loaded")

    async def go_on(self) -> Answer:
        """POST /go_on."""
        return await self._ask("POST", "/go_on")

    def was_answered(self, path: str, status: int, *, since: float) -> bool:
        """Return whether a request with this path prefix after *since* got *status*."""
        for answer in reversed(self.answers):
            if answer.started_at < since:
                return False
            if answer.status == status and answer.path.startswith(path):
                return True
        return False

    async def expect_kept(self) -> None:
        """Check that the session contains the last confirmed value, or a later attempted one."""
        answer = await self.read()
        assert 200 == answer.status
        assert self.kept <= answer.body.get(self.name, 0) <= self.tried

    async def _ask(self, method: str, path: str) -> Answer:
        headers = {"Cookie": f"{COOKIE}={self.cookie}"} if self.cookie else {}
        started_at = time.monotonic()
        try:
            async with self._client.request(method, self.base_url + path, headers=headers) as response:
                text = await response.text()
                answer = Answer(
                    path,
                    response.status,
                    started_at,
                    time.monotonic() - started_at,
                    tuple(response.headers.getall("Set-Cookie", ())),
                    response.headers.get("Retry-After"),
                    await response.json() if response.status == 200 else text,
                )
        except (aiohttp.ClientError, TimeoutError) as error:
            answer = Answer(path, 0, started_at, time.monotonic() - started_at, body=repr(error))
        for cookie in answer.set_cookie:
            name, _, value = cookie.partition(";")[0].partition("=")
            if name == COOKIE:  # and not the marker beside it
                self.cookie = note(value)
        self.answers.append(answer)
        return answer


@asynccontextmanager
async def visitors(base_url: str, count: int) -> AsyncIterator[list[Visitor]]:
    """Create *count* visitors without a session."""
    timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout, connector=connector
    ) as client:
        yield [Visitor(client, base_url, f"visitor{number}") for number in range(count)]


Step = Callable[[Visitor], Awaitable[object]]
ROUND: Sequence[Step] = (Visitor.plain, Visitor.read, Visitor.write)


@asynccontextmanager
async def under_load(crowd: Sequence[Visitor], steps: Sequence[Step] = ROUND) -> AsyncIterator[None]:
    """Repeat the *steps* of every visitor until the block ends."""
    leaving = asyncio.Event()

    async def visit(visitor: Visitor) -> None:
        while not leaving.is_set():
            for step in steps:
                await step(visitor)
                await asyncio.sleep(PAUSE_SECONDS)

    tasks = [asyncio.create_task(visit(visitor)) for visitor in crowd]
    try:
        yield
    finally:
        leaving.set()
        await asyncio.gather(*tasks)


async def answered(
    crowd: Sequence[Visitor],
    *,
    since: float,
    status: int,
    paths: Sequence[str] = ("/read", "/write"),
    within_seconds: float = 120,
) -> None:
    """Return once every visitor got *status* on all *paths*, for requests after *since*."""
    deadline = time.monotonic() + within_seconds
    waiting = {(visitor, path) for visitor in crowd for path in paths}
    while waiting:
        last = {
            (answer.path.partition("?")[0], answer.status) for one in crowd for answer in one.answers[-len(paths) :]
        }
        assert time.monotonic() < deadline, f"{len(waiting)} times no {status} within {within_seconds} s, but {last}"
        await asyncio.sleep(0.01)
        waiting = {(visitor, path) for visitor, path in waiting if not visitor.was_answered(path, status, since=since)}


async def go_round(crowd: Sequence[Visitor], base_urls: Sequence[str]) -> None:
    """Let all visitors write at each address and read at the next what they wrote."""

    async def visit(visitor: Visitor) -> None:
        for base_url in (*base_urls, *base_urls):
            visitor.base_url = base_url
            await visitor.expect_kept()
            assert 200 == (await visitor.write()).status

    await asyncio.gather(*map(visit, crowd))


def all_answers(crowd: Sequence[Visitor]) -> list[Answer]:
    """Return all responses of all visitors."""
    return [answer for visitor in crowd for answer in visitor.answers]
