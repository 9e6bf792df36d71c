"""Who makes a request, by its ``Authorization`` header: the holder of an API token, or another application."""

from collections.abc import Awaitable, Callable, Sequence

from bodhi.server.access.errors import InvalidAuthorizationHeader, InvalidSignature, InvalidToken
from bodhi.server.access.principal import ApiToken, ExternalApp

SCHEME = "Bearer"
LONGEST_TOKEN = 100_000  # characters

# The caller whom a token names; raises ApiError.
TokenCheck = Callable[[str], Awaitable[ApiToken | ExternalApp]]


class BearerAuthenticator:
    """Asks whoever knows the kind of token; features add theirs."""

    def __init__(self) -> None:
        self._checks: dict[str, TokenCheck] = {}  # by the beginning of the tokens, the longest first

    def add(self, check: TokenCheck, *, prefix: str = "") -> None:
        """Have *check* answer for tokens that begin with *prefix*, and with no longer one that is known."""
        self._checks[prefix] = check
        self._checks = dict(sorted(self._checks.items(), reverse=True))

    async def authenticate(self, header_values: Sequence[str]) -> ApiToken | ExternalApp:
        """The caller named by a request's ``Authorization`` headers; raises :exc:`ApiError`."""
        token = token_in(header_values)
        for prefix, check in self._checks.items():
            if token.startswith(prefix):
                return await check(token)
        raise InvalidSignature


def token_in(header_values: Sequence[str]) -> str:
    """The bearer token in the one ``Authorization`` header; ``auth_error-invalid_token`` for more, or another scheme.

    ``token_error-invalid_token`` where there is nothing behind the scheme, or more than any token is long.
    """
    if len(header_values) != 1:
        raise InvalidAuthorizationHeader
    scheme, _, token = header_values[0].partition(" ")
    if scheme != SCHEME or not token.isascii():
        raise InvalidAuthorizationHeader
    # Servers take white space off the end of a header, so of "Bearer " without a token no space may be left.
    token = token.strip(" \t")
    if not token or len(token) > LONGEST_TOKEN:
        raise InvalidToken
    return token
