"""Authentication by bearer token: holders of API tokens, and other applications."""

from collections.abc import Awaitable, Callable, Sequence

from bodhi.server.access.errors import InvalidAuthorizationHeader, InvalidSignature, InvalidToken
from bodhi.server.access.principal import ApiToken, ExternalApp

SCHEME = "bearer"  # in any case (RFC 9110, 11.1)
LONGEST_TOKEN = 100_000  # characters

# Returns the caller identified by a token; raises ApiError.
TokenCheck = Callable[[str], Awaitable[ApiToken | ExternalApp]]


class BearerAuthenticator:
    """Passes a token to the check for its prefix; features register their checks."""

    def __init__(self) -> None:
        self._checks: dict[str, TokenCheck] = {}  # by prefix, longest first

    def add(self, check: TokenCheck, *, prefix: str = "") -> None:
        """Register *check* for tokens with *prefix*; the longest matching prefix is used."""
        self._checks[prefix] = check
        self._checks = dict(sorted(self._checks.items(), reverse=True))

    async def authenticate(self, header_values: Sequence[str]) -> ApiToken | ExternalApp:
        """Return the caller identified by the ``Authorization`` headers; raise :exc:`ApiError`."""
        token = token_in(header_values)
        for prefix, check in self._checks.items():
            if token.startswith(prefix):
                return await check(token)
        raise InvalidSignature


def token_in(header_values: Sequence[str]) -> str:
    """Return the bearer token in the ``Authorization`` header.

    Raises :exc:`InvalidAuthorizationHeader` for several headers or another scheme, and :exc:`InvalidToken` for an empty
    or too long token.
    """
    if len(header_values) != 1:
        raise InvalidAuthorizationHeader
    scheme, _, token = header_values[0].partition(" ")
    if scheme.lower() != SCHEME or not token.isascii():
        raise InvalidAuthorizationHeader
    # HTTP parsers strip trailing white space, so "Bearer " without a token arrives as "Bearer".
    token = token.strip(" \t")
    if not token or len(token) > LONGEST_TOKEN:
        raise InvalidToken
    return token
