"""Periodic background work."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from bodhi.errors import BodhiError

log = logging.getLogger(__name__)


@asynccontextmanager
async def repeated(step: Callable[[], Awaitable[object]], pause: Callable[[], float], what: str) -> AsyncIterator[None]:
    """Run *step* after each *pause* (seconds) inside the context; log a failure as *what* and continue.

    Leaving the context cancels a running step.
    """
    task = asyncio.create_task(_repeat(step, pause, what))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _repeat(step: Callable[[], Awaitable[object]], pause: Callable[[], float], what: str) -> None:
    while True:
        await asyncio.sleep(pause())
        try:
            await step()
        except BodhiError as error:
            log.warning("%s failed and is tried again: %s", what, error.__cause__ or error)
        except Exception:
            log.exception("%s failed and is tried again", what)
