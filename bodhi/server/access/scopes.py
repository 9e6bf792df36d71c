"""Roles of people, scopes of API tokens, and scopes that people grant to applications: four steps in each column."""

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
    """One column: members from the weakest to the strongest."""

    rank: int  # 1 for the weakest

    def __init__(self, _: str) -> None:
        self.rank = len(type(self).__members__) + 1

    def grants(self, needed: Self) -> bool:
        """Whether this is at least *needed*; a TypeError across columns, which nothing grants."""
        if type(self) is not type(needed):
            raise TypeError(f"{self} and {needed} are of different columns")
        return self.rank >= needed.rank

    def __str__(self) -> str:
        return str(self.value)


class Role(RankedEnum):
    """What a person is to this server."""

    USER = "resource_user"
    POWER_USER = "resource_power_user"
    MANAGER = "resource_manager"
    ADMIN = "resource_admin"


class TokenScope(RankedEnum):
    """What an API token may do."""

    USER = "scope_token_user"
    POWER_USER = "scope_token_power_user"
    MANAGER = "scope_token_manager"
    ADMIN = "scope_token_admin"


class UserScope(RankedEnum):
    """What an external application may do for a person."""

    USER = "scope_user_user"
    POWER_USER = "scope_user_power_user"
    MANAGER = "scope_user_manager"
    ADMIN = "scope_user_admin"

    @classmethod
    def of_role(cls, role: Role) -> Self:
        """The scope that lets an application do all that a person with *role* may do."""
        return next(scope for scope in cls if scope.rank == role.rank)


AppRole = Role | TokenScope | UserScope

Step = TypeVar("Step", bound=RankedEnum)

_ROLES = {str(role): role for role in Role}
_TOKEN_SCOPES = {str(scope): scope for scope in TokenScope}
_USER_SCOPES = {str(scope): scope for scope in UserScope}


def parse_role(name: str) -> Role:
    """The role with exactly this name, or ``role_error-invalid_role_name``."""
    try:
        return _ROLES[name]
    except KeyError:
        raise InvalidRoleName from None


def parse_token_scope(name: str) -> TokenScope:
    """The token scope with exactly this name, or ``token_scope_error-invalid_token_scope``."""
    try:
        return _TOKEN_SCOPES[name]
    except KeyError:
        raise InvalidTokenScope from None


def parse_user_scope(name: str) -> UserScope:
    """The user scope with exactly this name, or ``user_scope_error-invalid_user_scope``."""
    try:
        return _USER_SCOPES[name]
    except KeyError:
        raise InvalidUserScope from None


def highest_role(names: Iterable[str]) -> Role:
    """The strongest known role among *names*; unknown ones count for nothing, and none is an error."""
    found = _strongest(_ROLES[name] for name in names if name in _ROLES)
    if found is None:
        raise InvalidRoleName
    return found


def highest_token_scope(scope: str) -> TokenScope:
    """The strongest token scope in a space-separated list, which has to hold ``offline_access`` as well."""
    names = scope.split()
    found = _strongest(_TOKEN_SCOPES[name] for name in names if name in _TOKEN_SCOPES)
    if found is None:
        raise MissingTokenScope
    if OFFLINE_ACCESS not in names:
        raise MissingOfflineAccess
    return found


def highest_user_scope(scope: str) -> UserScope:
    """The strongest user scope in a space-separated list."""
    found = _strongest(_USER_SCOPES[name] for name in scope.split() if name in _USER_SCOPES)
    if found is None:
        raise MissingUserScope
    return found


def resource_scope(scope: str) -> TokenScope | UserScope:
    """The strongest token scope in a list, else its strongest user scope."""
    for highest in (highest_token_scope, highest_user_scope):
        try:
            return highest(scope)
        except ApiError:
            continue
    raise InvalidScope


def _strongest(found: Iterable[Step]) -> Step | None:
    return max(found, key=lambda step: step.rank, default=None)
