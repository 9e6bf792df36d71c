"""Who may pass: what the query of the proxy's question asks for, and whether a caller has it."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated

import msgspec

from bodhi.server.access.claim_mapping import AllowList
from bodhi.server.access.principal import ApiToken, AuthContext, ExternalApp, SessionUser
from bodhi.server.access.scopes import (
    AppRole,
    Role,
    TokenScope,
    UserScope,
    parse_role,
    parse_token_scope,
    parse_user_scope,
)

# Not an enumeration: an unknown role has an error code of its own.
_ANY_ROLE = msgspec.Meta(extra_json_schema={"enum": [str(role) for role in Role]})

Group = Annotated[str, msgspec.Meta(min_length=1)]
Email = Annotated[str, msgspec.Meta(pattern=r"^[^@\s]+@[^@\s]+(?![\s\S])")]
Domain = Annotated[str, msgspec.Meta(pattern=r"^@?[^@\s]+(?![\s\S])")]


class Wanted(msgspec.Struct, frozen=True):
    """Who may pass: people of at least this ``role``, and tokens of at least one of these ``scope``s (between spaces).

    With ``group``, ``email`` or ``domain``, which may be repeated, people also need one of these. Whoever has nothing
    of what is asked for is kept out; without any of it, everybody with a role or scope passes.
    With ``redirect``, somebody who is not logged in and opens a page gets 302 rather than 401; who is, and may not
    pass, gets the 403 as a page.
    """

    role: Annotated[str, _ANY_ROLE] | None = None
    scope: str | None = None
    group: tuple[Group, ...] = ()
    email: tuple[Email, ...] = ()
    domain: tuple[Domain, ...] = ()
    redirect: bool = False

    @property
    def names_people(self) -> bool:
        """Whether people need more than a role."""
        return bool(self.group or self.email or self.domain)


class Gate:
    """Lets those pass who have what is wanted."""

    def __init__(self, wanted: Wanted) -> None:
        """Raise :exc:`ApiError` if *wanted* names an unknown role or scope."""
        self._least = _least(wanted)
        self._listed = _listed(wanted) if wanted.names_people else None

    def lets_pass(self, context: AuthContext) -> bool:
        """Whether the caller may pass."""
        least = self._least.get(type(context))
        if least is None or context.role is None or context.role.rank < least.rank:
            return False
        if self._listed is None or not isinstance(context, SessionUser):
            return True
        return self._listed.includes(context.identity.email, context.identity.groups)


@lru_cache  # a proxy asks for few different ones
def gate_for(wanted: Wanted) -> Gate:
    """Return the gate for a query."""
    return Gate(wanted)


def _least(wanted: Wanted) -> Mapping[type, AppRole]:
    """Return the least role by kind of caller; others may not pass."""
    if wanted.role is None and wanted.scope is None and not wanted.names_people:
        return {SessionUser: Role.USER, ApiToken: TokenScope.USER, ExternalApp: UserScope.USER}
    least: dict[type, AppRole] = {}
    if wanted.role is not None:
        least[SessionUser] = parse_role(wanted.role)
    elif wanted.names_people:
        least[SessionUser] = Role.USER
    for name in (wanted.scope or "").split():
        if name.startswith("scope_token_"):
            least[ApiToken] = parse_token_scope(name)
        else:
            least[ExternalApp] = parse_user_scope(name)
    return least


def _listed(wanted: Wanted) -> AllowList:
    domains = [f"@{name.removeprefix('@')}" for name in wanted.domain]
    return AllowList([*(f"group:{name}" for name in wanted.group), *wanted.email, *domains])
