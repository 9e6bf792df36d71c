"""Remember what tokens say of users: their names, and the roles that decide what their API tokens may do."""

import logging
from collections.abc import Mapping
from typing import Any

from bodhi.database import DatabaseUnavailable
from bodhi.server.access.errors import ApiError
from bodhi.server.access.instance import InstanceService
from bodhi.server.access.profiles import Profiles
from bodhi.server.access.role_checks import RoleChecks
from bodhi.server.access.role_mapping import Roles
from bodhi.server.authentication.login_data import claims_in

log = logging.getLogger(__name__)


class RoleNotes:
    """Notes the role in new tokens, unless it was changed since the provider was asked for them."""

    def __init__(
        self, *, instances: InstanceService, profiles: Profiles, roles: Roles, role_checks: RoleChecks | None = None
    ) -> None:
        self._instances = instances
        self._profiles = profiles
        self._roles = roles
        self._role_checks = role_checks

    async def last_change(self) -> int | None:
        """What :meth:`note_refresh` compares with, read before the provider is asked; None where it is not known.

        A database that does not answer stops no refresh; it is only not noted then.
        """
        try:
            return await self._profiles.last_change()
        except DatabaseUnavailable as error:
            log.warning("what a refresh says of a role will not be noted: %s", error)
            return None

    async def note_refresh(self, data: Mapping[str, Any], since: int | None) -> None:
        """Remember the role in a session's data, as of a refresh that began after the change *since*."""
        if since is not None:
            await self._note(data, since=since, is_login=False)

    async def note_login(self, data: Mapping[str, Any], since: int) -> bool:
        """Remember the role in the data of a new session; False where it was changed after the change *since*."""
        return await self._note(data, since=since, is_login=True)

    def check_role(self, user_id: str) -> None:
        """The provider ended sessions of the user: find out soon whether they still have their role."""
        if self._role_checks is not None:
            self._role_checks.request(user_id)

    async def _note(self, data: Mapping[str, Any], *, since: int, is_login: bool) -> bool:
        instance = await self._instances.current()
        if instance is None:
            return True
        claims = claims_in(data)
        try:
            role = self._roles.of(claims, instance.client_id)
        except ApiError:
            role = None
        name = claims.username or claims.subject
        return await self._profiles.note(claims.subject, name, role, since=since, is_login=is_login)
