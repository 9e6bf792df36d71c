"""A session service on each database, with a clock that tests move."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from bodhi.session import DefaultSessionService

KEY = "a key for tests, of at least thirty-two characters"
IDLE_SECONDS = 3_600
LIFETIME_SECONDS = 86_400
TOUCH_SECONDS = 60

MakeService = Callable[..., Awaitable[DefaultSessionService]]


class Clock:
    """The time in milliseconds since 1970, as every statement is told it; it stands still until it is moved."""

    def __init__(self) -> None:
        self.now_ms = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now_ms

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass."""
        self.now_ms += round(seconds * 1000)


@pytest.fixture
def clock() -> Clock:
    """The clock of every service of this test."""
    return Clock()


@pytest.fixture
async def make_service(database_url: str, clock: Clock) -> AsyncIterator[MakeService]:
    """Makes further services on the test's database: other nodes of the cluster, or other settings."""
    async with AsyncExitStack() as stack:

        async def make(**options: Any) -> DefaultSessionService:
            settings: dict[str, Any] = {
                "keys": [KEY],
                "idle_seconds": IDLE_SECONDS,
                "lifetime_seconds": LIFETIME_SECONDS,
                "touch_seconds": TOUCH_SECONDS,
                "sweep_seconds": None,
                "clock": clock,
            }
            service = DefaultSessionService.from_url(database_url, **{**settings, **options})
            return await stack.enter_async_context(service)

        yield make


@pytest.fixture
async def service(make_service: MakeService) -> DefaultSessionService:
    """A service on an empty database, with timeouts of an hour and a day."""
    return await make_service()
