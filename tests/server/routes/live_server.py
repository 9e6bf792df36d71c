"""Run the application and its provider in a thread, for blocking clients."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from bodhi.server.app import create_app
from bodhi.settings import load_settings
from bodhi.testing import DevelopmentProvider
from server.routes.callers import Caller, every_caller
from support.patience import PATIENT_ENVIRON


def environment(provider: DevelopmentProvider, url: str, home: Path, *, is_registered: bool = True) -> dict[str, str]:
    """Return the settings of a server at *provider*, with all data in one database."""
    registration = {"BODHI_CLIENT_ID": provider.client_id, "BODHI_CLIENT_SECRET": provider.client_secret}
    return {
        "BODHI_HOME": str(home),
        **PATIENT_ENVIRON,
        "BODHI_SESSION_DB_URL": url,
        "BODHI_DATABASE_URL": url,
        "BODHI_AUTH_ISSUER": provider.issuer,
        "BODHI_AUTH_MANAGEMENT": "true",
        "BODHI_RATE_LIMIT": "0",  # all requests come from one address
        **(registration if is_registered else {}),
    }


@dataclass
class Live:
    """A running server with its ``callers``."""

    url: str
    callers: list[Caller]


@contextmanager
def live_server(database_url: str, home: Path, *, is_registered: bool = True) -> Iterator[Live]:
    """Run a server until the block ends."""
    started: Future[Live] = Future()
    end = threading.Event()

    async def serve() -> None:
        async with DevelopmentProvider() as provider:
            environ = environment(provider, database_url, home, is_registered=is_registered)
            settings = load_settings(environ=environ, cwd=home.parent)
            runner = web.AppRunner(create_app(settings), shutdown_timeout=1)
            await runner.setup()
            try:
                await web.TCPSite(runner, "127.0.0.1", 0).start()
                url = f"http://127.0.0.1:{runner.addresses[0][1]}"
                started.set_result(Live(url, await every_caller(runner.app, provider, database_url)))
                await asyncio.to_thread(end.wait)
            finally:
                await runner.cleanup()

    with ThreadPoolExecutor(1) as thread:
        ended = thread.submit(asyncio.run, serve())
        try:
            wait([started, ended], return_when=FIRST_COMPLETED)
            if ended.done():
                ended.result()  # what went wrong
            yield started.result()
        finally:
            end.set()
        ended.result()
