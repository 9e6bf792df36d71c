"""Store names and roles from new tokens in profiles; the role also limits the user's API tokens."""

import logging
from collections.abc import Mapping
from typing import Any

from bodhi.database import DatabaseUnavailable
from bodhi.server.access.claim_mapping import ClaimMapping
from bodhi.server.access.errors import NotAllowed
from bodhi.server.access.instance import InstanceService
from bodhi.server.access.profiles import Profiles
from bodhi.server.access.role_checks import RoleChecks
from bodhi.server.authentication.login_data import claims_in

log = logging.getLogger(__name__)


class RoleNotes:
    """Stores the role in new tokens, unless it changed after the request for them."""

    def __init__(
        self,
        *,
        instances: InstanceService,
        profiles: Profiles,
        mapping: ClaimMapping,
        role_checks: RoleChecks | None = None,
    ) -> None:
        self._instances = instances
        self._profiles = profiles
        self._mapping = mapping
        self._role_checks = role_checks

    async def last_change(self) -> int | None:
        """Return the change number for :meth:`note_refresh`, read before the request; None if it is not available.

        An unavailable database does not prevent the refresh; the role is just not stored.
        """
        try:
            return await self._profiles.last_change()
        except DatabaseUnavailable as error:
            log.warning("role of refreshed tokens will not be stored: %s", error)
            return None

    async def note_refresh(self, data: Mapping[str, Any], since: int | None) -> None:
        """Store the role in a session's data after a refresh that began after the change *since*."""
        if since is not None:
            await self._note(data, since=since, is_login=False)

    async def note_login(self, data: Mapping[str, Any], since: int) -> bool:
        """Store the role in a new session's data; return False if it changed after the change *since*."""
        return await self._note(data, since=since, is_login=True)

    async def check_allowed(self, data: Mapping[str, Any], since: int) -> None:
        """Raise :exc:`NotAllowed` if the user of a new session's data may not log in; a role stored here is lost."""
        claims = claims_in(data)
        try:
            self._mapping.check_allowed(claims)
        except NotAllowed:
            if await self._profiles.last_role_of(claims.subject) is not None:
                await self._profiles.lower_role(claims.subject, None, since=since)
            raise

    def check_role(self, user_id: str) -> None:
        """Schedule a role check, after the provider ended sessions of the user."""
        if self._role_checks is not None:
            self._role_checks.request(user_id)

    async def _note(self, data: Mapping[str, Any], *, since: int, is_login: bool) -> bool:
        instance = await self._instances.current()
        if instance is None:
            return True
        claims = claims_in(data)
        # As it is now: a refresh may come between a change of the role and the end of the sessions with the old one.
        granted = await self._profiles.granted_role(claims.subject) if self._mapping.grants_here else None
        role, name = self._mapping.role_or_none(claims, instance.client_id, granted), self._mapping.name_of(claims)
        if role is None and is_login:
            self._mapping.log_missing_role(claims, instance.client_id, granted)
        return await self._profiles.note(
            claims.subject, name, role, full_name=claims.full_name, since=since, is_login=is_login
        )
