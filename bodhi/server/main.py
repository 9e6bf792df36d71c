"""What the server is started by: one process, or several with a supervisor."""

import logging
from collections.abc import Callable

from bodhi import logs
from bodhi.app import create_app
from bodhi.server.process import SERVICE_SHARE, serve_in_process
from bodhi.server.runner import Runner
from bodhi.server.sockets import bind, url_of
from bodhi.settings import Settings, load_settings, mask_url

log = logging.getLogger(__name__)


def serve(settings: Settings, announce: Callable[[str], None]) -> int:
    """Serve until a signal says to end, and return the exit status; *announce* is told once when it is ready.

    Raises :exc:`ConfigurationError` when the port or the session database cannot be used.
    """
    bound = bind(settings)
    line = (
        f"bodhi is ready on {url_of(settings, bound)}"
        f" ({settings.deployment}, sessions in {mask_url(settings.session_db_url)})"
    )
    if settings.workers > 1:
        from bodhi.server.supervisor import Supervisor  # here, for most servers are one process

        return Supervisor(settings, bound).run(lambda: announce(line))
    return serve_in_process(settings, bound, lambda: announce(line))


async def application() -> Runner:
    """The application for gunicorn's aiohttp worker, as settings in the environment and files say."""
    settings = load_settings()
    logs.configure(settings.log_level, settings.log_format)
    return Runner(create_app(settings), grace_seconds=settings.shutdown_timeout_seconds * SERVICE_SHARE)
