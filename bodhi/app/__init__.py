"""The composition root: settings in, aiohttp application out."""

from collections.abc import AsyncIterator

from aiohttp import web

from bodhi import session
from bodhi.app.databases import (
    application_database,
    application_database_faults,
    session_database,
    session_database_faults,
    session_service,
)
from bodhi.settings import Settings
from bodhi.web import headers, life, request_id
from bodhi.web.access_log import LOGGER, AccessLog
from bodhi.web.errors import error_middleware
from bodhi.web.routes import ROUTES
from bodhi.web.status import COMMIT_SHA

__all__ = [
    "application_database",
    "application_database_faults",
    "create_app",
    "session_database",
    "session_database_faults",
    "session_service",
]


def create_app(settings: Settings) -> web.Application:
    """The application, for any runner: nothing is opened before it starts up.

    Starting raises :exc:`ConfigurationError`, naming the setting, when one of the databases cannot be used.
    """
    app = web.Application(handler_args={"access_log_class": AccessLog, "access_log": LOGGER})
    app[COMMIT_SHA] = settings.commit_sha
    service = session_service(settings)

    async def sessions(_: web.Application) -> AsyncIterator[None]:
        with session_database_faults(settings):
            await service.open()
        try:
            yield  # requests are served here
        finally:
            await service.close()

    app.cleanup_ctx.append(sessions)
    # From the outside in.
    request_id.setup(app)
    app.middlewares.append(error_middleware)
    session.setup(app, service)
    headers.setup(app, is_https=settings.public_scheme == "https")
    life.setup(app)
    app.add_routes(ROUTES)
    return app
