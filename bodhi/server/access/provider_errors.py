"""Map errors of the provider and of its access tokens to API errors."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from bodhi.oidc.errors import (
    ExpiredToken,
    MalformedToken,
    ProviderLacks,
    ProviderRefused,
    ProviderUnavailable,
    UntrustedToken,
)
from bodhi.server.access.errors import ApiError, InvalidSignature, InvalidToken, ProviderCallNotSupported, TokenExpired
from bodhi.server.access.errors import ProviderUnavailable as ProviderUnavailableError

log = logging.getLogger(__name__)


@contextmanager
def provider_errors(refused: type[ApiError]) -> Iterator[None]:
    """Raise *refused* if the provider refuses; an outage or an unsupported call raises its own error."""
    try:
        yield
    except ProviderUnavailable as error:
        raise ProviderUnavailableError from error
    except ProviderLacks as error:
        raise ProviderCallNotSupported from error
    except ProviderRefused as error:
        log.warning("%s: %s", refused.code, error)
        raise refused from error


@contextmanager
def token_errors() -> Iterator[None]:
    """Raise the API error of an access token that cannot be accepted."""
    try:
        yield
    except MalformedToken as error:
        raise InvalidToken from error
    except UntrustedToken as error:
        raise InvalidSignature from error
    except ExpiredToken as error:
        raise TokenExpired from error
