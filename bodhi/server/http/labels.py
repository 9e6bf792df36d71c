"""What codes, roles and times are called on pages."""

import json
from datetime import UTC, datetime
from urllib.parse import urlencode

from bodhi.server.access.scopes import Role, TokenScope

ROLE_NAMES = {
    Role.USER: "User",
    Role.POWER_USER: "Power user",
    Role.MANAGER: "Manager",
    Role.ADMIN: "Administrator",
}
ROLE_POWERS = {
    Role.USER: "You may use this server, and let other applications use it for you.",
    Role.POWER_USER: "You may use this server, let other applications use it for you, and make API tokens.",
    Role.MANAGER: "You may use this server, make API tokens, decide who gets access, and manage users.",
    Role.ADMIN: "You may do everything here: use the server, manage users, remove them, and change settings.",
}
SCOPE_NAMES = {
    TokenScope.USER: "User",
    TokenScope.POWER_USER: "Power user",
    TokenScope.MANAGER: "Manager",
    TokenScope.ADMIN: "Administrator",
}
NO_ROLE = "No role yet"
UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
NO_POWERS = "You can log in, and ask for access. Everything else needs a role."


def role_name(role: Role | None) -> str:
    """The role as people say it."""
    return NO_ROLE if role is None else ROLE_NAMES[role]


def scope_name(scope: str) -> str:
    """An API token's scope, as the role that it comes up to."""
    return next((name for known, name in SCOPE_NAMES.items() if str(known) == scope), scope)


def lifetime(seconds: int) -> str:
    """``30 days``, ``1 hour``: in the largest unit that it is a whole number of."""
    size, unit = next((size, unit) for size, unit in UNITS if seconds % size == 0)
    number = seconds // size
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def role_powers(role: Role | None) -> str:
    """What somebody with the role may do, in a sentence."""
    return NO_POWERS if role is None else ROLE_POWERS[role]


def roles_up_to(role: Role) -> list[Role]:
    """What somebody with *role* can give to others, the least first."""
    return [other for other in Role if role.grants(other)]


def day(time: datetime) -> str:
    """``24 November 2026, 10:12 UTC``."""
    return f"{time.astimezone(UTC):%-d %B %Y, %H:%M} UTC"


def moment(time: datetime) -> str:
    """The same for machines: ``2026-11-24T10:12:00Z``."""
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def query(**values: str) -> str:
    """*values* as the end of an address."""
    return f"?{urlencode(values)}"


def readable(value: object) -> str:
    """JSON, laid out to be read."""
    return json.dumps(value, ensure_ascii=False, indent=2)
