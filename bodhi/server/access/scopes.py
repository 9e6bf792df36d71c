"""Roles of users, scopes of API tokens, and scopes that users grant to applications: four ranks each."""

from collections.abc import Iterable
from enum import Enum
from typing import Self, TypeVar

from bodhi.server.access.errors import (
    ApiError,
    InvalidRoleName,
    InvalidScope,
    InvalidTokenScope,
    InvalidUserScope,
    MissingOfflineAccess,
    MissingTokenScope,
    MissingUserScope,
)

OFFLINE_ACCESS = "offline_access"


class RankedEnum(Enum):
    """Enum whose members are listed from the lowest to the highest rank."""

    rank: int  # 1 for the lowest

    def __init__(self, _: str) -> None:
        self.rank = len(type(self).__members__) + 1

    def grants(self, needed: Self) -> bool:
        """Whether this is at least *needed*; a TypeError if they are members of different enums."""
        if type(self) is not type(needed):
            raise TypeError(f"{self} and {needed} are of different kinds")
        return self.rank >= needed.rank

    def __str__(self) -> str:
        return str(self._value_)  # the property is slow


class Role(RankedEnum):
    """Role of a user."""

    USER = "resource_user"
    POWER_USER = "resource_power_user"
    MANAGER = "resource_manager"
    ADMIN = "resource_admin"


class TokenScope(RankedEnum):
    """Scope of an API token."""

    USER = "scope_token_user"
    POWER_USER = "scope_token_power_user"
    MANAGER = "scope_token_manager"
    ADMIN = "scope_token_admin"


class UserScope(RankedEnum):
    """Scope of an external application that acts for a user."""

    USER = "scope_user_user"
    POWER_USER = "scope_user_power_user"
    MANAGER = "scope_user_manager"
    ADMIN = "scope_user_admin"

    @classmethod
    def of_role(cls, role: Role) -> Self:
        """Return the scope that corresponds to *role*."""
        return next(scope for scope in cls if scope.rank == role.rank)


AppRole = Role | TokenScope | UserScope

Ranked = TypeVar("Ranked", bound=RankedEnum)

_ROLES = {str(role): role for role in Role}
_TOKEN_SCOPES = {str(scope): scope for scope in TokenScope}
_USER_SCOPES = {str(scope): scope for scope in UserScope}


def parse_role(name: str) -> Role:
    """Return the role with this name; raise :exc:`InvalidRoleName`."""
    try:
        return _ROLES[name]
    except KeyError:
        raise InvalidRoleName from None


def parse_token_scope(name: str) -> TokenScope:
    """Return the token scope with this name; raise :exc:`InvalidTokenScope`."""
    try:
        return _TOKEN_SCOPES[name]
    except KeyError:
        raise InvalidTokenScope from None


def parse_user_scope(name: str) -> UserScope:
    """Return the user scope with this name; raise :exc:`InvalidUserScope`."""
    try:
        return _USER_SCOPES[name]
    except KeyError:
        raise InvalidUserScope from None


def highest_token_scope(scope: str) -> TokenScope:
    """Return the highest token scope in a space-separated list, which must also contain ``offline_access``."""
    names = scope.split()
    highest = _highest(_TOKEN_SCOPES[name] for name in names if name in _TOKEN_SCOPES)
    if highest is None:
        raise MissingTokenScope
    if OFFLINE_ACCESS not in names:
        raise MissingOfflineAccess
    return highest


def highest_user_scope(scope: str) -> UserScope:
    """Return the highest user scope in a space-separated list."""
    highest = _highest(_USER_SCOPES[name] for name in scope.split() if name in _USER_SCOPES)
    if highest is None:
        raise MissingUserScope
    return highest


def resource_scope(scope: str) -> TokenScope | UserScope:
    """Return the highest token scope in a space-separated list, or else its highest user scope."""
    for highest in (highest_token_scope, highest_user_scope):
        try:
            return highest(scope)
        except ApiError:
            continue
    raise InvalidScope


def _highest(members: Iterable[Ranked]) -> Ranked | None:
    return max(members, key=lambda member: member.rank, default=None)
