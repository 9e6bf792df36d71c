"""The people with a role here, listed, changed and removed. The provider keeps them; what follows is done here."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from bodhi.oidc.errors import ProviderRefused
from bodhi.server.access.ending import EndReason, EndSessions
from bodhi.server.access.errors import ApiError, Forbidden, ProviderCallNotSupported, SessionsNotEnded, UserNotFound
from bodhi.server.access.leases import Leases
from bodhi.server.access.principal import SessionUser
from bodhi.server.access.profiles import Profiles
from bodhi.server.access.provider_errors import provider_errors
from bodhi.server.access.scopes import Role, role_named
from bodhi.server.users.errors import InvalidRole, LastAdministrator, RoleNotChanged, UserNotRemoved, UsersNotListed

LARGEST_PAGE = 100
MOST_PAGES = 1_000  # of the provider's list: an answer that never ends is no list

# Who changes roles holds it: decisions rest on what others decided before.
ROLES_LEASE = "roles"

log = logging.getLogger(__name__)


class User(msgspec.Struct, frozen=True):
    """One person as the provider lists them."""

    user_id: str
    username: str
    first_name: str | None = None
    last_name: str | None = None
    role: str | None = None


class UserPage(msgspec.Struct, frozen=True):
    """One page of the provider's list."""

    client_id: str
    users: list[User]
    page: int
    page_size: int
    total_pages: int
    total_users: int
    has_next: bool
    has_previous: bool


class UserDirectory(Protocol):
    """The provider, as far as it is needed here: all by the right of whoever has the access *token*."""

    async def list_users(self, token: str, *, page: int, page_size: int) -> Mapping[str, Any]:
        """One page of the people with a role."""

    async def assign_role(self, token: str, user_id: str, role: str) -> None:
        """Give *user_id* the role in the place of what they had."""

    async def remove_user(self, token: str, user_id: str) -> None:
        """Take every role from *user_id*."""


async def _nothing_to_reject(_user_id: str, _caller: SessionUser) -> None:
    """For who keeps no requests for roles."""


@dataclass(frozen=True, slots=True)
class RoleChangeHooks:
    """What has to happen here to somebody whose role changed, or who was removed."""

    end_sessions: EndSessions
    disable_tokens_of: Callable[[str], Awaitable[object]]
    forget_user: Sequence[Callable[[str], object]] = ()  # what was remembered of their tokens
    reject_requests_of: Callable[[str, SessionUser], Awaitable[object]] = _nothing_to_reject


class Directory:
    """The provider's list of the people with a role, as callers with an access token may see it."""

    def __init__(self, provider: UserDirectory, people: Profiles) -> None:
        self._provider = provider
        self._people = people

    async def page(self, caller: SessionUser, page: int, page_size: int, *, refused: type[ApiError]) -> UserPage:
        """One page; the code *refused* where the provider does not give it."""
        with provider_errors(refused):
            answer = await self._provider.list_users(caller.token, page=page, page_size=page_size)
        try:
            return msgspec.convert(answer, UserPage)
        except msgspec.ValidationError as error:
            log.warning("the identity provider's list of users has another form: %s", error)
            raise refused from error

    async def standing(self, caller: SessionUser, user_id: str, *, refused: type[ApiError]) -> tuple[Role | None, bool]:
        """The user's present role, and whether there is an administrator beside them.

        Of somebody whom the provider does not list it is the role that was seen last.
        """
        found, has_other_admin = None, False
        for number in range(1, MOST_PAGES + 1):
            page = await self.page(caller, number, LARGEST_PAGE, refused=refused)
            for user in page.users:
                if user.user_id == user_id:
                    found = user
                elif user.role == str(Role.ADMIN):
                    has_other_admin = True
            is_settled = found is not None and (has_other_admin or found.role != str(Role.ADMIN))
            if is_settled or not page.has_next:
                role = await self._people.last_role_of(user_id) if found is None else listed_role(found)
                return role, has_other_admin
        raise refused


class Users:
    """People with a role, for the managers among them."""

    def __init__(
        self,
        provider: UserDirectory,
        *,
        people: Profiles,
        leases: Leases,
        consequences: RoleChangeHooks,
        has_anything: Callable[[str], Awaitable[bool]],
    ) -> None:
        """*has_anything* says whether somebody who was never seen has a session or an API token all the same."""
        self._has_anything = has_anything
        self._provider = provider
        self._directory = Directory(provider, people)
        self._people = people
        self._leases = leases
        self._consequences = consequences

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
            with provider_errors(refused):
                await self._assign_at_provider(caller, user_id, role)
            # In this order: the first refuses a login that is under way, or else its session ends with the others.
            await self._all_done(
                lambda: self._people.set_role(user_id, role),
                lambda: self._end(user_id, reason="role_change", by=caller.user_id),
            )

    async def remove(self, caller: SessionUser, user_id: str) -> None:
        """Take every role from the user, and end their sessions, API tokens and what is remembered of other tokens.

        It can be repeated until all of it has been done.
        """
        refused = UserNotRemoved
        async with self._leases.held(ROLES_LEASE):
            await self._refuse_too_high(caller, user_id, refused, stays_admin=False)
            with provider_errors(refused):
                await self._remove_at_provider(caller, user_id)
            await self._all_done(
                lambda: self._people.remove(user_id),
                lambda: self._consequences.disable_tokens_of(user_id),
                lambda: self._consequences.reject_requests_of(user_id, caller),
                lambda: self._end(user_id, reason="removal", by=caller.user_id),
            )

    async def refuse_above(self, caller: SessionUser, user_id: str) -> None:
        """Refuse (``api_auth_error-forbidden``) a caller who stands below the user's present role.

        Somebody who is unknown here is not looked for at the provider: ``user_route_error-user_not_found``. A provider
        that lists nobody leaves what was seen last, so that sessions can be ended there, too.
        """
        if await self._people.find(user_id) is None and not await self._has_anything(user_id):
            raise UserNotFound
        if caller.role is Role.ADMIN:
            return  # above whom nobody stands
        try:
            await self._refuse_too_high(caller, user_id, UsersNotListed, stays_admin=True)
        except ProviderCallNotSupported:
            _refuse_below(caller, await self._people.role_of(user_id))

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
            person = await self._people.find(user_id)
            if person is None and error.status == 404:
                raise UserNotFound from error
            if person is None or not (person.is_removed or error.status == 404):
                raise

    async def _refuse_too_high(
        self, caller: SessionUser, user_id: str, refused: type[ApiError], *, stays_admin: bool
    ) -> None:
        """Refuse what is about somebody above the caller, and what leaves no administrator."""
        role, has_equal = await self._directory.standing(caller, user_id, refused=refused)
        _refuse_below(caller, role)
        if role is Role.ADMIN and not stays_admin and not has_equal:
            raise LastAdministrator

    async def _end(self, user_id: str, *, reason: EndReason, by: str) -> None:
        for forget in self._consequences.forget_user:
            forget(user_id)
        await self._consequences.end_sessions(user_id, reason=reason, by=by)

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


def _refuse_below(caller: SessionUser, role: Role | None) -> None:
    if role is not None and (caller.role is None or not caller.role.grants(role)):
        raise Forbidden


def _role_to_give(caller: SessionUser, name: str) -> Role:
    """The role *name*, unless there is none or it is above the caller's own."""
    try:
        role = role_named(name)
    except ApiError:
        raise InvalidRole from None
    if caller.role is None or not caller.role.grants(role):
        raise InvalidRole
    return role


def listed_role(user: User) -> Role | None:
    """The role of somebody in the provider's list, or None."""
    try:
        return None if user.role is None else role_named(user.role)
    except ApiError:
        return None  # a name that means nothing here gives nothing here
