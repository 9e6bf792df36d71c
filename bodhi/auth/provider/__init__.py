"""The client of one OpenID Connect provider: discovery, keys, grants, and the checks of what it signs."""

from bodhi.auth.provider.answers import IdToken, LogoutToken, Tokens
from bodhi.auth.provider.claims import Claims
from bodhi.auth.provider.errors import ProviderError, ProviderLacks, ProviderRefused, ProviderUnavailable

__all__ = [
    "Claims",
    "IdToken",
    "LogoutToken",
    "ProviderError",
    "ProviderLacks",
    "ProviderRefused",
    "ProviderUnavailable",
    "Tokens",
]
