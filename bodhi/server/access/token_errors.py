"""Map errors of the provider's access tokens to API errors."""

from collections.abc import Iterator
from contextlib import contextmanager

from bodhi.oidc.errors import ExpiredToken, MalformedToken, UntrustedToken
from bodhi.server.access.errors import InvalidSignature, InvalidToken, TokenExpired


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
