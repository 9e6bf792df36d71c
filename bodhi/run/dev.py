"""Development identity provider of ``bodhi serve --dev``, on the server's event loop."""

import logging
import socket
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType

from bodhi.errors import ConfigurationError
from bodhi.run.sockets import bind_to, url_of
from bodhi.settings import BODHI_AUTH_ISSUER, BODHI_AUTH_URL, BODHI_DEV, BODHI_DEV_PORT, Settings
from bodhi.testing.identity_provider import PEOPLE, DevelopmentProvider

HOST = "localhost"
CLIENT_ID = "bodhi"
PROVIDER_NAME = "the development provider"
ACCESS_TOKEN_SECONDS = 60  # short: after a restart nobody here knows the old tokens, so bodhi soon asks to log in again
CALLBACK_PATH = "/ui/auth/callback"
LOGIN_PATH = "/ui/login"
BACKCHANNEL_LOGOUT_PATH = "/bodhi/v1/auth/backchannel-logout"

log = logging.getLogger(__name__)


class Development:
    """The provider with its port bound, and settings of a server that uses it; runs while the context is entered.

    Raises :exc:`ConfigurationError` if the port is not available.
    """

    def __init__(self, settings: Settings, bound: Sequence[socket.socket]) -> None:
        """*bound* are the sockets of the server."""
        for name in (BODHI_AUTH_ISSUER, BODHI_AUTH_URL):
            if settings.sources.get(name, "default") != "default":
                log.warning(
                    "%s (%s) is ignored: %s starts a development provider", name, settings.sources[name], BODHI_DEV
                )
        self.sockets = bind_to(settings, HOST, settings.dev_port, BODHI_DEV_PORT)
        self._port = self.sockets[0].getsockname()[1]
        self._place = settings.sources.get(BODHI_DEV_PORT, "default")
        self._provider = DevelopmentProvider(
            client_id=settings.client_id or CLIENT_ID,
            client_secret=settings.client_secret,
            redirect_uris=[f"{settings.public_url}{CALLBACK_PATH}"],
            access_token_seconds=ACCESS_TOKEN_SECONDS,
            sockets=self.sockets,
            base_url=self.url,
        )
        client = self._provider.client
        client.post_logout_redirect_uris = (f"{settings.public_url}{LOGIN_PATH}",)
        client.backchannel_logout_uri = f"{url_of(settings, bound)}{BACKCHANNEL_LOGOUT_PATH}"
        self.settings = replace(
            settings,
            auth_issuer=self._provider.issuer,
            client_id=client.client_id,
            client_secret=client.secret,
            client_key=None,
            auth_client_authentication="auto",
            auth_metadata_url=None,
            auth_management=True,
            auth_provider_name=settings.auth_provider_name or PROVIDER_NAME,
        )

    @property
    def url(self) -> str:
        """URL of the provider for browsers and the server."""
        return f"http://{HOST}:{self._port}"

    @property
    def line(self) -> str:
        """The line printed for the developer."""
        *names, last = (person.username for person, _ in PEOPLE)
        return f"development provider on {self.url}: sign in as {', '.join(names)} or {last}"

    async def __aenter__(self) -> None:
        try:
            await self._provider.__aenter__()
        except OSError as error:
            # Two servers that start at once can both bind; only one of them can listen.
            raise ConfigurationError(
                f"{BODHI_DEV_PORT} ({self._place}): {self._port} cannot be bound: {error.strerror}"
            ) from error

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._provider.__aexit__(kind, error, traceback)
