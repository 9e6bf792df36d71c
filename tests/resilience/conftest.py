"""Start the test application, as a process or in this process."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bodhi.session import DefaultSessionService
from resilience.app import KEY, create_app
from resilience.processes import AppProcess
from support.leaks import Leaks, note
from support.sqlite_lock import WriteLock

StartApp = Callable[..., Awaitable[AppProcess]]
ServeHere = Callable[..., Awaitable[tuple[str, DefaultSessionService]]]


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark of slow tests."""
    config.addinivalue_line("markers", "slow: lets a real outage last its full 10 seconds")


@pytest.fixture
async def start_app(tmp_path: Path, leaks: Leaks) -> AsyncIterator[StartApp]:
    """Starts the application as a process, stopped with the test; fails if it writes a secret."""
    log = tmp_path / "app.log"
    note(KEY)
    async with AsyncExitStack() as stack:

        async def start(url: str, **options: Any) -> AppProcess:
            return await stack.enter_async_context(AppProcess(url, log, **options))

        yield start
    leaks.look_at(log.read_text(errors="replace") if log.exists() else "")


@pytest.fixture
def write_lock(sqlite_url: str) -> Iterator[WriteLock]:
    """The write lock of the test's SQLite file."""
    lock = WriteLock(sqlite_url)
    yield lock
    lock.close()


@pytest.fixture
async def serve_here() -> AsyncIterator[ServeHere]:
    """Serves the application in the test's event loop; returns its URL and service."""
    async with AsyncExitStack() as stack:

        async def serve(url: str, **options: Any) -> tuple[str, DefaultSessionService]:
            service = DefaultSessionService.from_url(url, keys=[KEY], **options)
            # Requests whose client has left are cancelled, as aiohttp can be told to.
            runner = web.AppRunner(create_app(service), handler_cancellation=True, shutdown_timeout=1)
            stack.push_async_callback(runner.cleanup)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            return f"http://127.0.0.1:{runner.addresses[0][1]}", service

        yield serve
