"""One server process: event loop, signals, and shutdown within the time limit."""

import asyncio
import gc
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from aiohttp import web

from bodhi.errors import ConfigurationError
from bodhi.run.connections import Limits, Site
from bodhi.run.metrics import MetricsPort, served_metrics
from bodhi.run.runner import Runner
from bodhi.server.app import create_app
from bodhi.server.http.lifecycle import SHUTDOWN
from bodhi.settings import BODHI_PORT, Settings

SERVICE_SHARE = 0.8  # of the time for the end: what requests may take; the rest is for writing and closing
LAST_SHARE = 0.95  # after this much of it the process ends, whatever it still does

# Between two searches for garbage. Requests leave hardly any, but of those in flight each search visits everything:
# at Python's 700 it took a tenth of the time of 32 requests at once.
NEW_OBJECTS = 5_000

log = logging.getLogger(__name__)


def serve_in_process(
    settings: Settings,
    bound: Sequence[socket.socket],
    ready: Callable[[], None],
    *,
    lifeline: int | None = None,
    beside: AbstractAsyncContextManager[object] | None = None,
    metrics: MetricsPort | None = None,
) -> int:
    """Serve on *bound* until SIGTERM or SIGINT, and return the exit status; a second signal ends at once.

    With *lifeline* the process is a worker: it takes SIGTERM alone, repeated it means no more, and the end of file on
    this descriptor says that the supervisor is gone. *beside* runs on the same loop: it is entered before the
    application starts, and left after it. *metrics* receives the numbers, if given.
    """
    with asyncio.Runner(loop_factory=_loop_factory(settings.event_loop)) as loop:
        loop.run(_serve(settings, bound, ready, lifeline=lifeline, beside=beside or nullcontext(), metrics=metrics))
    return 0


def _loop_factory(event_loop: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The factory of the event loop that the setting names; None for asyncio's own."""
    if event_loop == "asyncio":
        return None
    try:
        import uvloop
    except ImportError:  # not on every platform
        return None
    return uvloop.new_event_loop


def settle_heap() -> None:
    """Make searches for garbage short and rare, once the server is ready."""
    gc.freeze()  # what is there now stays: looking for garbage in it would take longer than most requests
    gc.set_threshold(NEW_OBJECTS)


async def _serve(
    settings: Settings,
    bound: Sequence[socket.socket],
    ready: Callable[[], None],
    *,
    lifeline: int | None,
    beside: AbstractAsyncContextManager[object],
    metrics: MetricsPort | None,
) -> None:
    limit_seconds = settings.shutdown_timeout_seconds
    stop = _stop_signal(settings.shutdown_delay_seconds + limit_seconds * LAST_SHARE, lifeline)
    async with beside:
        has_served = await _serve_until(stop, settings, bound, ready, metrics)
    if has_served:
        log.info("ended")


async def _serve_until(
    stop: asyncio.Event,
    settings: Settings,
    bound: Sequence[socket.socket],
    ready: Callable[[], None],
    metrics: MetricsPort | None,
) -> bool:
    """Serve until *stop* is set; return whether serving started before that."""
    app = create_app(settings)
    runner = Runner(app, Limits.of(settings), grace_seconds=settings.shutdown_timeout_seconds * SERVICE_SHARE)
    async with served_metrics(metrics, app, settings):
        try:
            if not await _unless(stop, runner.setup()):
                return False
            await _listen(settings, runner, bound)
            settle_heap()
            ready()
            await stop.wait()
            await _delay_end(app, settings.shutdown_delay_seconds)
            log.info("shutting down: no new connections, open requests are finished")
            return True
        finally:
            await runner.cleanup()


async def _delay_end(app: web.Application, seconds: float) -> None:
    """Go on serving until load balancers have seen that ``/health`` is 503."""
    if seconds:
        app[SHUTDOWN].start_draining(delay_seconds=seconds)
        log.info("draining: /health is 503, connections are accepted for %g s more", seconds)
        await asyncio.sleep(seconds)


def _stop_signal(limit_seconds: float, lifeline: int | None) -> asyncio.Event:
    """Return an event that the first signal sets; the process then ends within *limit_seconds*."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    is_stopping = False

    def on_signal(number: int, _: object = None) -> None:
        nonlocal is_stopping
        if not is_stopping:
            is_stopping = True
            _end_after(limit_seconds)
            if not loop.is_closed():  # or this process ends already, since it could not start
                loop.call_soon_threadsafe(stop.set)
        elif lifeline is None:
            os._exit(128 + number)

    def on_lost_supervisor(lifeline: int) -> None:
        loop.remove_reader(lifeline)
        on_signal(signal.SIGTERM)

    # Not the loop's own handlers: those would not run while a request keeps the loop from turning.
    signal.signal(signal.SIGTERM, on_signal)
    if lifeline is None:
        signal.signal(signal.SIGINT, on_signal)
    else:
        loop.add_reader(lifeline, on_lost_supervisor, lifeline)
    return stop


def _end_after(seconds: float) -> None:
    """End the process after *seconds*, even if a handler blocks the event loop or a database does not answer."""

    def end() -> None:
        log.warning("shutdown not finished after %g s: exiting anyway", seconds)
        os._exit(0)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


async def _unless(stop: asyncio.Event, start: Coroutine[Any, Any, None]) -> bool:
    """Run *start*, and return whether it finished before *stop* was set."""
    starting, stopping = asyncio.ensure_future(start), asyncio.ensure_future(stop.wait())
    await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
    for task in (starting, stopping):
        task.cancel()
    await asyncio.gather(starting, stopping, return_exceptions=True)
    if not starting.cancelled():
        starting.result()
    return not stop.is_set()


async def _listen(settings: Settings, runner: Runner, bound: Sequence[socket.socket]) -> None:
    try:
        for one in bound:
            await Site(runner, one).start()
    except OSError as error:
        # Two servers that start at once can both bind; only one of them can listen.
        place = settings.sources.get(BODHI_PORT, "default")
        raise ConfigurationError(
            f"{BODHI_PORT} ({place}): {settings.port} cannot be bound: {error.strerror}"
        ) from error
