"""The client of one OpenID Connect provider: discovery, keys, grants, and the checks of what it signs."""

from bodhi.auth.provider.answers import (
    AppInfo,
    ClientCredentials,
    Consent,
    IdToken,
    LogoutToken,
    RegisteredClient,
    Tokens,
)
from bodhi.auth.provider.claims import Claims
from bodhi.auth.provider.client import IdentityProvider, pkce_challenge
from bodhi.auth.provider.errors import (
    ProviderError,
    ProviderLacks,
    ProviderRefused,
    ProviderTimedOut,
    ProviderUnavailable,
)

__all__ = [
    "AppInfo",
    "Claims",
    "ClientCredentials",
    "Consent",
    "IdToken",
    "IdentityProvider",
    "LogoutToken",
    "ProviderError",
    "ProviderLacks",
    "ProviderRefused",
    "ProviderTimedOut",
    "ProviderUnavailable",
    "RegisteredClient",
    "Tokens",
    "pkce_challenge",
]
