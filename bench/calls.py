"""The call path of a request: how many functions of bodhi it enters, in how many files."""

import asyncio
import http.client
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp

from bench import load
from bench.call_counter import CallPath
from bench.observed import Observed, observed, observed_server
from bench.environment import Absent, Figures, Surroundings, say
from bodhi.testing import DevelopmentProvider

TITLE = "Call paths"
WARM_UP = 3  # requests that import, prepare and cache
REPEATS = 5
FROM_A_PAGE = {"Sec-Fetch-Site": "same-origin"}


@dataclass(frozen=True, slots=True)
class Counted:
    """What a request entered in the thread of the event loop, and in those of a driver."""

    loop: CallPath
    threads: CallPath


def measure(surroundings: Surroundings, figures: Figures) -> None:
    """Fills in functions and files, of a request in the application that has most where there are two of them."""
    for dialect in ("postgres", "sqlite"):
        say(f"  call path of a session, {dialect}")
        try:
            url = surroundings.url_for(dialect, "calls")
        except Absent as absent:
            figures.absent.append(f"call path of a session on PostgreSQL: not measured without {absent}")
            continue
        with observed("calls", "bench.application", "bodhi", "--url", url) as process:
            port = int(process.ready)
            name, _, cookie = load.seed(port, 1)[0].partition(": ")
            for what in ("read", "write"):
                counted = _requested(process, port, f"/{what}", {name: cookie})
                _note(figures, f"{'save' if what == 'write' else what} of a session, {dialect}", what, counted)
    say("  call path of /ping")
    with observed_server("calls", surroundings.folder / "calls_ping") as (process, url):
        counted = _requested(process, urlsplit(url).port or 80, "/ping", {})
        _note(figures, "GET /ping of the whole application", "ping", counted)
    say("  call path of a login's callback")
    _note(figures, "callback of a login", "callback", asyncio.run(_callback(surroundings)))


def _note(figures: Figures, title: str, figure: str, counted: Counted) -> None:
    functions, files = f"calls {figure} functions", f"calls {figure} files"
    figures.values[functions] = max(counted.loop.functions, figures.values.get(functions, 0))
    figures.values[files] = max(counted.loop.files, figures.values.get(files, 0))
    row = {"request": title, "functions": counted.loop.functions, "files": counted.loop.files}
    row |= {"calls": counted.loop.total, "functions in a driver's thread": counted.threads.functions}
    figures.tables.setdefault(TITLE, []).append(row)


def _requested(process: Observed, port: int, path: str, headers: dict[str, str]) -> Counted:
    connection = http.client.HTTPConnection("localhost", port, timeout=30)

    def ask() -> None:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        response.read()
        assert response.status == 200, (path, response.status)

    for _ in range(WARM_UP):
        ask()
    counted = _common([_during(process, ask) for _ in range(REPEATS)])
    connection.close()
    return counted


def _during(process: Observed, ask: Callable[[], None]) -> dict[str, Any]:
    process.start()
    ask()
    result: dict[str, Any] = process.stop()
    return result


def _common(results: list[dict[str, Any]]) -> Counted:
    """What every repetition met: work in the background, such as a sweep, is not the request's."""

    def path(thread: str) -> CallPath:
        paths = [{(file, name): number for file, name, number in result[thread]} for result in results]
        return CallPath.common_to(CallPath(calls) for calls in paths)

    return Counted(path("loop"), path("threads"))


async def _callback(surroundings: Surroundings) -> Counted:
    async with DevelopmentProvider() as provider:
        settings = {
            "BODHI_AUTH_ISSUER": provider.issuer,
            "BODHI_CLIENT_ID": provider.client_id,
            "BODHI_CLIENT_SECRET": provider.client_secret,
        }
        home = surroundings.folder / "calls_callback"
        with ExitStack() as stack:
            # In a thread, since the server may ask the provider, which runs here, before it is ready.
            running = observed_server("calls", home, **settings)
            process, url = await asyncio.to_thread(stack.enter_context, running)
            results = [await _login(process, url, provider) for _ in range(WARM_UP + REPEATS)]
    return _common(results[WARM_UP:])


async def _login(process: Observed, url: str, provider: DevelopmentProvider) -> dict[str, Any]:
    """What the request entered that completes somebody's login."""
    async with aiohttp.ClientSession(url, headers=FROM_A_PAGE) as browser:
        async with browser.post("/bodhi/v1/auth/initiate") as response:
            assert response.status == 201, (response.status, await response.text())
            begun = (await response.json())["location"]
        answer = dict(parse_qsl(urlsplit(await provider.log_in_url(begun)).query))
        process.start()
        async with browser.post("/bodhi/v1/auth/callback", json=answer) as response:
            assert response.status == 200, (response.status, await response.text())
        result: dict[str, Any] = process.stop()
        return result
