"""Values that the identity provider returns."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

_LONGEST_LIFETIME = 10**9  # seconds; a larger number is invalid


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """Client id and secret; a public client has "" as its secret."""

    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Tokens:
    """Response of the token endpoint."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    id_token: str | None = field(repr=False)
    expires_in: int | None  # seconds from the arrival

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Self | None:
        """Read the tokens in *body*; None if it has no access token."""
        access_token = token_in(body, "access_token")
        if access_token is None:
            return None
        return cls(
            access_token=access_token,
            refresh_token=token_in(body, "refresh_token"),
            id_token=token_in(body, "id_token"),
            expires_in=_lifetime_in(body),
        )


@dataclass(frozen=True, slots=True)
class IdToken:
    """A validated ID token."""

    subject: str
    sid: str | None  # the provider's session, for back-channel logout
    claims: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class LogoutToken:
    """A validated logout token: it names a user, one of their sessions at the provider, or both."""

    subject: str | None
    sid: str | None
    jti: str
    expires_at: int  # seconds since 1970; its ``jti`` has to be remembered until then


@dataclass(frozen=True, slots=True)
class RegisteredClient:
    """A client that the provider registered for this server."""

    client_id: str
    client_secret: str = field(repr=False)
    scope: str

    @property
    def credentials(self) -> ClientCredentials:
        """Its id and secret."""
        return ClientCredentials(self.client_id, self.client_secret)


@dataclass(frozen=True, slots=True)
class Consent:
    """The provider's record of what a user granted to an application."""

    scope: str
    access_request_id: str
    access_request_scope: str


@dataclass(frozen=True, slots=True)
class AppInfo:
    """Display name and description of an application."""

    name: str | None
    description: str | None

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Self:
        """Read *body*."""
        return cls(name=_text_in(body, "name"), description=_text_in(body, "description"))


def token_in(body: Mapping[str, Any], name: str) -> str | None:
    """Return the token under *name*, or None unless it is visible ASCII (RFC 6749, appendix A) and fits a header."""
    token = body.get(name)
    return token if isinstance(token, str) and re.fullmatch("[!-~]+", token) else None


def _lifetime_in(body: Mapping[str, Any]) -> int | None:
    """Return ``expires_in``, which some providers send as text or with a fraction; None if it is no lifetime."""
    value = body.get("expires_in")
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,12})?", value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < _LONGEST_LIFETIME:
        return None
    return max(1, int(value))


def _text_in(body: Mapping[str, Any], name: str) -> str | None:
    text = body.get(name)
    return text if isinstance(text, str) and text and "\0" not in text else None
