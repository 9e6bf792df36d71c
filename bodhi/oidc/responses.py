"""Values that the identity provider returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self


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


def _text_in(body: Mapping[str, Any], name: str) -> str | None:
    text = body.get(name)
    return text if isinstance(text, str) and text and "\0" not in text else None
