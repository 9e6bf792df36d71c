"""Background work that continues after failures."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from contextvars import Context

from bodhi.errors import BodhiError, root_cause

RESTART_SECONDS = 1.0  # until work that failed is started again

log = logging.getLogger(__name__)


def start(work: Callable[[], Coroutine[object, object, None]], what: str) -> asyncio.Task[None]:
    """Return a task that runs *work* until it returns; log each failure as *what* and start it again.

    The task's name is *what*. It does not run in the caller's context, whose request id and spans are not its own.
    """
    return asyncio.get_running_loop().create_task(_restarted(work, what), name=what, context=Context())


@asynccontextmanager
async def running(work: Callable[[], Coroutine[object, object, None]], what: str) -> AsyncIterator[None]:
    """Run *work* inside the context, as :func:`start` does; leaving the context cancels it."""
    async with _cancelled_at_exit(start(work, what)):
        yield


async def _restarted(work: Callable[[], Coroutine[object, object, None]], what: str) -> None:
    while True:
        try:
            return await work()
        except Exception:
            log.exception("%s failed and is started again", what)
        await asyncio.sleep(RESTART_SECONDS)


@asynccontextmanager
async def repeated(step: Callable[[], Awaitable[object]], pause: Callable[[], float], what: str) -> AsyncIterator[None]:
    """Run *step* after each *pause* (seconds) inside the context; log a failure as *what* and continue.

    Leaving the context cancels a running step.
    """
    async with _cancelled_at_exit(asyncio.create_task(_repeat(step, pause, what))):
        yield


@asynccontextmanager
async def _cancelled_at_exit(task: asyncio.Task[None]) -> AsyncIterator[None]:
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
            log.warning("%s failed, will be retried: %s", what, root_cause(error))
        except Exception:
            log.exception("%s failed, will be retried", what)
