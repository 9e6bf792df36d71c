"""Labels for roles, scopes and times on pages."""

import json
from datetime import UTC, datetime
from urllib.parse import urlencode

from markupsafe import Markup

from bodhi.server.access.scopes import Role, TokenScope

ROLE_NAMES = {
    Role.USER: "User",
    Role.POWER_USER: "Power user",
    Role.MANAGER: "Manager",
    Role.ADMIN: "Administrator",
}
ROLE_POWERS = {
    Role.USER: "You can use this server and let applications act on your behalf.",
    Role.POWER_USER: "You can use this server, let applications act on your behalf, and create API tokens.",
    Role.MANAGER: "You can use this server, create API tokens, decide on access requests, and manage users.",
    Role.ADMIN: "You can use this server, create API tokens, manage users and access, and change settings.",
}
SCOPE_NAMES = {
    TokenScope.USER: "User",
    TokenScope.POWER_USER: "Power user",
    TokenScope.MANAGER: "Manager",
    TokenScope.ADMIN: "Administrator",
}
NO_ROLE = "No role yet"
UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
NO_POWERS = "You have no role yet. Request access to use this server."


def role_name(role: Role | None) -> str:
    """Return the display name of a role."""
    return NO_ROLE if role is None else ROLE_NAMES[role]


def scope_name(scope: str) -> str:
    """Return the display name of an API token's scope, which is that of the corresponding role."""
    return next((name for known, name in SCOPE_NAMES.items() if str(known) == scope), scope)


def lifetime(seconds: int) -> str:
    """Return ``30 days`` or ``1 hour``: the duration in the largest unit that divides it."""
    size, unit = next((size, unit) for size, unit in UNITS if seconds % size == 0)
    number = seconds // size
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def role_powers(role: Role | None) -> str:
    """Return a sentence that describes the permissions of *role*."""
    return NO_POWERS if role is None else ROLE_POWERS[role]


def roles_up_to(role: Role) -> list[Role]:
    """Return the roles that a user with *role* can grant, lowest first."""
    return [other for other in Role if role.grants(other)]


def day(time: datetime) -> str:
    """Return ``24 November 2026, 10:12 UTC``."""
    return f"{time.astimezone(UTC):%-d %B %Y, %H:%M} UTC"


def moment(time: datetime) -> str:
    """Return ``2026-11-24T10:12:00Z``, for ``datetime`` attributes."""
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def time_element(time: datetime) -> Markup:
    """Return a ``<time>`` element in UTC; pages.js makes its text relative or local, and its title stays in UTC."""
    text = day(time)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(moment(time), text, text)


def clock_element(time: datetime) -> Markup:
    """Return a ``<time>`` element with the time of day in UTC, which pages.js shows in the reader's time zone."""
    return Markup('<time datetime="{0}" data-clock="{0}" title="{1}">{2} UTC</time>').format(
        moment(time), day(time), f"{time.astimezone(UTC):%H:%M}"
    )


def query(**values: str) -> str:
    """Return *values* as a query string, with its question mark."""
    return f"?{urlencode(values)}"


def readable(value: object) -> str:
    """Return *value* as indented JSON."""
    return json.dumps(value, ensure_ascii=False, indent=2)
