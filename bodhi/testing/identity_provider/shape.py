"""The shape of a provider's answers: where its claims are, how clients authenticate, what it leaves out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bodhi.testing.identity_provider.accounts import Person

CLIENT_AUTHENTICATION = ("client_secret_post", "client_secret_basic", "none")

# Added to the default claims, or in their place; None removes one.
ClaimChanges = Mapping[str, Any] | Callable[[Person], Mapping[str, Any]]


@dataclass(slots=True)
class Shape:
    """What the answers of a :class:`DevelopmentProvider` look like; changes hold for what is issued from then on.

    Single answers are changed with :meth:`~DevelopmentProvider.alter`, ``"discovery"`` and ``"certs"`` among them, and
    delayed or refused with the other controls.
    """

    access_token_claims: ClaimChanges = field(default_factory=dict)
    id_token_claims: ClaimChanges = field(default_factory=dict)
    userinfo_claims: ClaimChanges = field(default_factory=dict)
    opaque_access_tokens: bool = False
    refresh_tokens: bool = True  # whether logins and refreshes give one
    id_token_after_refresh: bool = True
    userinfo_type: Literal["json", "jwt"] = "json"
    key_ids: bool = True  # in keys and tokens
    client_authentication: tuple[str, ...] = CLIENT_AUTHENTICATION  # announced, and the only ones that are accepted
    authorization_error: str = ""  # an OAuth error code in place of every login, such as access_denied
    authorization_error_description: str = ""


def shaped(claims: Mapping[str, Any], changes: ClaimChanges, person: Person | None) -> dict[str, Any]:
    """Return the *claims* with these *changes*; those that depend on a person need one."""
    if callable(changes):
        changes = {} if person is None else changes(person)
    return {name: value for name, value in {**claims, **changes}.items() if value is not None}
