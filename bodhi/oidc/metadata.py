"""Provider metadata from discovery, or Keycloak's paths if discovery is switched off."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from bodhi.oidc.errors import ProviderUnavailable
from bodhi.oidc.transport import Transport
from bodhi.single_flight import SingleFlight

WELL_KNOWN = "/.well-known/openid-configuration"
REFRESH_SECONDS = 3_600.0
RETRY_SECONDS = 30.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Metadata:
    """Endpoints and capabilities of a provider (OpenID Connect Discovery 1.0)."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    revocation_endpoint: str | None = None
    wants_basic: bool = False  # clients authenticate with client_secret_basic, not client_secret_post
    announces_issuer: bool = False  # whether its authorization responses carry ``iss`` (RFC 9207)

    @classmethod
    def of(cls, issuer: str, body: Mapping[str, Any]) -> Self:
        """Read the metadata in *body*; raise ValueError if the issuer differs or an endpoint is missing."""
        if body.get("issuer") != issuer:
            raise ValueError("names another issuer")
        return cls(
            authorization_endpoint=_needed(issuer, body, "authorization_endpoint"),
            token_endpoint=_needed(issuer, body, "token_endpoint"),
            jwks_uri=_needed(issuer, body, "jwks_uri"),
            userinfo_endpoint=_endpoint(issuer, body, "userinfo_endpoint"),
            end_session_endpoint=_endpoint(issuer, body, "end_session_endpoint"),
            revocation_endpoint=_endpoint(issuer, body, "revocation_endpoint"),
            wants_basic=_wants_basic(body.get("token_endpoint_auth_methods_supported")),
            announces_issuer=body.get("authorization_response_iss_parameter_supported") is True,
        )

    @classmethod
    def of_keycloak(cls, issuer: str) -> Self:
        """Return a Keycloak realm's paths below *issuer*, for realms with discovery switched off."""
        base = f"{issuer.removesuffix('/')}/protocol/openid-connect"
        return cls(
            authorization_endpoint=f"{base}/auth",
            token_endpoint=f"{base}/token",
            jwks_uri=f"{base}/certs",
            userinfo_endpoint=f"{base}/userinfo",
            end_session_endpoint=f"{base}/logout",
            revocation_endpoint=f"{base}/revoke",
        )


class Discovery:
    """Metadata of one issuer, fetched on first use and refreshed periodically.

    While the provider is unavailable or its response is invalid, the known metadata stays in use.
    """

    def __init__(self, issuer: str, transport: Transport, *, clock: Callable[[], float] = time.time) -> None:
        self._issuer = issuer
        self._transport = transport
        self._clock = clock
        self._known: Metadata | None = None
        self._due_at = 0.0
        self._fetching: SingleFlight[Metadata] = SingleFlight()

    async def metadata(self) -> Metadata:
        """Return the metadata; raise :exc:`ProviderUnavailable` if none is known and it cannot be fetched."""
        if self._known is None:
            return await self._fetching(None, self._fetch)
        if self._clock() >= self._due_at:
            self._due_at = self._clock() + RETRY_SECONDS
            self._fetching.start(None, self._fetch)  # in the background
        return self._known

    async def close(self) -> None:
        """Cancel a fetch in progress."""
        await self._fetching.close()

    async def _fetch(self) -> Metadata:
        answer = await self._transport.get("discovery", self._issuer.removesuffix("/") + WELL_KNOWN)
        fallback = Metadata.of_keycloak(self._issuer)
        # If discovery worked before, a 404 is a fault in between, not discovery switched off.
        if answer.status == 404 and self._known in {None, fallback}:
            log.info("identity provider has no discovery document, using Keycloak's paths")
            found = fallback
        elif answer.status == 200 and answer.body is not None:
            found = self._read(answer.body)
        else:
            log.warning("identity provider discovery failed status=%d", answer.status)
            raise ProviderUnavailable(f"the identity provider answered the discovery with status {answer.status}")
        self._known = found
        self._due_at = self._clock() + REFRESH_SECONDS
        return found

    def _read(self, body: Mapping[str, Any]) -> Metadata:
        try:
            return Metadata.of(self._issuer, body)
        except ValueError as error:
            log.error("metadata of the identity provider %s %s", self._issuer, error)
            raise ProviderUnavailable(f"the identity provider's metadata {error}") from error


def _needed(issuer: str, body: Mapping[str, Any], name: str) -> str:
    url = _endpoint(issuer, body, name)
    if url is None:
        raise ValueError(f"has no usable {name}")
    return url


def _endpoint(issuer: str, body: Mapping[str, Any], name: str) -> str | None:
    """Return the absolute URL under *name*; http is accepted only if the issuer uses http too."""
    url = body.get(name)
    if not isinstance(url, str) or not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        schemes = {"https"} if issuer.startswith("https:") else {"https", "http"}
        return url if parts.scheme in schemes and parts.hostname and not parts.fragment else None
    except ValueError:
        return None


def _wants_basic(methods: object) -> bool:
    return isinstance(methods, list) and "client_secret_basic" in methods and "client_secret_post" not in methods
