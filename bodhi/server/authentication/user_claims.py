"""What the claims of a login say of its user: completed by userinfo, then stored as name and role in the profile.

The stored role also limits the user's API tokens.
"""

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from bodhi.database import DatabaseUnavailable
from bodhi.oidc.claims import Claims
from bodhi.oidc.errors import ProviderError, ProviderLacks, ProviderUnavailable, TokenError
from bodhi.oidc.userinfo import Userinfo
from bodhi.server.access.claim_mapping import ClaimMapping
from bodhi.server.access.errors import InvalidRoleName, NotAllowed
from bodhi.server.access.identity import IdentityReader
from bodhi.server.access.instance import InstanceService
from bodhi.server.access.profiles import Profiles
from bodhi.server.access.provider_errors import unavailable
from bodhi.server.access.role_checks import RoleChecks
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


class UserClaims:
    """Completes the claims of logins and refreshed tokens, and stores what they say, unless it changed meanwhile."""

    def __init__(
        self,
        userinfo: Userinfo,
        *,
        instances: InstanceService,
        profiles: Profiles,
        mapping: ClaimMapping,
        identities: IdentityReader,
        role_checks: RoleChecks | None = None,
        mode: str = "auto",
    ) -> None:
        """*mode*: ``always``, ``never``, or ``auto``: asks userinfo where the tokens lack a role, a name or a claim."""
        self._userinfo = userinfo
        self._instances = instances
        self._profiles = profiles
        self._mapping = mapping
        self._identities = identities
        self._role_checks = role_checks
        self._mode = mode

    async def complete(self, data: dict[str, Any], client_id: str) -> Claims:
        """Add the userinfo claims that the *data* of a login lack, and return all of its claims.

        A provider that refuses them has no more to say about the user. In an outage the role may be unknown: the login
        then fails, rather than taking the user for somebody without a role. Raises :exc:`TokenError` for claims about
        another user.
        """
        claims = claims_in(data)
        data[USERINFO] = None
        if not self._needs_userinfo(claims, client_id):
            return claims
        try:
            data[USERINFO] = await self._request(data, client_id)
        except ProviderLacks:
            return claims
        except ProviderError as error:
            if isinstance(error, ProviderUnavailable) and not self._mapping.is_decided(claims, client_id):
                raise unavailable(error) from error
            log.warning("login without userinfo (BODHI_AUTH_USERINFO): %s", error)
            return claims
        return claims_in(data)

    async def check_allowed(self, claims: Claims, since: int) -> None:
        """Raise :exc:`NotAllowed` if the user with *claims* may not log in; a role stored here is lost."""
        if self._mapping.admission.admits(claims):
            return
        fields = {"user_id": claims.subject}
        log.info(
            "login refused: the user is not in BODHI_AUTH_ALLOW user_id=%s", claims.subject, extra={"fields": fields}
        )
        if await self._profiles.last_role_of(claims.subject) is not None:
            await self._profiles.lower_role(claims.subject, None, since=since)
        raise NotAllowed

    async def note(self, claims: Claims, granted: str | None, since: int, *, is_login: bool) -> bool:
        """Store name and role; return False if they changed after the change *since*.

        *granted* is the role that a manager gave here.
        """
        instance = await self._instances.current()
        if instance is None:
            return True
        role = None
        with suppress(InvalidRoleName, NotAllowed):
            role = self._mapping.role_of(claims, instance.client_id, granted)
        if role is None and is_login:
            self._mapping.log_missing_role(claims, instance.client_id, granted)
        name = self._mapping.name_of(claims)
        return await self._profiles.note(
            claims.subject, name, role, full_name=claims.full_name, since=since, is_login=is_login
        )

    async def last_change(self) -> int | None:
        """Return the change number for :meth:`note_refresh`, read before the request; None if it is not available.

        An unavailable database does not prevent the refresh; the role is just not stored.
        """
        try:
            return await self._profiles.last_change()
        except DatabaseUnavailable as error:
            log.warning("role of refreshed tokens will not be stored: %s", error)
            return None

    async def note_refresh(
        self, session: SessionRow, data: dict[str, Any], since: int | None, *, has_id_token: bool
    ) -> None:
        """Complete the *data* of a session with new tokens, and store its role if it is as of the change *since*.

        If userinfo fails, the session keeps the claims that it has, which the provider did not confirm, and the role is
        not stored. Those of the login's ID token count as missing unless *has_id_token*: the refresh brought a new one.
        """
        instance = await self._instances.current()
        confirmed = data if has_id_token else {**data, ID_CLAIMS: None}
        userinfo = None
        try:
            if instance is not None and self._needs_userinfo(
                claims_in({**confirmed, USERINFO: None}), instance.client_id
            ):
                userinfo = await self._request(data, instance.client_id, limit_seconds=REFRESH_SECONDS)
        except ProviderLacks:
            pass
        except (ProviderError, TokenError) as error:
            log.warning("userinfo not updated, the session keeps the earlier claims: %s", error)
            return
        if userinfo != data.get(USERINFO):
            data = await session.atomically(lambda stored, _: _put(stored, data[ACCESS_TOKEN], userinfo))
        await self.note_checked(data, since)

    async def note_checked(self, data: Mapping[str, Any], since: int | None) -> None:
        """Store the role in a session's *data*, which the provider confirmed, if it is as of the change *since*."""
        if since is None:
            return
        claims = claims_in(data)
        # As it is now: a refresh may come between a change of the role and the end of the sessions with the old one.
        granted = await self._profiles.granted_role(claims.subject) if self._mapping.grants_here else None
        await self.note(claims, granted, since, is_login=False)

    async def check(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the claims to store, to check that the access token in *data* is still accepted.

        Raises :exc:`ProviderLacks` if that cannot be asked, :exc:`ProviderError` and :exc:`TokenError`.
        """
        instance = await self._instances.current()
        if instance is None or self._mode == "never":
            raise ProviderLacks("userinfo is not asked (BODHI_AUTH_USERINFO)")
        return await self._request(data, instance.client_id)

    def check_role(self, user_id: str) -> None:
        """Schedule a role check, after the provider ended sessions of the user."""
        if self._role_checks is not None:
            self._role_checks.request(user_id)

    def _needs_userinfo(self, claims: Claims, client_id: str) -> bool:
        if self._mode == "auto":
            return not (self._mapping.is_complete(claims, client_id) and self._identities.is_complete(claims))
        return self._mode == "always"

    async def _request(
        self, data: Mapping[str, Any], client_id: str, *, limit_seconds: float | None = None
    ) -> dict[str, Any]:
        """Return the userinfo claims to store; raise :exc:`ProviderError` or :exc:`TokenError`."""
        claims = await self._userinfo.claims(
            data[ACCESS_TOKEN], subject=data[USER_ID], client_id=client_id, limit_seconds=limit_seconds
        )
        return claims_to_store(claims)


def _put(data: dict[str, Any], access_token: str, claims: dict[str, Any] | None) -> dict[str, Any]:
    """Store *claims* in *data*, unless a later refresh has replaced the tokens; return the result."""
    if data.get(ACCESS_TOKEN) == access_token:
        data[USERINFO] = claims
    return dict(data)
