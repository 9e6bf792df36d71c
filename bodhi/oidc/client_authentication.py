"""Authentication of this server as a client at the provider's token and revocation endpoints.

The method belongs to the client's registration. The provider's metadata list the methods that it knows, not the one
that this client is registered for, so the second one is tried where the first is refused.
"""

import base64
import logging
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from urllib.parse import quote_plus

from bodhi.oidc.responses import ClientCredentials
from bodhi.oidc.transport import Answer, Transport

BASIC, POST, PRIVATE_KEY_JWT = "client_secret_basic", "client_secret_post", "private_key_jwt"
METHODS: Mapping[str, str] = {"basic": BASIC, "post": POST, "private_key_jwt": PRIVATE_KEY_JWT}  # by setting
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS = 60  # Keycloak refuses assertions that are valid for longer
CHECK_CLIENT = "check BODHI_CLIENT_ID, BODHI_CLIENT_SECRET and BODHI_AUTH_CLIENT_AUTHENTICATION"

# Source: RFC 6749, 5.2. Older versions of Keycloak call a wrong secret unauthorized_client, and a provider that does
# not read the header finds no client_id in the form (invalid_request).
_MAYBE_UNAUTHENTICATED = frozenset({"invalid_client", "unauthorized_client", "invalid_request"})

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClientEndpoint:
    """An endpoint at which clients authenticate; *methods* are those that the provider announces for it, or None."""

    url: str
    audiences: tuple[str, ...]  # that an assertion may name: the token endpoint, then the issuer
    methods: Collection[str] | None = None


@dataclass(frozen=True, slots=True)
class _Way:
    method: str
    audience: str = ""  # of an assertion


class ClientAuthentication:
    """Sends forms that are authenticated as this client, by the configured method or the one that is accepted."""

    def __init__(
        self,
        transport: Transport,
        *,
        method: str | None = None,
        key: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Create it; *method* is the registered one, or None to find it out, *key* a private key as PEM or JWK."""
        self._transport = transport
        self._method = method
        self._key = key
        self._clock = clock
        self._accepted: dict[str, _Way] = {}  # the second way, where only that was accepted; by URL

    async def post(
        self,
        what: str,
        endpoint: ClientEndpoint,
        client: ClientCredentials,
        form: Mapping[str, str],
        *,
        limit_seconds: float | None = None,
    ) -> Answer:
        """Send *form* and return the response: of the first way that is accepted, else of the first way."""
        first: Answer | None = None
        for way in self._ways(endpoint, client):
            own, headers = self._credentials(way, client)
            answer = await self._transport.post_form(
                what,
                endpoint.url,
                {**form, **own},
                headers,
                limit_seconds=limit_seconds,
                secret=client.client_secret,
            )
            if not may_be_unauthenticated(answer.error, answer.status):
                if first is not None and answer.status < 500:
                    self._note_accepted(endpoint, way)
                return answer
            first = first or answer
        assert first is not None
        if first.error != "invalid_request":
            log.error("identity provider refuses this client: %s at %s; %s", what, endpoint.url, CHECK_CLIENT)
        return first

    def _note_accepted(self, endpoint: ClientEndpoint, way: _Way) -> None:
        log.info("client authentication found: %s at %s", way.method, endpoint.url)
        self._accepted[endpoint.url] = way

    def _ways(self, endpoint: ClientEndpoint, client: ClientCredentials) -> list[_Way]:
        """Return the ways to try, in order: at most two."""
        if self._method == PRIVATE_KEY_JWT or (self._method is None and self._key is not None):
            ways = [_Way(PRIVATE_KEY_JWT, audience) for audience in endpoint.audiences]
        elif not client.client_secret:
            return [_Way("none")]
        elif self._method is not None:
            return [_Way(self._method)]
        else:
            ways = [_Way(BASIC), _Way(POST)]
            if endpoint.methods and BASIC not in endpoint.methods and POST in endpoint.methods:
                ways.reverse()
        if ways[-1] == self._accepted.get(endpoint.url):
            ways.reverse()
        return ways

    def _credentials(self, way: _Way, client: ClientCredentials) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """Return the form fields and headers that say who this client is."""
        if way.method == BASIC:
            # RFC 6749, 2.3.1: both halves are form-encoded first, so that a colon in the id stays part of the id.
            pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
            return {}, {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
        form = {"client_id": client.client_id}
        if way.method == POST:
            form["client_secret"] = client.client_secret
        elif way.method == PRIVATE_KEY_JWT:
            form["client_assertion_type"] = ASSERTION_TYPE
            form["client_assertion"] = self._assertion(client.client_id, way.audience)
        return form, {}

    def _assertion(self, client_id: str, audience: str) -> str:
        """Return a signed statement of who this client is. Source: OpenID Connect Core 9; RFC 7523, 3."""
        from bodhi.oidc import jose

        assert self._key is not None
        now = int(self._clock())
        claims = {
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "exp": now + ASSERTION_SECONDS,
        }
        return jose.signed_by(self._key, claims)


def may_be_unauthenticated(error: str, status: int) -> bool:
    """Return whether an answer with the OAuth code *error*, or "", may mean that the client was not authenticated."""
    return error in _MAYBE_UNAUTHENTICATED if error else status == 401
