"""Claims of an access token, converted to one type each.

Providers differ in the types of claims. An optional claim is read leniently: a number as its digits, a list of names
as its names, anything else as absent. Only a required claim can make a token invalid.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from bodhi.oidc import claim_values as values
from bodhi.oidc.errors import MalformedToken

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Claims:
    """Claims of one access token, each with a fixed type.

    *sources* are the token's payload and its fallbacks, as the provider sent them.
    """

    subject: str
    expires_at: int  # seconds since 1970
    not_before: int = 0  # seconds since 1970
    issuer: str | None = None
    audience: tuple[str, ...] = ()
    authorized_party: str | None = None  # ``azp``: the client that the token was issued to
    client_id: str | None = None  # the same, as RFC 9068 calls it
    scope: str = ""
    token_id: str | None = None  # ``jti``
    username: str | None = None  # ``preferred_username``, else ``email``, else ``name``
    full_name: str = ""  # ``name``, else the first and last name
    first_name: str | None = None
    last_name: str | None = None
    access_request_id: str | None = None
    sources: Sequence[Mapping[str, Any]] = field(default=(), repr=False)

    @classmethod
    def of(cls, payload: object, *fallbacks: Mapping[str, Any], required: Collection[str] = ()) -> Self:
        """Read the claims of a token's payload; a missing or invalid one is taken from the *fallbacks*.

        Raises :exc:`MalformedToken` if ``sub``, ``exp`` or one of *required* is valid in none of them; the log names
        the claim.
        """
        if not isinstance(payload, dict):
            raise MalformedToken
        sources = (payload, *fallbacks)
        read = {name: _first_usable(name, reader, sources) for name, reader in _READERS.items()}
        for name in ("sub", "exp", *required):
            if read[name] is None:
                log.info("token rejected: claim %s is missing or has the wrong type", name)
                raise MalformedToken
        return cls(
            subject=read["sub"],
            expires_at=read["exp"],
            not_before=read["nbf"] or 0,
            issuer=read["iss"],
            audience=read["aud"] or (),
            authorized_party=read["azp"],
            client_id=read["client_id"],
            scope=read["scope"] or "",
            token_id=read["jti"],
            username=read["preferred_username"] or read["email"] or read["name"],
            full_name=read["name"] or " ".join(filter(None, (read["given_name"], read["family_name"]))),
            first_name=read["given_name"],
            last_name=read["family_name"],
            access_request_id=read["access_request_id"],
            sources=sources,
        )

    @property
    def shown_name(self) -> str:
        """The username, or the subject if there is none."""
        return self.username or self.subject

    def at(self, path: Sequence[str]) -> Any:
        """Return the value at *path* (``("resource_access", "bodhi", "roles")``) in the first source that has one."""
        found = (values.value_at(source, path) for source in self.sources)
        return next((value for value in found if value is not None), None)


_READERS: Mapping[str, Callable[[object], Any]] = {
    "sub": values.nonempty_text,
    "exp": values.seconds,
    "nbf": values.seconds,
    "iss": values.text,
    "aud": values.audience,
    "azp": values.text,
    "client_id": values.text,
    "scope": values.scope,
    "jti": values.identifier,
    "preferred_username": values.display_name,
    "email": values.nonempty_text,
    "name": values.display_name,
    "given_name": values.display_name,
    "family_name": values.display_name,
    "access_request_id": values.text,
}


def _first_usable(name: str, reader: Callable[[object], Any], sources: Sequence[Mapping[str, Any]]) -> Any:
    for source in sources:
        if (value := reader(source.get(name))) is not None:
            return value
    return None
