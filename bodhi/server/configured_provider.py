"""The identity provider and the client in the settings, and the HTTP client for calls of the provider."""

from collections.abc import AsyncIterator, Callable

import aiohttp
from aiohttp import web

import bodhi
from bodhi.errors import ConfigurationError
from bodhi.oidc.client import IdentityProvider
from bodhi.oidc.errors import ProviderLacks
from bodhi.server.access.instance import Instance, Status
from bodhi.settings import Settings
from bodhi.settings.names import BODHI_CLIENT_KEY


class HttpClient:
    """The HTTP client of the application, open while it runs."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    def __call__(self) -> aiohttp.ClientSession:
        """Return the client; raise :exc:`ProviderLacks` before the application has started."""
        if self._session is None:
            raise ProviderLacks("the application has not started")
        return self._session

    async def opened(self, _: web.Application) -> AsyncIterator[None]:
        """Keep the client open while the application runs."""
        # No cookies: responses to one user's calls must not affect another's.
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as self._session:
            yield
        self._session = None


def create_provider(settings: Settings, http: Callable[[], aiohttp.ClientSession]) -> IdentityProvider:
    """Return a client of the provider in the settings; raise :exc:`ConfigurationError` if its key cannot sign."""
    if settings.auth_issuer is None:  # a placeholder; without the version, which is slow to look up
        return IdentityProvider("https://nobody.invalid", http=_no_http, version="", management=False)
    if settings.client_key is not None:
        _check_client_key(settings.client_key, settings.sources[BODHI_CLIENT_KEY])
    return IdentityProvider(
        settings.auth_issuer,
        http=http,
        version=bodhi.__version__,
        limit_seconds=settings.auth_timeout_seconds,
        metadata_url=settings.auth_metadata_url,
        is_keycloak=settings.auth_url is not None,
        scopes=settings.auth_scopes,
        client_authentication=settings.auth_client_authentication,
        client_key=settings.client_key,
        management=settings.auth_management,
        uses_proxy=not settings.dev,
        refresh_reuse=settings.auth_refresh_reuse,
    )


def _check_client_key(key: str, place: str) -> None:
    from bodhi.oidc import jose

    try:
        jose.private_key(key)
    except ValueError as error:
        raise ConfigurationError(f"{BODHI_CLIENT_KEY} ({place}): {error}") from None


def _no_http() -> aiohttp.ClientSession:
    raise ProviderLacks("no identity provider is configured")


def configured_client(settings: Settings) -> Instance | None:
    """Return the client in the settings, or None if there is none."""
    if settings.client_id is None:
        return None
    return Instance(settings.client_id, settings.client_secret or "", status=Status(settings.client_status))
