"""The provider's userinfo endpoint (OpenID Connect Core 5.3)."""

import logging
from collections.abc import Mapping
from typing import Any

from bodhi.oidc.claims import identifier
from bodhi.oidc.discovery import Discovery
from bodhi.oidc.errors import ProviderLacks, ProviderRefused, UntrustedToken
from bodhi.oidc.transport import Transport
from bodhi.oidc.verify import TokenVerifier

ACCEPT = "application/json, application/jwt"

log = logging.getLogger(__name__)


class Userinfo:
    """Returns the claims of an access token's user."""

    def __init__(self, transport: Transport, discovery: Discovery, verifier: TokenVerifier) -> None:
        self._transport = transport
        self._discovery = discovery
        self._verifier = verifier

    async def is_offered(self) -> bool:
        """Return whether the provider has a userinfo endpoint."""
        return (await self._discovery.metadata()).userinfo_endpoint is not None

    async def claims(
        self, access_token: str, *, subject: str, client_id: str, limit_seconds: float | None = None
    ) -> Mapping[str, Any]:
        """Return the claims, sent as JSON or as a token signed for *client_id*.

        Raises :exc:`ProviderLacks` without an endpoint, the errors of grants, and :exc:`TokenError` unless the claims
        are about *subject*: otherwise they may belong to another user.
        """
        url = (await self._discovery.metadata()).userinfo_endpoint
        if url is None:
            raise ProviderLacks("the identity provider has no userinfo endpoint")
        answer = await self._transport.get(
            "userinfo", url, token=access_token, accept=ACCEPT, limit_seconds=limit_seconds
        )
        body = answer.checked()
        if answer.token is not None:
            body = await self._verifier.userinfo_token(answer.token, client_id=client_id)
        elif answer.body is None:
            log.warning("userinfo rejected: the response is neither a JSON object nor a signed token")
            raise ProviderRefused(answer.status, "")
        if identifier(body.get("sub")) != subject:
            log.error("userinfo rejected: sub is missing or differs from that of the ID token")
            raise UntrustedToken("userinfo is about another user")
        return body
