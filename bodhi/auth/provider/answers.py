"""What an identity provider gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """What the provider knows this server by."""

    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Tokens:
    """The answer of a token endpoint."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    id_token: str | None = field(repr=False)
    expires_in: int | None  # seconds, as the provider says; the access token itself may say it better


@dataclass(frozen=True, slots=True)
class IdToken:
    """A validated ID token."""

    subject: str
    sid: str | None  # the provider's session, for back-channel logout
    claims: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class LogoutToken:
    """A validated logout token: it names a person, one of their sessions at the provider, or both."""

    subject: str | None
    sid: str | None
    jti: str
    expires_at: int  # seconds since 1970: until then its ``jti`` has to be remembered
