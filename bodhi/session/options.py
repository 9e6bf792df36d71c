"""The options of a service, as its constructors take them; ``docs/reference/library.md`` describes each."""

from typing import TypedDict

from bodhi.session.cookie import CookiePolicy
from bodhi.session.sql_store import Clock


class PolicyOptions(TypedDict, total=False):
    """How long sessions live, how many a user has, and what the cookie is."""

    idle_seconds: float
    lifetime_seconds: float
    touch_seconds: float
    max_per_user: int | None
    cookie: CookiePolicy | None


class ServiceOptions(PolicyOptions, total=False):
    """What the service does beside requests."""

    auto_migrate: bool
    sweep_seconds: float | None


class UrlOptions(ServiceOptions, total=False):
    """How the database of a URL is used."""

    pool_size: int
    limit_seconds: float
    statement_cache_size: int
    schema: str | None
    readers: int
    synchronous: str
    clock: Clock
