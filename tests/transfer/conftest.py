"""Two databases of different kinds, and the commands that copy sessions between them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bodhi.session import DefaultSessionService
from support.command_line import Ended, run_command
from support.server_process import environ as environ  # noqa: PLC0414 - a fixture, which a conftest has by importing it

KEY = "a-key-for-moving-of-at-least-thirty-two-characters"

MakeService = Callable[..., Awaitable[DefaultSessionService]]
Run = Callable[..., Awaitable[Ended]]


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
def run(environ: dict[str, str], tmp_path: Path) -> Run:
    """Runs ``bodhi sessions …``; returns exit status, stdout and stderr."""

    async def run(*arguments: str, **settings: str) -> Ended:
        told = {**environ, "BODHI_ENCRYPTION_KEY": KEY, **settings}
        return await asyncio.to_thread(run_command, "sessions", *arguments, environ=told, cwd=tmp_path)

    return run
