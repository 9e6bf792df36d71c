"""``/metrics`` on its own port: every worker serves the sum over all workers."""

import asyncio
import logging
import platform
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from aiohttp import hdrs, web

import bodhi
from bodhi.errors import ConfigurationError
from bodhi.metrics.shared_counters import PUBLISH_SECONDS, Slot
from bodhi.run.connections import BoundedRunner, Limits, Site
from bodhi.run.sockets import bind_to
from bodhi.server.application_metrics import METRICS, ApplicationMetrics
from bodhi.server.http import headers
from bodhi.server.http.errors import error_middleware
from bodhi.server.http.hosts import rebinding_filter
from bodhi.server.http.request_filters import RequestFilter, request_filter_middleware
from bodhi.settings import BODHI_METRICS_HOST, BODHI_METRICS_PORT, BODHI_PORT, Settings

PATH = "/metrics"
CONNECTIONS = 64  # at a time; the monitoring needs a few

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MetricsPort:
    """Sockets for ``/metrics`` and the slot of this process."""

    bound: Sequence[socket.socket]
    place: Slot


def bind_metrics(settings: Settings) -> list[socket.socket]:
    """Bind the sockets for ``/metrics``, none if it is off; raise :exc:`ConfigurationError`."""
    if settings.metrics_port is None:
        return []
    if settings.metrics_port == settings.port != 0:  # workers share ports: requests would go to either at random
        place = settings.sources.get(BODHI_METRICS_PORT, "default")
        raise ConfigurationError(f"{BODHI_METRICS_PORT} ({place}): {settings.port} is the public port, {BODHI_PORT}")
    bound = bind_to(
        settings,
        settings.metrics_host,
        settings.metrics_port,
        BODHI_METRICS_PORT,
        host_setting=BODHI_METRICS_HOST,
        shared=settings.workers > 1,
    )
    host = f"[{settings.metrics_host}]" if ":" in settings.metrics_host else settings.metrics_host
    log.info("metrics are on http://%s:%d%s", host, bound[0].getsockname()[1], PATH)
    return bound


@asynccontextmanager
async def served_metrics(port: MetricsPort | None, app: web.Application, settings: Settings) -> AsyncIterator[None]:
    """Serve the metrics of *app* on *port* inside the context; publish the last ones on leaving."""
    if port is None:
        yield
        return
    watch, place = app[METRICS], port.place
    limits = Limits.of(settings)
    limits = replace(limits, connections=min(CONNECTIONS, limits.connections))
    # Prometheus comes by address, or by a name that the settings know; any other name may be DNS rebinding.
    guard = rebinding_filter({settings.metrics_host, settings.public_host, *settings.allowed_hosts})
    metrics = _application(watch, place, _build(settings), guard)
    runner = BoundedRunner(metrics, limits, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    publishing = asyncio.create_task(_publish(watch, place))
    try:
        for one in port.bound:
            await Site(runner, one).start()
        yield
    finally:
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)
        await runner.cleanup()
        place.put(watch.snapshot())


def _application(
    watch: ApplicationMetrics, place: Slot, build: Mapping[str, str], guard: RequestFilter
) -> web.Application:
    # Here, so that a server without metrics does not import a client library for them.
    from bodhi.metrics.exposition import CONTENT_TYPE, exposition

    async def scrape(_: web.Request) -> web.Response:
        await watch.refresh_live_count(place.total().live)
        place.put(watch.snapshot())
        body = exposition(place.total(), build)
        return web.Response(body=body, headers={hdrs.CONTENT_TYPE: CONTENT_TYPE})

    app = web.Application(middlewares=[error_middleware, request_filter_middleware([guard])])
    headers.setup(app, is_https=False)
    app.add_routes([web.get(PATH, scrape)])
    return app


async def _publish(watch: ApplicationMetrics, place: Slot) -> None:
    while True:
        place.put(watch.snapshot())
        await asyncio.sleep(PUBLISH_SECONDS)


def _build(settings: Settings) -> Mapping[str, str]:
    return {"version": bodhi.__version__, "commit": settings.commit_sha, "python": platform.python_version()}
