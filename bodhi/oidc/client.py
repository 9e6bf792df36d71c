"""The OpenID Connect client used by the rest of bodhi."""

import asyncio
import base64
import hashlib
import logging
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from urllib.parse import quote, urlencode

import aiohttp

from bodhi.oidc.algorithms import ASYMMETRIC
from bodhi.oidc.client_authentication import METHODS, ClientAuthentication
from bodhi.oidc.discovery import Discovery, Issuer, Metadata
from bodhi.oidc.keys import MIN_INTERVAL_SECONDS, SigningKeys
from bodhi.oidc.management import Management
from bodhi.oidc.scopes import scopes_to_request, unsupported_scopes
from bodhi.oidc.token_endpoint import RETRY_DELAYS, Sleep, TokenEndpoint
from bodhi.oidc.transport import Transport
from bodhi.oidc.userinfo import Userinfo
from bodhi.oidc.verify import TokenVerifier

# Characters; proxies answer longer URLs, such as those of users in many groups, with an error.
LONGEST_LOGOUT_URL = 2_000

log = logging.getLogger(__name__)


class IdentityProvider:
    """Client for the OpenID Connect provider *issuer*, spelled exactly as in its tokens.

    Discovery and keys are fetched on first use. Every call can raise :exc:`ProviderUnavailable`.
    """

    def __init__(
        self,
        issuer: str,
        *,
        http: Callable[[], aiohttp.ClientSession],
        version: str,
        limit_seconds: float = 5.0,
        refresh_limit_seconds: float | None = None,
        metadata_url: str | None = None,
        is_keycloak: bool = False,
        scopes: str | None = None,
        client_authentication: str = "auto",
        client_key: str | None = None,
        algorithms: Collection[str] = ASYMMETRIC,
        clock: Callable[[], float] = time.time,
        jwks_min_interval_seconds: float = MIN_INTERVAL_SECONDS,
        management: bool = True,
        uses_proxy: bool = True,
        refresh_reuse: bool = False,
        retry_delays: Sequence[float] = RETRY_DELAYS,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """Create a client that sends requests with the session returned by *http*.

        *limit_seconds* limits each request, *refresh_limit_seconds* (default: twice that) a refresh with all its
        attempts. *metadata_url*: where the metadata are not below the issuer. *is_keycloak*: Keycloak's paths are used
        if there are none. *scopes* are requested at login; None: the default, and what the provider needs for roles and
        refresh tokens. *client_authentication* is ``auto`` or one of METHODS; *client_key* a private key as PEM or JWK.
        *clock* returns seconds since 1970. Without *management*, management calls raise :exc:`ProviderLacks`.
        *uses_proxy*: the proxy that the environment names is used. *refresh_reuse*: the provider accepts the same
        refresh token twice.
        """
        self.issuer = issuer
        self._configured_scopes = scopes
        self._is_keycloak = is_keycloak
        transport = Transport(http, version=version, limit_seconds=limit_seconds, uses_proxy=uses_proxy)
        discovery = Discovery(
            Issuer(issuer, metadata_url, is_keycloak), transport, clock=clock, on_change=self._check_scopes
        )
        authentication = ClientAuthentication(
            transport, method=METHODS.get(client_authentication), key=client_key, clock=clock
        )
        self.grants = TokenEndpoint(
            authentication,
            discovery,
            refresh_limit_seconds=2 * limit_seconds if refresh_limit_seconds is None else refresh_limit_seconds,
            refresh_reuse=refresh_reuse,
            retry_delays=retry_delays,
            sleep=sleep,
        )
        self.management = Management(transport, self.grants, base_url=issuer if management else None)
        self._discovery = discovery
        self._keys = SigningKeys(transport, discovery, min_interval_seconds=jwks_min_interval_seconds, clock=clock)
        self.verifier = TokenVerifier(issuer, self._keys, algorithms=algorithms, clock=clock)
        self.userinfo = Userinfo(transport, discovery, self.verifier)

    def start(self) -> None:
        """Fetch the metadata in the background, so that the log has what is wrong with them from the start."""
        self._discovery.start()

    async def close(self) -> None:
        """Cancel background fetches."""
        await self._keys.close()
        await self._discovery.close()

    async def authorization_url(
        self,
        client_id: str,
        *,
        redirect_uri: str,
        state: str,
        nonce: str,
        challenge: str,
        max_age: int | None = None,
        parameters: Iterable[tuple[str, str]] = (),
    ) -> str:
        """Return the URL that starts a login; *challenge* is :func:`pkce_challenge` of the verifier.

        With *max_age*, the provider asks for credentials again if its own login is older than so many seconds.
        *parameters* are added as they are.
        """
        metadata = await self._discovery.metadata()
        own = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": redirect_uri,
            "scope": self._scopes(metadata),
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **({} if max_age is None else {"max_age": str(max_age)}),
        }
        further = [(name, value) for name, value in parameters if name not in own]
        return _with_query(metadata.authorization_endpoint, [*own.items(), *further])

    async def end_session_url(
        self, client_id: str, *, return_to: str, id_token: str | None = None, state: str | None = None
    ) -> str | None:
        """Return the URL of the provider's logout page, or None if it has none (RP-Initiated Logout 1.0).

        The provider passes *state* back. *id_token* is left out where the URL would get too long for proxies.
        """
        url = (await self._discovery.metadata()).end_session_endpoint
        if url is None:
            return None
        own = [("client_id", client_id), ("post_logout_redirect_uri", return_to)]
        own += [] if state is None else [("state", state)]
        with_hint = _with_query(url, [*own, ("id_token_hint", id_token or "")])
        return with_hint if id_token and len(with_hint) <= LONGEST_LOGOUT_URL else _with_query(url, own)

    async def page_urls(self) -> list[str]:
        """Return the provider's pages that browsers are sent to: login and, if there is one, logout."""
        metadata = await self._discovery.metadata()
        return [url for url in (metadata.authorization_endpoint, metadata.end_session_endpoint) if url is not None]

    async def announces_issuer(self) -> bool:
        """Return whether every authorization response must carry ``iss`` (RFC 9207)."""
        return (await self._discovery.metadata()).announces_issuer

    def _scopes(self, metadata: Metadata) -> str:
        return scopes_to_request(metadata, configured=self._configured_scopes, is_keycloak=self._is_keycloak)

    def _check_scopes(self, metadata: Metadata) -> None:
        unsupported = unsupported_scopes(metadata, self._scopes(metadata))
        if unsupported:
            names = " ".join(unsupported)
            log.warning("BODHI_AUTH_SCOPES: the identity provider does not announce %s; logins may fail", names)


def pkce_challenge(verifier: str) -> str:
    """Return the S256 challenge of *verifier* (RFC 7636): the unpadded base64url of its SHA-256."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _with_query(url: str, parameters: Iterable[tuple[str, str]]) -> str:
    # %20, not +: outside of forms, + is not a space.
    return f"{url}{'&' if '?' in url else '?'}{urlencode(list(parameters), quote_via=quote, safe='')}"
