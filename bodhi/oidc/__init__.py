"""Client for one OpenID Connect provider: discovery, signing keys, grants and token verification."""

from bodhi.oidc.claims import Claims
from bodhi.oidc.client import IdentityProvider, pkce_challenge
from bodhi.oidc.errors import (
    ExpiredToken,
    MalformedToken,
    ProviderError,
    ProviderLacks,
    ProviderMisconfigured,
    ProviderRefused,
    ProviderTimedOut,
    ProviderUnavailable,
    TokenError,
    UntrustedToken,
)
from bodhi.oidc.responses import (
    AppInfo,
    ClientCredentials,
    Consent,
    IdToken,
    LogoutToken,
    RegisteredClient,
    Tokens,
)

__all__ = [
    "AppInfo",
    "Claims",
    "ClientCredentials",
    "Consent",
    "ExpiredToken",
    "IdToken",
    "IdentityProvider",
    "LogoutToken",
    "MalformedToken",
    "ProviderError",
    "ProviderLacks",
    "ProviderMisconfigured",
    "ProviderRefused",
    "ProviderTimedOut",
    "ProviderUnavailable",
    "RegisteredClient",
    "TokenError",
    "Tokens",
    "UntrustedToken",
    "pkce_challenge",
]
