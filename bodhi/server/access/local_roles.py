"""Roles in this server's own database, for providers without management calls.

A role that a manager gives here comes before what the provider says of the user, and so does its removal. It is stored
in the user's sessions at the login; every change ends them, so that no request has to look it up.
"""

from collections.abc import Callable, Mapping
from typing import Any

from bodhi.database import Database
from bodhi.oidc.errors import ProviderRefused
from bodhi.oidc.responses import ClientCredentials
from bodhi.server.access.directory import Directory
from bodhi.server.access.errors import ApiError
from bodhi.server.access.instance import InstanceService
from bodhi.server.access.principal import SessionUser
from bodhi.server.access.profile_lists import search_key
from bodhi.server.access.profiles import ROLE_MAX_AGE_SECONDS, Profiles
from bodhi.server.access.scopes import Role

TAKEN_AWAY = ""  # stored instead of a role


class LocalRoles:
    """Gives and takes roles, with the calls of a provider's management; callers were authorized before."""

    def __init__(
        self,
        database: Database,
        *,
        instances: InstanceService | None = None,
        role_max_age_seconds: int = ROLE_MAX_AGE_SECONDS,
        clock: Callable[[], int | None] = lambda: None,
    ) -> None:
        """*role_max_age_seconds*: how long an administrator by the provider's word counts as one."""
        self._database = database
        self._instances = instances
        self._role_max_age_ms = role_max_age_seconds * 1000
        self._clock = clock

    async def make_resource_admin(self, _: ClientCredentials, user_id: str) -> None:
        """Make the first user administrator, during their login."""
        await self._database.count(
            "grant_first_administrator",
            user_id=user_id,
            role=str(Role.ADMIN),
            sought=search_key("", user_id),
            now=self._clock(),
        )

    async def assign_role(self, _: str, user_id: str, role: str) -> None:
        """Give the user the role; raise :exc:`ProviderRefused` for users who never logged in."""
        await self._grant(user_id, role)

    async def remove_user(self, _: str, user_id: str) -> None:
        """Take away the user's role until they are given another; raise :exc:`ProviderRefused` for unknown users."""
        await self._grant(user_id, TAKEN_AWAY)

    async def list_users(self, _: str, *, page: int, page_size: int) -> Mapping[str, Any]:
        """Return a page of the users with a role."""
        rows = await self._database.many("list_role_holders", size=page_size, skip=(page - 1) * page_size)
        row = await self._database.maybe("count_role_holders")
        instance = None if self._instances is None else await self._instances.current()
        total = 0 if row is None else row["holders"]
        pages = -(-total // page_size)
        return {
            "client_id": "" if instance is None else instance.client_id,
            "users": [{name: row[name] for name in ("user_id", "username", "role")} for row in rows],
            "page": page,
            "page_size": page_size,
            "total_pages": pages,
            "total_users": total,
            "has_next": page < pages,
            "has_previous": page > 1,
        }

    async def has_other_admin(self, user_id: str) -> bool:
        """Return whether somebody else is an administrator."""
        row = await self._database.maybe(
            "find_other_role_holder",
            role=str(Role.ADMIN),
            user_id=user_id,
            max_age=self._role_max_age_ms,
            now=self._clock(),
        )
        return row is not None

    async def _grant(self, user_id: str, role: str) -> None:
        if not await self._database.count("grant_role", user_id=user_id, role=role):
            raise ProviderRefused(404, "user_not_found")


class LocalDirectory(Directory):
    """The users with a role, in this server's own database."""

    def __init__(self, roles: LocalRoles, profiles: Profiles) -> None:
        super().__init__(roles, profiles)
        self._roles = roles

    async def standing(self, caller: SessionUser, user_id: str, *, refused: type[ApiError]) -> tuple[Role | None, bool]:
        """Return the user's role as last known, and whether there is another administrator."""
        return await self._profiles.last_role_of(user_id), await self._roles.has_other_admin(user_id)
