"""The provider's own description (OpenID Connect Discovery 1.0, RFC 8414): read, fetched and kept."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self
from urllib.parse import urlsplit

from bodhi.oidc.client_authentication import ClientEndpoint
from bodhi.oidc.errors import ProviderMisconfigured, ProviderUnavailable
from bodhi.oidc.transport import Answer, Transport
from bodhi.single_flight import SingleFlight

WELL_KNOWN = "/.well-known/openid-configuration"
REFRESH_SECONDS = 3_600.0
RETRY_SECONDS = 30.0
_TEMPORARY = {408, 429}  # and 5xx; any other status without metadata means that the address is wrong
_LONGEST_QUOTED = 200  # characters of the issuer in a message

_REQUIRED = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_OPTIONAL = ("userinfo_endpoint", "end_session_endpoint", "revocation_endpoint")
_FOR_BROWSERS = ("authorization_endpoint", "end_session_endpoint")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Metadata:
    """Endpoints and capabilities of a provider; *raw* holds all that it sent."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    revocation_endpoint: str | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, issuer: str, body: Mapping[str, Any], *, allows_http: bool = False) -> Self:
        """Read *body*; raise ValueError if the issuer differs or an endpoint is missing.

        Endpoints with http are accepted only if the issuer has http, too; with *allows_http* also those that no browser
        is sent to.
        """
        if body.get("issuer") != issuer:
            raise ValueError(_other_issuer(body.get("issuer"), issuer))
        is_http = issuer.startswith("http:")
        found = {
            name: _endpoint(body.get(name), allows_http=is_http or (allows_http and name not in _FOR_BROWSERS))
            for name in (*_REQUIRED, *_OPTIONAL)
        }
        for name in _REQUIRED:
            if found[name] is None:
                raise ValueError(f"the metadata have no usable {name}")
        return cls(issuer=issuer, raw=body, **found)  # type: ignore[arg-type] # the required ones are not None

    @classmethod
    def of_keycloak(cls, issuer: str) -> Self:
        """Return a Keycloak realm's paths below *issuer*, for realms with discovery switched off."""
        base = f"{issuer.removesuffix('/')}/protocol/openid-connect"
        return cls(
            issuer=issuer,
            authorization_endpoint=f"{base}/auth",
            token_endpoint=f"{base}/token",
            jwks_uri=f"{base}/certs",
            userinfo_endpoint=f"{base}/userinfo",
            end_session_endpoint=f"{base}/logout",
            revocation_endpoint=f"{base}/revoke",
        )

    def announced(self, name: str) -> tuple[str, ...] | None:
        """Return the names in the list *name*, such as ``scopes_supported``, or None if there is none."""
        names = self.raw.get(name)
        return tuple(one for one in names if isinstance(one, str)) if isinstance(names, list) else None

    @property
    def announces_issuer(self) -> bool:
        """Whether authorization responses carry ``iss`` (RFC 9207)."""
        return self.raw.get("authorization_response_iss_parameter_supported") is True

    @cached_property
    def token(self) -> ClientEndpoint:
        """The token endpoint, with its own list of methods to authenticate clients."""
        return self._client_endpoint(self.token_endpoint, "token_endpoint_auth_methods_supported")

    @cached_property
    def revocation(self) -> ClientEndpoint | None:
        """The revocation endpoint, with its own list, or that of the token endpoint if it has none."""
        if self.revocation_endpoint is None:
            return None
        name = "revocation_endpoint_auth_methods_supported"
        if self.announced(name) is None:
            name = "token_endpoint_auth_methods_supported"
        return self._client_endpoint(self.revocation_endpoint, name)

    def _client_endpoint(self, url: str, methods: str) -> ClientEndpoint:
        return ClientEndpoint(url, (self.token_endpoint, self.issuer), self.announced(methods))


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


def _other_issuer(found: object, issuer: str) -> str:
    if not isinstance(found, str) or not found.isprintable():
        return f"the metadata name no issuer; BODHI_AUTH_ISSUER is {issuer}"
    text = f"the metadata name the issuer {found[:_LONGEST_QUOTED]}, but BODHI_AUTH_ISSUER is {issuer}"
    if found.rstrip("/") == issuer.rstrip("/"):
        text += f": they differ by the slash at the end; set BODHI_AUTH_ISSUER={found}"
    return text


def _endpoint(url: object, *, allows_http: bool) -> str | None:
    """Return *url* if it is an absolute URL, or None."""
    if not isinstance(url, str) or not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        is_allowed = parts.scheme == "https" or (parts.scheme == "http" and allows_http)
        return url if is_allowed and parts.hostname and not parts.fragment else None
    except ValueError:
        return None
