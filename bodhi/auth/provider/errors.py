"""What goes wrong with an identity provider, told by what the caller can do about it.

The provider's own words stay in the log, masked; none of these carries them to a client.
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
