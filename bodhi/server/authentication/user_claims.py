"""Claims of the userinfo endpoint in a session's data, requested where the tokens lack what the settings ask for."""

import logging
from collections.abc import Mapping
from typing import Any

from bodhi.oidc.errors import ProviderError, ProviderLacks, TokenError
from bodhi.oidc.userinfo import Userinfo
from bodhi.server.access.claim_mapping import ClaimMapping
from bodhi.server.access.identity import IdentityReader
from bodhi.server.access.instance import InstanceService
from bodhi.server.authentication.login_data import (
    ACCESS_TOKEN,
    ID_CLAIMS,
    USER_ID,
    USERINFO,
    claims_in,
    claims_to_store,
)
from bodhi.server.authentication.stored_login import SessionRow

REFRESH_SECONDS = 2.0  # requests wait for it, after the refresh itself

log = logging.getLogger(__name__)


class UserinfoClaims:
    """Requests the userinfo claims of logins."""

    def __init__(
        self,
        endpoint: Userinfo,
        *,
        instances: InstanceService,
        mapping: ClaimMapping,
        identities: IdentityReader,
        mode: str = "auto",
    ) -> None:
        """*mode* is ``auto`` (where the tokens lack a role, a name or a claim for headers), ``always`` or ``never``."""
        self._endpoint = endpoint
        self._instances = instances
        self._mapping = mapping
        self._identities = identities
        self._mode = mode

    async def request(self, data: Mapping[str, Any], *, limit_seconds: float | None = None) -> dict[str, Any] | None:
        """Return the claims to store in a session with *data*; None if they are not needed, or there is no endpoint.

        Raises :exc:`ProviderError` or :exc:`TokenError`.
        """
        instance = await self._instances.current()
        if instance is None or not self._is_needed(data, instance.client_id):
            return None
        try:
            claims = await self._endpoint.claims(
                data[ACCESS_TOKEN], subject=data[USER_ID], client_id=instance.client_id, limit_seconds=limit_seconds
            )
        except ProviderLacks:
            return None
        return claims_to_store(claims)

    async def is_decided(self, data: Mapping[str, Any]) -> bool:
        """Return whether *data* contains what decides what the user may do."""
        instance = await self._instances.current()
        return instance is not None and self._mapping.is_decided(claims_in(data), instance.client_id)

    async def check(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the claims to store, to check that the access token in *data* is still accepted.

        Raises :exc:`ProviderLacks` if that cannot be asked, :exc:`ProviderError` and :exc:`TokenError`.
        """
        instance = await self._instances.current()
        if instance is None or self._mode == "never":
            raise ProviderLacks("userinfo is not asked (BODHI_AUTH_USERINFO)")
        return claims_to_store(
            await self._endpoint.claims(data[ACCESS_TOKEN], subject=data[USER_ID], client_id=instance.client_id)
        )

    async def update(self, session: SessionRow, data: dict[str, Any], *, has_id_token: bool) -> dict[str, Any] | None:
        """Update the claims after a refresh; return the session's data, or None if the request failed.

        The session then keeps the claims that it has, which the provider did not confirm. Those of the login's ID token
        count as missing unless *has_id_token*: the refresh brought a new one.
        """
        confirmed = data if has_id_token else {**data, ID_CLAIMS: None}
        try:
            claims = await self.request(confirmed, limit_seconds=REFRESH_SECONDS)
        except (ProviderError, TokenError) as error:
            log.warning("userinfo not updated, the session keeps the earlier claims: %s", error)
            return None
        if claims == data.get(USERINFO):
            return data
        return await session.atomically(lambda stored, _: _put(stored, data[ACCESS_TOKEN], claims))

    def _is_needed(self, data: Mapping[str, Any], client_id: str) -> bool:
        if self._mode == "auto":
            claims = claims_in({**data, USERINFO: None})
            return not (self._mapping.is_complete(claims, client_id) and self._identities.is_complete(claims))
        return self._mode == "always"


def _put(data: dict[str, Any], access_token: str, claims: dict[str, Any] | None) -> dict[str, Any]:
    """Store *claims* in *data*, unless a later refresh has replaced the tokens; return the result."""
    if data.get(ACCESS_TOKEN) == access_token:
        data[USERINFO] = claims
    return dict(data)
