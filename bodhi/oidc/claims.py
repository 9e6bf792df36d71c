"""Claims of an access token, converted to one type each.

Providers differ in the types of claims. An optional claim is read leniently: a number as its digits, a list of names
as its names, anything else as absent. Only a required claim can make a token invalid.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from bodhi.oidc.errors import MalformedToken

_LARGEST = 2**53  # larger numbers are not exact in JSON, and not a time

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Claims:
    """Claims of one access token, each with a fixed type; *raw* holds all of them as the provider sent them."""

    subject: str
    expires_at: int  # seconds since 1970
    not_before: int = 0  # seconds since 1970
    issuer: str | None = None
    audience: tuple[str, ...] = ()
    authorized_party: str | None = None  # ``azp``: the client that the token was issued to
    client_id: str | None = None  # the same, as RFC 9068 calls it
    scope: str = ""
    token_id: str | None = None  # ``jti``
    username: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    access_request_id: str | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

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
            username=read["preferred_username"],
            first_name=read["given_name"],
            last_name=read["family_name"],
            access_request_id=read["access_request_id"],
            raw=_merged(sources),
        )

    def roles(self, path: Sequence[str]) -> Sequence[str] | None:
        """Return the names at *path* (``("resource_access", "bodhi", "roles")``), or None if there is no list."""
        found: Any = self.raw
        for key in path:
            if not isinstance(found, dict) or key not in found:
                return None
            found = found[key]
        if isinstance(found, str):
            return found.split()
        return [name for name in found if isinstance(name, str)] if isinstance(found, list) else None


def identifier(value: object) -> str | None:
    """Return an identifier claim as text; a number becomes its digits, anything else None."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST:
        return str(value)
    return _text(value) or None


def seconds(value: object) -> int | None:
    """Return a time claim in seconds since 1970, or None if *value* is not a time."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LARGEST:
        return None
    return int(value)


def _text(value: object) -> str | None:
    # PostgreSQL cannot store a NUL character.
    return value if isinstance(value, str) and "\0" not in value else None


def nonempty_text(value: object) -> str | None:
    """Return text that is not empty and that a database can store, or None."""
    return _text(value) or None


def _display_name(value: object) -> str | None:
    parts = value if isinstance(value, list) else [value]
    return " ".join(text for part in parts if (text := identifier(part)) is not None) or None


def _scope(value: object) -> str | None:
    """Return the scope, separated by spaces (RFC 8693, 4.2); Duende and Spring send a list."""
    if isinstance(value, list):
        return " ".join(name for name in value if _text(name)) or None
    return _text(value)


def _audience(value: object) -> tuple[str, ...] | None:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        return None
    return tuple(values)


_READERS: Mapping[str, Callable[[object], Any]] = {
    "sub": nonempty_text,
    "exp": seconds,
    "nbf": seconds,
    "iss": _text,
    "aud": _audience,
    "azp": _text,
    "client_id": _text,
    "scope": _scope,
    "jti": identifier,
    "preferred_username": _display_name,
    "given_name": _display_name,
    "family_name": _display_name,
    "access_request_id": _text,
}


def _first_usable(name: str, reader: Callable[[object], Any], sources: Sequence[Mapping[str, Any]]) -> Any:
    for source in sources:
        if (value := reader(source.get(name))) is not None:
            return value
    return None


def _merged(sources: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    if len(sources) == 1:
        return sources[0]
    return {name: value for source in reversed(sources) for name, value in source.items() if value is not None}
