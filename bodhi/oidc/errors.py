"""Errors of an identity provider and of its tokens, by what the caller can do about them.

The provider's own text stays in the log, masked; none of these carries it to a client.
"""

from bodhi.errors import BodhiError


class ProviderError(BodhiError):
    """The identity provider did not do what it was asked for."""


class ProviderUnavailable(ProviderError):
    """The identity provider does not answer, or answers that it cannot (5xx, 429): trying later may help."""


class ProviderTimedOut(ProviderUnavailable):
    """The identity provider did not answer in time: whether it did what it was asked for is not known."""


class ProviderRefused(ProviderError):
    """The identity provider refused: by a 4xx, or by an error code with a status of success."""

    def __init__(self, status: int, error: str) -> None:
        """*error* is OAuth's own code, such as ``invalid_grant``, or "" where the answer has none."""
        super().__init__(f"the identity provider refused with {status} {error}".rstrip())
        self.status = status
        self.error = error


class ProviderLacks(ProviderError):
    """The identity provider has no such management call."""


class TokenError(BodhiError):
    """A token cannot be accepted; the message says why, without anything of the token."""


class MalformedToken(TokenError):
    """The token is not a signed token, or a claim that it needs is missing or of the wrong type."""


class UntrustedToken(TokenError):
    """The token is not one that the identity provider signed for this use."""


class ExpiredToken(TokenError):
    """The token has expired, or is not valid yet."""
