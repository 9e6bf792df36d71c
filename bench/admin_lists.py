"""The pages Users and All sessions with 500 users and 10,000 sessions: the time of each order, filter and search."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from urllib.parse import urlsplit

import aiohttp

from bench.environment import Environment, Figures, Unavailable, log_progress
from bench.filling import fill
from bench.process import Process, running_module
from bench.whole_application import CALLERS

SESSIONS = 10_000
PAUSE_SECONDS = 0.001  # between the requests of another user
USERS_PAGE, SESSIONS_PAGE = "/ui/admin", "/ui/admin/sessions"
PAGES = {
    USERS_PAGE: [
        *("", "?order=desc", "?sort=name", "?sort=role", "?sort=sessions", "?sort=active"),
        *("?q=user-0003", "?q=nobody", "?role=resource_power_user", "?sessions=yes", "?q=7&role=none&sessions=yes"),
    ],
    SESSIONS_PAGE: [
        *("", "?sort=created", "?sort=user", "?sort=device", "?sort=address&order=desc"),
        *("?q=user-000123", "?q=firefox+macos", "?q=192.0.2.77", "?q=nobody"),
    ],
}


def measure(environment: Environment, figures: Figures) -> None:
    """Measure each page, and the longest request of another user meanwhile."""
    rounds = 5 if environment.quick else 20
    for dialect in ("postgres", "sqlite"):
        try:
            with _running(dialect, environment) as (process, url, cookies):
                asyncio.run(fill(url, SESSIONS - CALLERS - 1, users=CALLERS))
                for path in PAGES:
                    log_progress(f"  {dialect}: {path}")
                    rows = asyncio.run(_measure(process, path, cookies, rounds))
                    title = f"{path} with {CALLERS:,} users and {SESSIONS:,} sessions"
                    figures.tables.setdefault(title, []).extend({"database": dialect, **row} for row in rows)
        except Unavailable as error:
            figures.skipped.append(f"administration pages on PostgreSQL: not measured without {error}")


@contextmanager
def _running(dialect: str, environment: Environment) -> Iterator[tuple[Process, str, tuple[str, str]]]:
    """Run the whole application; return its process, database URL, and cookies of an administrator and a user."""
    folder: Path = environment.folder / f"lists_{dialect}"
    folder.mkdir()
    url = environment.postgres_database("lists") if dialect == "postgres" else f"sqlite:{folder / 'lists.sqlite'}"
    command = ["bench.whole_application", str(folder), "--url", url, "--core", str(environment.server_core)]
    with running_module(*command) as process:
        admin, user = (
            (folder / f"{name}.headers").read_text().splitlines()[0].removeprefix("Cookie: ")
            for name in ("admin", "session")
        )
        yield process, url, (admin, user)


async def _measure(process: Process, path: str, cookies: tuple[str, str], rounds: int) -> list[dict[str, object]]:
    admin, user = cookies
    rows = []
    async with aiohttp.ClientSession(process.url, cookie_jar=aiohttp.DummyCookieJar()) as client:
        await _request(client, path, admin)
        for query in PAGES[path]:
            times: list[float] = []
            others: list[float] = []
            cpu = process.cpu_seconds
            for _ in range(rounds):
                started = perf_counter()
                await _request(client, path + query, admin)
                times.append(perf_counter() - started)
            cpu_ms = (process.cpu_seconds - cpu) / rounds * 1000
            waiter = asyncio.create_task(_wait(client, user, others))
            for _ in range(rounds):
                await _request(client, path + query, admin)
            waiter.cancel()
            rows.append(
                {
                    "query": urlsplit(query).query or "(none)",
                    "median ms": round(median(times) * 1000, 1),
                    "longest ms": round(max(times) * 1000, 1),
                    "CPU ms": round(cpu_ms, 1),
                    "longest request of another user ms": round(max(others) * 1000, 1),
                }
            )
    return rows


async def _wait(client: aiohttp.ClientSession, cookie: str, times: list[float]) -> None:
    """Request a page of another user again and again."""
    while True:
        started = perf_counter()
        await _request(client, "/session/open", cookie)
        times.append(perf_counter() - started)
        await asyncio.sleep(PAUSE_SECONDS)


async def _request(client: aiohttp.ClientSession, path: str, cookie: str) -> None:
    async with client.get(path, headers={"Cookie": cookie, "Accept": "text/html"}) as response:
        body = await response.read()
        assert response.status == 200, (path, response.status, body)
