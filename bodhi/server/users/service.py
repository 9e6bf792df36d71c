"""The people with a role here, listed, changed and removed. The provider keeps them; what follows is done here."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from aiohttp import web

from bodhi.oidc.client import IdentityProvider
from bodhi.oidc.errors import ProviderRefused
from bodhi.server.access.directory import ROLES_LEASE, Directory, UserPage, refuse_below
from bodhi.server.access.ending import EndSessions, OnRemoval
from bodhi.server.access.errors import ApiError, SessionsNotEnded, UserNotFound, UsersNotListed
from bodhi.server.access.leases import Leases
from bodhi.server.access.principal import SessionUser
from bodhi.server.access.profiles import Profiles
from bodhi.server.access.provider_errors import provider_errors
from bodhi.server.access.scopes import Role, parse_role
from bodhi.server.users.errors import InvalidRole, LastAdministrator, RoleNotChanged, UserNotRemoved

log = logging.getLogger(__name__)


class Users:
    """People with a role, for the managers among them."""

    def __init__(
        self,
        provider: IdentityProvider,
        *,
        directory: Directory,
        profiles: Profiles,
        leases: Leases,
        end_sessions: EndSessions,
        on_removal: Sequence[OnRemoval] = (),
    ) -> None:
        """*on_removal* takes away what else a user has here."""
        self._provider = provider
        self._directory = directory
        self._profiles = profiles
        self._leases = leases
        self._end_sessions = end_sessions
        self._on_removal = on_removal

    @property
    def are_managed(self) -> bool:
        """Whether the provider gives and takes roles."""
        return self._provider.manages_people

    async def list_page(self, caller: SessionUser, *, page: int, page_size: int) -> UserPage:
        """One page, as the provider shows it to the caller."""
        return await self._directory.page(caller, page, page_size, refused=UsersNotListed)

    async def change_role(self, caller: SessionUser, user_id: str, role_name: str) -> None:
        """Give the user another role, and end their sessions, which have the old one.

        When the sessions' end fails (``user_route_error-session_clear_failed``) the role is changed, and changing it to
        the same once more ends them.
        """
        role = _role_to_give(caller, role_name)
        refused = RoleNotChanged
        # One change at a time: of two administrators who demote each other at once, one has to stay.
        async with self._leases.held(ROLES_LEASE):
            await self._refuse_too_high(caller, user_id, refused, stays_admin=role is Role.ADMIN)
            await self._directory.check_caller(caller)
            with provider_errors(refused):
                await self._assign_at_provider(caller, user_id, role)
            # In this order: the first refuses a login that is under way, or else its session ends with the others.
            await self._all_done(
                lambda: self._profiles.set_role(user_id, role),
                lambda: self._end_sessions(user_id, reason="role_change", by=caller.user_id),
            )

    async def remove(self, caller: SessionUser, user_id: str) -> None:
        """Take every role from the user, and end their sessions, API tokens and what is remembered of other tokens.

        It can be repeated until all of it has been done.
        """
        refused = UserNotRemoved
        async with self._leases.held(ROLES_LEASE):
            await self._refuse_too_high(caller, user_id, refused, stays_admin=False)
            await self._directory.check_caller(caller)
            with provider_errors(refused):
                await self._remove_at_provider(caller, user_id)
            await self._all_done(
                lambda: self._profiles.remove(user_id),
                *(partial(remove, user_id, caller) for remove in self._on_removal),
                lambda: self._end_sessions(user_id, reason="removal", by=caller.user_id),
            )

    async def _assign_at_provider(self, caller: SessionUser, user_id: str, role: Role) -> None:
        try:
            await self._provider.assign_role(caller.token, user_id, str(role))
        except ProviderRefused as error:
            if error.status == 404:
                raise UserNotFound from error
            raise

    async def _remove_at_provider(self, caller: SessionUser, user_id: str) -> None:
        try:
            await self._provider.remove_user(caller.token, user_id)
        except ProviderRefused as error:
            # Gone already, maybe by an attempt whose rest failed here: what is left is done.
            person = await self._profiles.find(user_id)
            if person is None and error.status == 404:
                raise UserNotFound from error
            if person is None or not (person.is_removed or error.status == 404):
                raise

    async def _refuse_too_high(
        self, caller: SessionUser, user_id: str, refused: type[ApiError], *, stays_admin: bool
    ) -> None:
        """Refuse what is about somebody above the caller, and what leaves no administrator."""
        role, has_equal = await self._directory.standing(caller, user_id, refused=refused)
        refuse_below(caller, role)
        if role is Role.ADMIN and not stays_admin and not has_equal:
            raise LastAdministrator

    @staticmethod
    async def _all_done(*steps: Callable[[], Awaitable[object]]) -> None:
        """All *steps*, in their order, also when one fails; then ``user_route_error-session_clear_failed``."""
        failures = []
        for step in steps:
            try:
                await step()
            except Exception as error:  # noqa: BLE001 - the other steps take away what somebody may do
                log.warning("a user's sessions or tokens could not be ended: %s", error.__cause__ or error)
                failures.append(error)
        if failures:
            raise SessionsNotEnded from failures[0]


def _role_to_give(caller: SessionUser, name: str) -> Role:
    """The role *name*, unless there is none or it is above the caller's own."""
    try:
        role = parse_role(name)
    except ApiError:
        raise InvalidRole from None
    if caller.role is None or not caller.role.grants(role):
        raise InvalidRole
    return role


USERS = web.AppKey("USERS", Users)
