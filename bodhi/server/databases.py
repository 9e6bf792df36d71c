"""Create the session service and the databases from the settings."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bodhi.database import Database, open_database
from bodhi.errors import BodhiError, ConfigurationError, root_cause
from bodhi.postgres_urls import read_postgres_url
from bodhi.session import CookiePolicy, DefaultSessionService, SessionUnavailable
from bodhi.settings import BODHI_DATABASE_URL, BODHI_ENCRYPTION_KEY, BODHI_SESSION_DB_URL, Settings
from bodhi.urls import is_postgres

SAMPLE = 20  # sessions; digests are random, so the first ones are a random sample

log = logging.getLogger(__name__)


def session_service(settings: Settings, **options: Any) -> DefaultSessionService:
    """Return the session service configured by *settings*, not opened; *options* take precedence."""
    configured: dict[str, Any] = {
        "keys": settings.encryption_keys,
        "idle_seconds": settings.idle_seconds,
        "lifetime_seconds": settings.lifetime_seconds,
        "max_per_user": settings.max_per_user,
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
        "schema": settings.session_db_schema,
        **options,
    }
    return DefaultSessionService.from_url(settings.session_db_url, **configured)


def session_database(settings: Settings) -> Database:
    """Return the session database, not connected."""
    return open_database(settings.session_db_url, **_database_options(settings), schema=settings.session_db_schema)


def application_database(settings: Settings) -> Database:
    """Return the application's database, not connected."""
    return open_database(settings.database_url, **_database_options(settings), schema=_application_schema(settings))


def _application_schema(settings: Settings) -> str | None:
    # By default it is the session database, in the same schema.
    return settings.session_db_schema if settings.database_url == settings.session_db_url else None


def shares_database(settings: Settings) -> bool:
    """Whether sessions and application are in one schema of one PostgreSQL database: one pool serves both."""
    urls = (settings.session_db_url, settings.database_url)
    if not all(map(is_postgres, urls)) or _application_schema(settings) != settings.session_db_schema:
        return False
    session, application = map(read_postgres_url, urls)
    return session == application


@contextmanager
def session_database_faults(settings: Settings) -> Iterator[None]:
    """Turn errors inside into a :exc:`ConfigurationError` that names the setting of the session database."""
    with _faults(settings, BODHI_SESSION_DB_URL):
        yield


@contextmanager
def application_database_faults(settings: Settings) -> Iterator[None]:
    """Turn errors inside into a :exc:`ConfigurationError` that names the setting of the application's database."""
    with _faults(settings, BODHI_DATABASE_URL):
        yield


@contextmanager
def _faults(settings: Settings, name: str) -> Iterator[None]:
    try:
        yield
    except BodhiError as error:
        # The message of SessionUnavailable is meant for handlers; the operator needs the database's own error.
        cause = error.__cause__ if isinstance(error, SessionUnavailable) and error.__cause__ else error
        place = settings.sources.get(name, "default")
        raise ConfigurationError(f"{name} ({place}): {cause}") from error


def _database_options(settings: Settings) -> dict[str, Any]:
    return {
        "pool_size": settings.db_pool_size,
        "limit_seconds": settings.db_timeout_seconds,
        "statement_cache_size": settings.pg_statement_cache_size,
        "readers": settings.sqlite_readers,
        "synchronous": settings.sqlite_synchronous,
    }


async def warn_of_lost_keys(service: DefaultSessionService, settings: Settings) -> None:
    """Log a warning if there are sessions but none of the sampled ones decrypts with the configured keys."""
    try:
        counts = await service.sample_keys(SAMPLE)
    except BodhiError as error:
        # Not a reason to refuse the start: requests report the database error themselves.
        log.warning("encryption keys not checked against stored sessions: %s", root_cause(error))
        return
    if counts["unknown"] and not counts["newest"] + counts["older_format"] + counts["older"]:
        log.warning(
            "no stored session can be decrypted sample=%d: they are encrypted with a key that is not in %s (%s), and"
            " their users are signed out; unless you removed that key on purpose, put it back, behind the first one if"
            " that is to stay, and restart (docs/how-to/rotate-keys.md, a key was dropped too early)",
            counts["unknown"],
            BODHI_ENCRYPTION_KEY,
            settings.sources.get(BODHI_ENCRYPTION_KEY, "default"),
        )
