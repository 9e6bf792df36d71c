"""What a provider says about itself, and what Keycloak would say where it says nothing."""

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
    """Where a provider's endpoints are, and what it can do."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    end_session_endpoint: str | None = None
    revocation_endpoint: str | None = None
    wants_basic: bool = False  # whether clients authenticate in the header, rather than in the body
    announces_issuer: bool = False  # whether its authorization responses carry ``iss`` (RFC 9207)

    @classmethod
    def of(cls, issuer: str, body: Mapping[str, Any]) -> Self:
        """The metadata in *body*; a ValueError where it is another issuer's, or lacks what is needed."""
        if body.get("issuer") != issuer:
            raise ValueError("names another issuer")
        return cls(
            authorization_endpoint=_needed(issuer, body, "authorization_endpoint"),
            token_endpoint=_needed(issuer, body, "token_endpoint"),
            jwks_uri=_needed(issuer, body, "jwks_uri"),
            end_session_endpoint=_endpoint(issuer, body, "end_session_endpoint"),
            revocation_endpoint=_endpoint(issuer, body, "revocation_endpoint"),
            wants_basic=_wants_basic(body.get("token_endpoint_auth_methods_supported")),
            announces_issuer=body.get("authorization_response_iss_parameter_supported") is True,
        )

    @classmethod
    def of_keycloak(cls, issuer: str) -> Self:
        """What a Keycloak realm has where its discovery is switched off; all of it below the issuer."""
        base = f"{issuer.removesuffix('/')}/protocol/openid-connect"
        return cls(
            authorization_endpoint=f"{base}/auth",
            token_endpoint=f"{base}/token",
            jwks_uri=f"{base}/certs",
            end_session_endpoint=f"{base}/logout",
            revocation_endpoint=f"{base}/revoke",
        )


class Discovery:
    """The metadata of one issuer, asked for when it is needed and again from time to time.

    While the provider is away, or answers with something else, what is known stays in use.
    """

    def __init__(self, issuer: str, transport: Transport, *, clock: Callable[[], float] = time.time) -> None:
        self._issuer = issuer
        self._transport = transport
        self._clock = clock
        self._known: Metadata | None = None
        self._due_at = 0.0
        self._fetching: SingleFlight[Metadata] = SingleFlight()

    async def metadata(self) -> Metadata:
        """The metadata; :exc:`ProviderUnavailable` when none is known and none can be had."""
        if self._known is None:
            return await self._fetching(None, self._fetch)
        if self._clock() >= self._due_at:
            self._due_at = self._clock() + RETRY_SECONDS
            self._fetching.start(None, self._fetch)  # nobody has to wait for it
        return self._known

    async def close(self) -> None:
        """End what is under way."""
        await self._fetching.close()

    async def _fetch(self) -> Metadata:
        answer = await self._transport.get("discovery", self._issuer.removesuffix("/") + WELL_KNOWN)
        fallback = Metadata.of_keycloak(self._issuer)
        # Where it was there before, it has not been switched off: something stands in its place.
        if answer.status == 404 and self._known in {None, fallback}:
            log.info("the identity provider has no discovery: Keycloak's paths are used")
            found = fallback
        elif answer.status == 200 and answer.body is not None:
            found = self._read(answer.body)
        else:
            log.warning("the identity provider answered the discovery with %d, which is not usable", answer.status)
            raise ProviderUnavailable
        self._known = found
        self._due_at = self._clock() + REFRESH_SECONDS
        return found

    def _read(self, body: Mapping[str, Any]) -> Metadata:
        try:
            return Metadata.of(self._issuer, body)
        except ValueError as error:
            log.error("the metadata of the identity provider %s %s", self._issuer, error)
            raise ProviderUnavailable("the identity provider's metadata is not usable") from error


def _needed(issuer: str, body: Mapping[str, Any], name: str) -> str:
    url = _endpoint(issuer, body, name)
    if url is None:
        raise ValueError(f"has no usable {name}")
    return url


def _endpoint(issuer: str, body: Mapping[str, Any], name: str) -> str | None:
    """The absolute URL under *name*; one without TLS only where the issuer has none either."""
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
