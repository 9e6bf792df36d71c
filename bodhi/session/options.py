"""The options of a service's constructors, described in ``docs/reference/library.md``."""

from typing import TypedDict

from bodhi.session.cookie import CookiePolicy
from bodhi.session.sql_store import Clock


class PolicyOptions(TypedDict, total=False):
    """Session lifetimes, sessions per user, and the cookie."""

    idle_seconds: float
    lifetime_seconds: float
    touch_seconds: float
    max_per_user: int | None
    cookie: CookiePolicy | None


class ServiceOptions(PolicyOptions, total=False):
    """Options of background work."""

    auto_migrate: bool
    sweep_seconds: float | None


class UrlOptions(ServiceOptions, total=False):
    """Options of the database connection."""

    pool_size: int
    limit_seconds: float
    statement_cache_size: int
    schema: str | None
    readers: int
    synchronous: str
    clock: Clock
