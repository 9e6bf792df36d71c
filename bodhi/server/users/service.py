"""List users, change roles, remove users. What manages roles stores them; this module also updates local data."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from aiohttp import web

from bodhi.errors import root_cause
from bodhi.oidc.errors import ProviderRefused
from bodhi.server.access.audit import note_removal, note_role_change
from bodhi.server.access.directory import ROLES_LEASE, Directory, RoleManagement, UserPage, refuse_below
from bodhi.server.access.ending import EndSessions, OnRemoval, not_ended
from bodhi.server.access.errors import ApiError, UserNotFound, UsersNotListed
from bodhi.server.access.leases import Leases
from bodhi.server.access.principal import SessionUser
from bodhi.server.access.profiles import Profiles
from bodhi.server.access.provider_errors import provider_errors
from bodhi.server.access.scopes import Role, parse_role
from bodhi.server.users.errors import InvalidRole, LastAdministrator, RoleNotChanged, UserNotRemoved

log = logging.getLogger(__name__)


class Users:
    """Manages the users with a role, on behalf of a manager or administrator."""

    def __init__(
        self,
        management: RoleManagement,
        *,
        directory: Directory,
        profiles: Profiles,
        leases: Leases,
        end_sessions: EndSessions,
        on_removal: Sequence[OnRemoval] = (),
    ) -> None:
        """*on_removal* functions delete further data of a removed user."""
        self._management = management
        self._directory = directory
        self._profiles = profiles
        self._leases = leases
        self._end_sessions = end_sessions
        self._on_removal = on_removal

    async def list_page(self, caller: SessionUser, *, page: int, page_size: int) -> UserPage:
        """Return a page of users, as the provider lists them for the caller."""
        return await self._directory.page(caller, page, page_size, refused=UsersNotListed)

    async def change_role(self, caller: SessionUser, user_id: str, role_name: str) -> None:
        """Change the user's role and revoke their sessions, which carry the old one; nothing if they have the role.

        If the revocation fails (``user_route_error-session_clear_failed``), the role is changed nevertheless; repeat
        the call with the same role to revoke the sessions.
        """
        role = _grantable_role(caller, role_name)
        refused = RoleNotChanged
        # One change at a time: two administrators who demote each other concurrently must not both succeed.
        async with self._leases.held(ROLES_LEASE):
            current = await self._check_allowed(caller, user_id, refused, stays_admin=role is Role.ADMIN)
            await self._directory.check_caller(caller)
            if current is role and await self._profiles.is_settled(user_id, role):
                return
            with provider_errors(refused):
                await self._assign(caller, user_id, role)
            note_role_change(user_id, current, role, by=caller.user_id)
            # In this order: a login in progress either fails on the new role or has its session revoked.
            await self._run_all(
                lambda: self._profiles.set_role(user_id, role),
                lambda: self._end_sessions(user_id, reason="role_change", by=caller.user_id),
            )
            await self._profiles.finish_role_change(user_id)

    async def remove(self, caller: SessionUser, user_id: str) -> None:
        """Remove the user's roles, sessions, API tokens and cached tokens. Repeat it after a partial failure."""
        refused = UserNotRemoved
        async with self._leases.held(ROLES_LEASE):
            current = await self._check_allowed(caller, user_id, refused, stays_admin=False)
            await self._directory.check_caller(caller)
            with provider_errors(refused):
                await self._remove_roles(caller, user_id)
            note_removal(user_id, current, by=caller.user_id)
            await self._run_all(
                lambda: self._profiles.remove(user_id),
                *(partial(remove, user_id, caller) for remove in self._on_removal),
                lambda: self._end_sessions(user_id, reason="removal", by=caller.user_id),
            )

    async def _assign(self, caller: SessionUser, user_id: str, role: Role) -> None:
        try:
            await self._management.assign_role(caller.token, user_id, str(role))
        except ProviderRefused as error:
            if error.status == 404:
                raise UserNotFound from error
            raise

    async def _remove_roles(self, caller: SessionUser, user_id: str) -> None:
        try:
            await self._management.remove_user(caller.token, user_id)
        except ProviderRefused as error:
            # Removed already, possibly by an attempt that failed halfway: complete it.
            profile = await self._profiles.find(user_id)
            if profile is None and error.status == 404:
                raise UserNotFound from error
            if profile is None or not (profile.is_removed or error.status == 404):
                raise

    async def _check_allowed(
        self, caller: SessionUser, user_id: str, refused: type[ApiError], *, stays_admin: bool
    ) -> Role | None:
        """Return the user's role; raise if it is above the caller's, or if no administrator would remain."""
        role, has_equal = await self._directory.standing(caller, user_id, refused=refused)
        refuse_below(caller, role)
        if role is Role.ADMIN and not stays_admin and not has_equal:
            raise LastAdministrator
        return role

    @staticmethod
    async def _run_all(*steps: Callable[[], Awaitable[object]]) -> None:
        """Run all *steps* in order even if one fails, then raise ``user_route_error-session_clear_failed``."""
        failures = []
        for step in steps:
            try:
                await step()
            except Exception as error:  # noqa: BLE001 - the other steps revoke access and must run
                log.warning("session or token revocation failed error=%s", root_cause(error))
                failures.append(error)
        if failures:
            raise not_ended(*failures) from failures[0]


def _grantable_role(caller: SessionUser, name: str) -> Role:
    """Return the role *name*; raise if it does not exist or is above the caller's own."""
    try:
        role = parse_role(name)
    except ApiError:
        raise InvalidRole from None
    if caller.role is None or not caller.role.grants(role):
        raise InvalidRole
    return role


USERS = web.AppKey("USERS", Users)
