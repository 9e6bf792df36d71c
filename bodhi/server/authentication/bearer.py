"""Who makes a request, by its ``Authorization`` header: the holder of an API token, or another application."""

from collections.abc import Sequence

from bodhi.server.access.errors import InvalidAuthorizationHeader, InvalidSignature, InvalidToken
from bodhi.server.access.principal import ApiToken, ExternalApp
from bodhi.server.apps.external_apps import ExternalApps
from bodhi.server.tokens.service import PREFIX, ApiTokens

SCHEME = "Bearer"
LONGEST_TOKEN = 100_000  # characters


class BearerAuthenticator:
    """Asks whoever knows the kind of token; without *external_apps*, there being no provider, only API tokens count."""

    def __init__(self, api_tokens: ApiTokens, external_apps: ExternalApps | None) -> None:
        self._api_tokens = api_tokens
        self._external_apps = external_apps

    async def authenticate(self, header_values: Sequence[str]) -> ApiToken | ExternalApp:
        """The caller named by a request's ``Authorization`` headers; raises :exc:`ApiError`."""
        token = token_in(header_values)
        if token.startswith(PREFIX):
            return await self._api_tokens.authenticate(token)
        if self._external_apps is None:
            raise InvalidSignature
        return await self._external_apps.authenticate(token)


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
