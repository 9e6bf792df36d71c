"""The claims of an access token, as far as they are read here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from bodhi.auth.refusal import Refusal


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of one access token, each of the type that it must have; *raw* is all of them."""

    subject: str
    expires_at: int  # seconds since 1970
    not_before: int = 0  # seconds since 1970
    issuer: str | None = None
    audience: tuple[str, ...] = ()
    authorized_party: str | None = None  # ``azp``: the client that the token was issued to
    scope: str = ""
    token_id: str | None = None  # ``jti``
    username: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    access_request_id: str | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, payload: object) -> Self:
        """The claims in a token's payload; ``token_error-invalid_token`` where one has the wrong type."""
        if not isinstance(payload, dict):
            raise Refusal("token_error-invalid_token")
        return cls(
            subject=_text(payload, "sub"),
            expires_at=_seconds(payload, "exp"),
            not_before=_seconds(payload, "nbf") if payload.get("nbf") is not None else 0,
            issuer=_optional_text(payload, "iss"),
            audience=_audience(payload.get("aud")),
            authorized_party=_optional_text(payload, "azp"),
            scope=_optional_text(payload, "scope") or "",
            token_id=_optional_text(payload, "jti"),
            username=_optional_text(payload, "preferred_username"),
            first_name=_optional_text(payload, "given_name"),
            last_name=_optional_text(payload, "family_name"),
            access_request_id=_optional_text(payload, "access_request_id"),
            raw=payload,
        )

    def roles(self, path: Sequence[str]) -> Sequence[str] | None:
        """The names at *path* (``("resource_access", "bodhi", "roles")``), or None where there is no such list."""
        found: Any = self.raw
        for key in path:
            if not isinstance(found, dict) or key not in found:
                return None
            found = found[key]
        if isinstance(found, str):
            return found.split()
        return [name for name in found if isinstance(name, str)] if isinstance(found, list) else None


def _text(payload: dict[str, Any], name: str) -> str:
    value = _optional_text(payload, name)
    if not value:
        raise Refusal("token_error-invalid_token")
    return value


def _optional_text(payload: dict[str, Any], name: str) -> str | None:
    value = payload.get(name)
    # A zero byte is a text that no database takes.
    if value is not None and (not isinstance(value, str) or "\0" in value):
        raise Refusal("token_error-invalid_token")
    return value


def _seconds(payload: dict[str, Any], name: str) -> int:
    value = payload.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**53:
        raise Refusal("token_error-invalid_token")
    return int(value)


def _audience(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise Refusal("token_error-invalid_token")
    return tuple(values)
