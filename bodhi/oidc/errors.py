"""Errors of the identity provider and its tokens, one class for each way a caller can react.

The provider's own error text is never part of them, so it cannot reach a client.
"""

import re

from bodhi.errors import BodhiError

LONGEST_DESCRIPTION = 200  # characters

_LIKE_A_TOKEN = re.compile(r"[\w~+/=-]{24,}")


class ProviderError(BodhiError):
    """A call to the identity provider failed."""


class ProviderUnavailable(ProviderError):
    """The identity provider is unavailable (no answer, 5xx or 429); retry later."""


class ProviderMisconfigured(ProviderUnavailable):
    """The settings for the identity provider are wrong: its metadata are not there, or not those of the issuer."""


class ProviderTimedOut(ProviderUnavailable):
    """The identity provider did not answer in time; the request may or may not have taken effect."""


class ProviderRefused(ProviderError):
    """The identity provider refused the request: a 4xx, or an error code in a 2xx response."""

    def __init__(self, status: int, error: str) -> None:
        """*error* is the OAuth error code, such as ``invalid_grant``, or "" if the response has none."""
        super().__init__(f"the identity provider refused with {status} {error}".rstrip())
        self.status = status
        self.error = error


def error_code(value: object) -> str:
    """Return an OAuth error code, or "" if *value* is not one that is safe to pass on."""
    return value if isinstance(value, str) and re.fullmatch("[A-Za-z0-9_.-]{1,64}", value) else ""


def error_description(value: object) -> str:
    """Return the provider's description of an error for the log, in one line and cut.

    Without control characters, and without what may be a code or token: some providers repeat those.
    """
    if not isinstance(value, str):
        return ""
    text = "".join(character if character.isprintable() else " " for character in value[: 4 * LONGEST_DESCRIPTION])
    text = _LIKE_A_TOKEN.sub("***", " ".join(text.split()))
    return text if len(text) <= LONGEST_DESCRIPTION else f"{text[:LONGEST_DESCRIPTION]}…"


class ProviderLacks(ProviderError):
    """The identity provider does not support this management call."""


class TokenError(BodhiError):
    """The token was rejected; the message gives the reason and no part of the token."""


class MalformedToken(TokenError):
    """The token is not a signed JWT, or a required claim is missing or has the wrong type."""


class UntrustedToken(TokenError):
    """The token was not signed by the identity provider for this use."""


class ExpiredToken(TokenError):
    """The token has expired, or is not valid yet."""
