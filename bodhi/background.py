"""Work that is repeated in the background while something is in service."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from bodhi.errors import BodhiError

log = logging.getLogger(__name__)


@asynccontextmanager
async def repeated(step: Callable[[], Awaitable[object]], pause: Callable[[], float], what: str) -> AsyncIterator[None]:
    """Inside, *step* runs after each *pause* (seconds); a failure is logged as *what*, and it runs again.

    Leaving cancels a step that is under way.
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
