"""Two databases of different kinds, and the commands that copy sessions between them."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

import bodhi
from bodhi.session import DefaultSessionService

KEY = "a-key-for-moving-of-at-least-thirty-two-characters"

MakeService = Callable[..., Awaitable[DefaultSessionService]]
Run = Callable[..., Awaitable[tuple[int, str, str]]]
Start = Callable[..., Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
def source_url(database_url: str) -> str:
    """The source; the test runs once on each database."""
    return database_url


@pytest.fixture
def target_url(dialect: str, sqlite_url: str, postgres_url: str) -> str:
    """The target, of the other kind. Tests that use it run only if both databases are selected."""
    return postgres_url if dialect == "sqlite" else sqlite_url


@pytest.fixture
async def service_on() -> AsyncIterator[MakeService]:
    """Opens services, and closes them after the test."""
    async with AsyncExitStack() as stack:

        async def service_on(url: str, *, keys: tuple[str, ...] = (KEY,), **options: object) -> DefaultSessionService:
            service = DefaultSessionService.from_url(url, keys=keys, sweep_seconds=None, **options)
            return await stack.enter_async_context(service)

        yield service_on


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Starts ``python -m bodhi sessions …`` as a process."""

    async def start(*arguments: str, **settings: str) -> asyncio.subprocess.Process:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("BODHI_")}
        own = {"BODHI_HOME": str(tmp_path / "bodhi"), "BODHI_ENCRYPTION_KEY": KEY, "BODHI_DB_TIMEOUT": "60"}
        package = {"PYTHONPATH": str(Path(bodhi.__file__).parents[1])}
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "bodhi", "sessions", *arguments),
            env={**inherited, **own, **package, **settings},
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    return start


@pytest.fixture
def run(start: Start) -> Run:
    """Runs ``python -m bodhi sessions …``; returns exit status, stdout and stderr."""

    async def run(*arguments: str, **settings: str) -> tuple[int, str, str]:
        process = await start(*arguments, **settings)
        out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    return run
