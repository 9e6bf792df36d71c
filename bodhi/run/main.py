"""Start of the server: one process, or several with a supervisor."""

import logging
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace

from bodhi import logs
from bodhi.errors import ConfigurationError
from bodhi.metrics.shared_counters import SharedCounters
from bodhi.run.connections import Limits
from bodhi.run.metrics import MetricsPort, bind_metrics
from bodhi.run.process import SERVICE_SHARE, serve_in_process
from bodhi.run.runner import Runner
from bodhi.run.sockets import bind, url_of
from bodhi.server.app import create_app
from bodhi.settings import BODHI_DEV, Settings, mask_url, resolve_settings, with_encryption_keys

log = logging.getLogger(__name__)


def serve(settings: Settings, announce: Callable[[str], None]) -> int:
    """Serve until a signal, and return the exit status; *announce* is called once with a line when it is ready.

    Raises :exc:`ConfigurationError` if the port or the session database cannot be used.
    """
    bound = bind(settings)
    metrics = bind_metrics(settings)
    if settings.public_port == 0:  # browsers come to the port that the system chose
        settings = replace(settings, public_port=bound[0].getsockname()[1])
    line = (
        f"bodhi is ready on {url_of(settings, bound)}"
        f" ({settings.deployment}, sessions in {mask_url(settings.session_db_url)})"
    )
    if settings.workers > 1:
        from bodhi.run.supervisor import Supervisor  # here, for most servers are one process

        return Supervisor(settings, bound, metrics).run(lambda: announce(line))
    if settings.dev:
        return _serve_with_provider(settings, bound, line, announce, _port_of(metrics))
    return serve_in_process(settings, bound, lambda: announce(line), metrics=_port_of(metrics))


def _port_of(bound: Sequence[socket.socket]) -> MetricsPort | None:
    return MetricsPort(bound, SharedCounters(1).take(0)) if bound else None


def _serve_with_provider(
    settings: Settings,
    bound: Sequence[socket.socket],
    line: str,
    announce: Callable[[str], None],
    metrics: MetricsPort | None,
) -> int:
    from bodhi.run.dev import Development  # here, for a server in production imports nothing of it

    development = Development(settings, bound)

    def ready() -> None:
        announce(line)
        announce(development.line)

    return serve_in_process(development.settings, bound, ready, beside=development, metrics=metrics)


async def application() -> Runner:
    """Create the application for gunicorn's aiohttp worker from settings in the environment and files."""
    resolution = resolve_settings()
    settings = resolution.settings
    if settings.dev:
        place = settings.sources.get(BODHI_DEV, "default")
        raise ConfigurationError(f"{BODHI_DEV} ({place}): only `bodhi serve` starts the development provider")
    logs.configure(settings.log_level, settings.log_format)
    for warning in resolution.warnings:
        log.warning("%s", warning)
    settings = with_encryption_keys(settings)  # after the log, which tells when it makes a key file
    limits = Limits.of(settings)
    return Runner(create_app(settings), limits, grace_seconds=settings.shutdown_timeout_seconds * SERVICE_SHARE)
