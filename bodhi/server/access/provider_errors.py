"""Map errors of the provider and of its access tokens to API errors."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from bodhi.oidc import errors as oidc
from bodhi.server.access.errors import (
    ApiError,
    InvalidSignature,
    InvalidToken,
    ProviderCallNotSupported,
    ProviderMisconfigured,
    ProviderUnavailable,
    TokenExpired,
)

log = logging.getLogger(__name__)


@contextmanager
def provider_errors(refused: type[ApiError]) -> Iterator[None]:
    """Raise *refused* if the provider refuses; an outage or an unsupported call raises its own error."""
    try:
        yield
    except oidc.ProviderUnavailable as error:
        raise unavailable(error) from error
    except oidc.ProviderLacks as error:
        raise ProviderCallNotSupported from error
    except oidc.ProviderRefused as error:
        log.warning("%s: %s", refused.code, error)
        raise refused.by_provider(error.error) from error


def unavailable(error: oidc.ProviderError) -> ProviderUnavailable:
    """Return the error to raise where the provider cannot be asked: an outage, or wrong settings."""
    return ProviderMisconfigured() if isinstance(error, oidc.ProviderMisconfigured) else ProviderUnavailable()


@contextmanager
def token_errors() -> Iterator[None]:
    """Raise the API error of an access token that cannot be accepted."""
    try:
        yield
    except oidc.MalformedToken as error:
        raise InvalidToken from error
    except oidc.UntrustedToken as error:
        raise InvalidSignature from error
    except oidc.ExpiredToken as error:
        raise TokenExpired from error
