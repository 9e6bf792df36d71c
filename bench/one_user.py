"""Somebody with 10,000 sessions: how long a page of their list takes, and how long others wait while they all end."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import aiohttp

from bench.many_rows import fill
from bench.process import Process, running_module
from bench.environment import Absent, Figures, Surroundings, say

SESSIONS = 10_000
PATH = "/bodhi/v1/user/sessions"
WAITERS = 3  # others, of whom each changes their session or only reads it
WAITER_PAUSE_SECONDS = 0.001
ENDS = {"Sec-Fetch-Site": "same-origin"}  # as a page of the server sends it


def measure(surroundings: Surroundings, figures: Figures) -> None:
    """Fills in the longest page, and the longest request of others meanwhile."""
    rounds = 2 if surroundings.quick else 5
    for dialect in ("postgres", "sqlite"):
        try:
            with _running(dialect, surroundings) as (process, url, cookies):
                say(f"  {dialect}: pages of {SESSIONS:,} sessions")
                row = asyncio.run(_measure(process, url, cookies, rounds))
        except Absent as absent:
            figures.absent.append(f"sessions of one user on PostgreSQL: not measured without {absent}")
            continue
        figures.values[f"page {dialect}"] = row["longest page ms"]
        figures.values[f"clear {dialect}"] = row["longest other request ms while they end"]
        figures.tables.setdefault(f"Somebody with {SESSIONS:,} sessions", []).append({"database": dialect, **row})


@contextmanager
def _running(dialect: str, surroundings: Surroundings) -> Iterator[tuple[Process, str, list[str]]]:
    """The whole application, its database, and the cookies of some who are logged in."""
    folder: Path = surroundings.folder / f"one_user_{dialect}"
    folder.mkdir()
    url = surroundings.postgres_database("one_user") if dialect == "postgres" else f"sqlite:{folder / 'one.sqlite'}"
    command = ["bench.whole_application", str(folder), "--url", url, "--core", str(surroundings.server_core)]
    with running_module(*command) as process:
        lines = (folder / "session.headers").read_text().splitlines()
        yield process, url, [line.removeprefix("Cookie: ") for line in lines]


async def _measure(process: Process, url: str, cookies: list[str], rounds: int) -> dict[str, float]:
    async with aiohttp.ClientSession(process.url, cookie_jar=aiohttp.DummyCookieJar()) as client:
        longest, medians, ending, before = [], [], [], []
        for _ in range(rounds):
            await fill(url, SESSIONS, user="user-000000")
            times = await _pages(client, cookies[0])
            longest.append(max(times))
            medians.append(median(times))
            waited = await _while_they_end(client, cookies)
            before.append(waited[0])
            ending.append(waited[1])
    return {
        "median page ms": round(median(medians) * 1000, 2),
        "longest page ms": round(max(longest) * 1000, 1),
        "longest other request ms before": round(max(before) * 1000, 1),
        "longest other request ms while they end": round(max(ending) * 1000, 1),
    }


async def _pages(client: aiohttp.ClientSession, cookie: str) -> list[float]:
    """The time of each page of the list, from the first to the last."""
    times: list[float] = []
    seen = 0
    after: str | None = ""
    while after is not None:
        started = perf_counter()
        page = await _asked(client, "GET", PATH + (f"?after={after}" if after else ""), cookie)
        times.append(perf_counter() - started)
        seen, after = seen + len(page["sessions"]), page["after"]
    assert seen == SESSIONS + 1, seen  # and the one that asks
    return times


async def _while_they_end(client: aiohttp.ClientSession, cookies: list[str]) -> tuple[float, float]:
    """The longest request of others in a second before all those sessions end, and while they do."""
    times: list[float] = []

    async def wait_on(waiter: int) -> None:
        turn = waiter
        while True:
            started = perf_counter()
            await _asked(client, "GET", f"/session/{'open' if turn % 2 else 'changed'}", cookies[1 + turn])
            times.append(perf_counter() - started)
            turn = (turn + WAITERS) % (len(cookies) - 1)
            await asyncio.sleep(WAITER_PAUSE_SECONDS)

    waiters = [asyncio.create_task(wait_on(waiter)) for waiter in range(WAITERS)]
    try:
        await asyncio.sleep(1)
        before, times[:] = max(times), []
        ended = await _asked(client, "DELETE", PATH, cookies[0], **ENDS)
        assert ended == {"ended": SESSIONS}, ended
    finally:
        for waiter in waiters:
            waiter.cancel()
        results = await asyncio.gather(*waiters, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results), results
    return before, max(times)


async def _asked(client: aiohttp.ClientSession, method: str, path: str, cookie: str, **headers: str) -> Any:
    async with client.request(method, path, headers={"Cookie": cookie, **headers}) as response:
        body = await response.read()
        assert response.status == 200, (path, response.status, body)
        return await response.json() if response.content_type == "application/json" else None
