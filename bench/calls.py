"""Call paths of requests: the number of bodhi functions that are entered, and of their files."""

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
from bench.environment import Environment, Figures, Unavailable, log_progress
from bench.observed import Observed, observed, observed_server
from bodhi.testing import DevelopmentProvider

TITLE = "Call paths"
WARM_UP = 3  # requests that import modules, prepare statements and fill caches
REPEATS = 5
FROM_A_PAGE = {"Sec-Fetch-Site": "same-origin"}


@dataclass(frozen=True, slots=True)
class CallPaths:
    """The call paths of a request in the event loop's thread and in database driver threads."""

    loop: CallPath
    threads: CallPath


def measure(environment: Environment, figures: Figures) -> None:
    """Measure the functions and files of each request; of the two databases the larger number counts."""
    for dialect in ("postgres", "sqlite"):
        log_progress(f"  call path of a session, {dialect}")
        try:
            url = environment.url_for(dialect, "calls")
        except Unavailable as error:
            figures.skipped.append(f"call path of a session on PostgreSQL: not measured without {error}")
            continue
        with observed("calls", "bench.application", "bodhi", "--url", url) as process:
            port = int(process.ready)
            name, _, cookie = load.seed(port, 1)[0].partition(": ")
            for what in ("read", "write"):
                counted = _call_paths_of(process, port, f"/{what}", {name: cookie})
                _add_row(figures, f"{'save' if what == 'write' else what} of a session, {dialect}", what, counted)
    log_progress("  call path of /ping")
    with observed_server("calls", environment.folder / "calls_ping") as (process, url):
        counted = _call_paths_of(process, urlsplit(url).port or 80, "/ping", {})
        _add_row(figures, "GET /ping of the whole application", "ping", counted)
    log_progress("  call path of a login's callback")
    _add_row(figures, "callback of a login", "callback", asyncio.run(_callback(environment)))


def _add_row(figures: Figures, title: str, figure: str, counted: CallPaths) -> None:
    functions, files = f"calls {figure} functions", f"calls {figure} files"
    figures.values[functions] = max(counted.loop.functions, figures.values.get(functions, 0))
    figures.values[files] = max(counted.loop.files, figures.values.get(files, 0))
    row = {"request": title, "functions": counted.loop.functions, "files": counted.loop.files}
    row |= {"calls": counted.loop.total, "functions in a driver's thread": counted.threads.functions}
    figures.tables.setdefault(TITLE, []).append(row)


def _call_paths_of(process: Observed, port: int, path: str, headers: dict[str, str]) -> CallPaths:
    connection = http.client.HTTPConnection("localhost", port, timeout=30)

    def send() -> None:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        response.read()
        assert response.status == 200, (path, response.status)

    for _ in range(WARM_UP):
        send()
    counted = _common([_during(process, send) for _ in range(REPEATS)])
    connection.close()
    return counted


def _during(process: Observed, send: Callable[[], None]) -> dict[str, Any]:
    process.start()
    send()
    result: dict[str, Any] = process.stop()
    return result


def _common(results: list[dict[str, Any]]) -> CallPaths:
    """Return the calls common to all repetitions, which excludes background work such as sweeps."""

    def path(thread: str) -> CallPath:
        paths = [{(file, name): number for file, name, number in result[thread]} for result in results]
        return CallPath.common_to(CallPath(calls) for calls in paths)

    return CallPaths(path("loop"), path("threads"))


async def _callback(environment: Environment) -> CallPaths:
    async with DevelopmentProvider() as provider:
        settings = {
            "BODHI_AUTH_ISSUER": provider.issuer,
            "BODHI_CLIENT_ID": provider.client_id,
            "BODHI_CLIENT_SECRET": provider.client_secret,
        }
        home = environment.folder / "calls_callback"
        with ExitStack() as stack:
            # In a thread: the server may call the provider, which runs in this event loop, before it is ready.
            running = observed_server("calls", home, **settings)
            process, url = await asyncio.to_thread(stack.enter_context, running)
            results = [await _login(process, url, provider) for _ in range(WARM_UP + REPEATS)]
    return _common(results[WARM_UP:])


async def _login(process: Observed, url: str, provider: DevelopmentProvider) -> dict[str, Any]:
    """Return the calls of the request that completes a login."""
    async with aiohttp.ClientSession(url, headers=FROM_A_PAGE) as browser:
        async with browser.post("/bodhi/v1/auth/initiate") as response:
            assert response.status == 201, (response.status, await response.text())
            authorization_url = (await response.json())["location"]
        callback = dict(parse_qsl(urlsplit(await provider.log_in_url(authorization_url)).query))
        process.start()
        async with browser.post("/bodhi/v1/auth/callback", json=callback) as response:
            assert response.status == 200, (response.status, await response.text())
        result: dict[str, Any] = process.stop()
        return result
