"""A user with 10,000 sessions: the time of a page of the list, and other users' latency while all are revoked."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import aiohttp

from bench.environment import Environment, Figures, Unavailable, log_progress
from bench.filling import fill
from bench.process import Process, running_module

SESSIONS = 10_000
PATH = "/bodhi/v1/user/sessions"
WAITERS = 3  # other users, who alternately read and change their sessions
WAITER_PAUSE_SECONDS = 0.001
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}  # as sent by the server's own pages


def measure(environment: Environment, figures: Figures) -> None:
    """Measure the longest page, and the longest request of other users meanwhile."""
    rounds = 2 if environment.quick else 5
    for dialect in ("postgres", "sqlite"):
        try:
            with _running(dialect, environment) as (process, url, cookies):
                log_progress(f"  {dialect}: pages of {SESSIONS:,} sessions")
                row = asyncio.run(_measure(process, url, cookies, rounds))
        except Unavailable as error:
            figures.skipped.append(f"sessions of one user on PostgreSQL: not measured without {error}")
            continue
        figures.values[f"page {dialect}"] = row["longest page ms"]
        figures.values[f"clear {dialect}"] = row["longest other request ms while they end"]
        figures.tables.setdefault(f"A user with {SESSIONS:,} sessions", []).append({"database": dialect, **row})


@contextmanager
def _running(dialect: str, environment: Environment) -> Iterator[tuple[Process, str, list[str]]]:
    """Run the whole application; return its process, database URL, and the cookies of logged-in users."""
    folder: Path = environment.folder / f"one_user_{dialect}"
    folder.mkdir()
    url = environment.postgres_database("one_user") if dialect == "postgres" else f"sqlite:{folder / 'one.sqlite'}"
    command = ["bench.whole_application", str(folder), "--url", url, "--core", str(environment.server_core)]
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
            waited = await _latency_while_revoking(client, cookies)
            before.append(waited[0])
            ending.append(waited[1])
    return {
        "median page ms": round(median(medians) * 1000, 2),
        "longest page ms": round(max(longest) * 1000, 1),
        "longest other request ms before": round(max(before) * 1000, 1),
        "longest other request ms while they end": round(max(ending) * 1000, 1),
    }


async def _pages(client: aiohttp.ClientSession, cookie: str) -> list[float]:
    """Return the time of each page of the list."""
    times: list[float] = []
    seen = 0
    after: str | None = ""
    while after is not None:
        started = perf_counter()
        page = await _request(client, "GET", PATH + (f"?after={after}" if after else ""), cookie)
        times.append(perf_counter() - started)
        seen, after = seen + len(page["sessions"]), page["after"]
    assert seen == SESSIONS + 1, seen  # including the current session
    return times


async def _latency_while_revoking(client: aiohttp.ClientSession, cookies: list[str]) -> tuple[float, float]:
    """Return the longest request of other users: in the second before the revocation, and during it."""
    times: list[float] = []

    async def wait_on(waiter: int) -> None:
        index = waiter
        while True:
            started = perf_counter()
            await _request(client, "GET", f"/session/{'open' if index % 2 else 'changed'}", cookies[1 + index])
            times.append(perf_counter() - started)
            index = (index + WAITERS) % (len(cookies) - 1)
            await asyncio.sleep(WAITER_PAUSE_SECONDS)

    waiters = [asyncio.create_task(wait_on(waiter)) for waiter in range(WAITERS)]
    try:
        await asyncio.sleep(1)
        before, times[:] = max(times), []
        ended = await _request(client, "DELETE", PATH, cookies[0], **SAME_ORIGIN)
        assert ended == {"ended": SESSIONS}, ended
    finally:
        for waiter in waiters:
            waiter.cancel()
        results = await asyncio.gather(*waiters, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results), results
    return before, max(times)


async def _request(client: aiohttp.ClientSession, method: str, path: str, cookie: str, **headers: str) -> Any:
    async with client.request(method, path, headers={"Cookie": cookie, **headers}) as response:
        body = await response.read()
        assert response.status == 200, (path, response.status, body)
        return await response.json() if response.content_type == "application/json" else None
