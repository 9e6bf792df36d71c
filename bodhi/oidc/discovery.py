"""Fetches and keeps the provider's metadata."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from bodhi.oidc.errors import ProviderMisconfigured, ProviderUnavailable
from bodhi.oidc.metadata import Metadata
from bodhi.oidc.transport import Answer, Transport
from bodhi.single_flight import SingleFlight

WELL_KNOWN = "/.well-known/openid-configuration"
REFRESH_SECONDS = 3_600.0
RETRY_SECONDS = 30.0
_TEMPORARY = {408, 429}  # and 5xx; any other status without metadata means that the address is wrong

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Issuer:
    """The provider as configured: its issuer, spelled as in its tokens, and where its metadata are."""

    name: str
    metadata_url: str | None = None  # where it is not below the issuer
    is_keycloak: bool = False  # its paths are known, should discovery be switched off

    @property
    def url(self) -> str:
        """The address of the metadata."""
        return self.metadata_url or self.name.removesuffix("/") + WELL_KNOWN

    @property
    def setting(self) -> str:
        """The setting that the address comes from."""
        if self.metadata_url is not None:
            return "BODHI_AUTH_METADATA_URL"
        return "BODHI_AUTH_URL and BODHI_AUTH_REALM" if self.is_keycloak else "BODHI_AUTH_ISSUER"

    @property
    def fallback(self) -> Metadata | None:
        """The metadata of a provider that has none to fetch, or None."""
        return Metadata.of_keycloak(self.name) if self.is_keycloak and self.metadata_url is None else None

    def read(self, answer: Answer) -> Metadata:
        """Return the metadata in *answer*; raise ValueError if there are none of this issuer."""
        if 300 <= answer.status < 400:
            target = answer.headers.get("Location", "")
            raise ValueError(f"status {answer.status}, a redirect to {target[:200]!a}, which is not followed")
        if answer.status != 200:
            raise ValueError(f"status {answer.status}")
        if answer.body is None:
            is_html = "html" in answer.headers.get("Content-Type", "")
            raise ValueError("HTML in place of JSON" if is_html else "no JSON object")
        return Metadata.of(self.name, answer.body, allows_http=self.url.startswith("http:"))


class Discovery:
    """Metadata of one issuer, fetched on first use and refreshed periodically.

    While the provider is unavailable or its response is invalid, the known metadata stay in use.
    """

    def __init__(
        self,
        issuer: Issuer,
        transport: Transport,
        *,
        clock: Callable[[], float] = time.time,
        on_change: Callable[[Metadata], None] = lambda _: None,
    ) -> None:
        """Create it; *on_change* is called with metadata that differ from those before."""
        self.issuer = issuer
        self._transport = transport
        self._clock = clock
        self._on_change = on_change
        self._known: Metadata | None = None
        self._due_at = 0.0
        self._fetching: SingleFlight[Metadata] = SingleFlight()

    def start(self) -> None:
        """Fetch the metadata in the background."""
        self._fetching.start(None, self._fetch)

    async def metadata(self) -> Metadata:
        """Return the metadata; raise :exc:`ProviderUnavailable` if none are known and they cannot be fetched."""
        if self._known is None:
            return await self._fetching(None, self._fetch)
        if self._clock() >= self._due_at:
            self._due_at = self._clock() + RETRY_SECONDS
            self.start()
        return self._known

    async def close(self) -> None:
        """Cancel a fetch in progress."""
        await self._fetching.close()

    async def _fetch(self) -> Metadata:
        found = self._read(await self._transport.get("discovery", self.issuer.url))
        if found != self._known:
            self._on_change(found)
        self._known = found
        self._due_at = self._clock() + REFRESH_SECONDS
        return found

    def _read(self, answer: Answer) -> Metadata:
        fallback = self.issuer.fallback
        # If discovery worked before, a 404 is a fault in between, not discovery switched off.
        if answer.status == 404 and fallback is not None and self._known in (None, fallback):
            log.warning("identity provider has no metadata at %s: Keycloak's paths are used", self.issuer.url)
            return fallback
        try:
            return self.issuer.read(answer)
        except ValueError as error:
            message = f"{self.issuer.url} (from {self.issuer.setting}): {error}"
            log.error("identity provider metadata rejected: %s", message)
            kind = ProviderUnavailable if answer.status in _TEMPORARY or answer.status >= 500 else ProviderMisconfigured
            raise kind(f"the identity provider's metadata cannot be used: {message}") from error
