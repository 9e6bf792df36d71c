"""The composition root: settings in, aiohttp application out."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web

from bodhi import session
from bodhi.database import Database, open_database
from bodhi.errors import BodhiError, ConfigurationError
from bodhi.session import CookiePolicy, DefaultSessionService, SessionUnavailable
from bodhi.settings import BODHI_SESSION_DB_URL, Settings
from bodhi.web import headers, life, request_id
from bodhi.web.access_log import LOGGER, AccessLog
from bodhi.web.errors import error_middleware
from bodhi.web.routes import ROUTES
from bodhi.web.status import COMMIT_SHA


def create_app(settings: Settings) -> web.Application:
    """The application, for any runner: nothing is opened before it starts up.

    Starting raises :exc:`ConfigurationError`, naming the setting, when the session database cannot be used.
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


def session_service(settings: Settings, **options: Any) -> DefaultSessionService:
    """The service that keeps sessions as *settings* say, not opened; *options* go before them."""
    described: dict[str, Any] = {
        "keys": settings.encryption_keys,
        "idle_seconds": settings.idle_seconds,
        "lifetime_seconds": settings.lifetime_seconds,
        "touch_seconds": settings.touch_seconds,
        "sweep_seconds": settings.sweep_seconds,
        "auto_migrate": settings.db_auto_migrate,
        "cookie": CookiePolicy(
            name=settings.cookie_name,
            secure=settings.public_scheme == "https",
            samesite=settings.cookie_samesite,
            host_prefix=settings.cookie_host_prefix,
        ),
        **_database_options(settings),
        **options,
    }
    return DefaultSessionService.from_url(settings.session_db_url, **described)


def session_database(settings: Settings) -> Database:
    """The database of the sessions, not connected yet."""
    return open_database(settings.session_db_url, **_database_options(settings))


@contextmanager
def session_database_faults(settings: Settings) -> Iterator[None]:
    """Errors inside are put down to the setting that names the session database."""
    try:
        yield
    except BodhiError as error:
        # What SessionUnavailable says is meant for handlers; the operator wants to know what the database said.
        cause = error.__cause__ if isinstance(error, SessionUnavailable) and error.__cause__ else error
        place = settings.sources.get(BODHI_SESSION_DB_URL, "default")
        raise ConfigurationError(f"{BODHI_SESSION_DB_URL} ({place}): {cause}") from error


def _database_options(settings: Settings) -> dict[str, Any]:
    return {
        "pool_size": settings.db_pool_size,
        "limit_seconds": settings.db_timeout_seconds,
        "statement_cache_size": settings.pg_statement_cache_size,
        "schema": settings.session_db_schema,
        "readers": settings.sqlite_readers,
        "synchronous": settings.sqlite_synchronous,
    }
