"""The identity provider's list of users, and checks of rank between callers and users."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import msgspec
from aiohttp import web

from bodhi.oidc.responses import ClientCredentials
from bodhi.server.access.errors import ApiError, Forbidden, ProviderCallNotSupported, UserNotFound, UsersNotListed
from bodhi.server.access.principal import SessionUser
from bodhi.server.access.profiles import Profiles
from bodhi.server.access.provider_errors import provider_errors
from bodhi.server.access.scopes import Role, parse_role

LARGEST_PAGE = 100
MAX_PAGES = 1_000  # of the provider's list: stops if the provider never reports a last page

# Lease held during role changes: each decision depends on the result of earlier ones.
ROLES_LEASE = "roles"

log = logging.getLogger(__name__)


class User(msgspec.Struct, frozen=True):
    """A user in the provider's list."""

    user_id: str
    username: str
    first_name: str | None = None
    last_name: str | None = None
    role: str | None = None


class UserPage(msgspec.Struct, frozen=True):
    """A page of the provider's list."""

    client_id: str
    users: list[User]
    page: int
    page_size: int
    total_pages: int
    total_users: int
    has_next: bool
    has_previous: bool


class RoleManagement(Protocol):
    """What gives and takes roles: the provider's management calls, or this server's own database."""

    async def make_resource_admin(self, client: ClientCredentials, user_id: str, /) -> None:
        """Make the user administrator."""

    async def assign_role(self, token: str, user_id: str, role: str, /) -> None:
        """Give the user the role, authorized by the caller's access token."""

    async def remove_user(self, token: str, user_id: str, /) -> None:
        """Take all roles of the user."""

    async def list_users(self, token: str, /, *, page: int, page_size: int) -> Mapping[str, Any]:
        """Return a page of users with a role."""


class Directory:
    """The provider's list of users, read with the caller's access token."""

    def __init__(self, management: RoleManagement, profiles: Profiles) -> None:
        self._management = management
        self._profiles = profiles
        # Whether a user without a profile has data here; features that store user data add a check.
        self.has_user_data: list[Callable[[str], Awaitable[object]]] = []

    async def page(self, caller: SessionUser, page: int, page_size: int, *, refused: type[ApiError]) -> UserPage:
        """Return a page; raise *refused* if the provider does not return it."""
        with provider_errors(refused):
            response = await self._management.list_users(caller.token, page=page, page_size=page_size)
        try:
            return msgspec.convert(response, UserPage)
        except msgspec.ValidationError as error:
            log.warning("invalid user list from the identity provider: %s", error)
            raise refused from error

    async def check_caller(self, caller: SessionUser) -> None:
        """Raise :exc:`Forbidden` if the caller lost their role while the request waited for the lease."""
        profile = await self._profiles.look_up(caller.user_id)
        if profile is None or caller.role is None or not (profile.seen_at or profile.is_removed):
            return  # no stored role to compare with the token's
        if profile.role is None or profile.role.rank < caller.role.rank:
            raise Forbidden

    async def standing(self, caller: SessionUser, user_id: str, *, refused: type[ApiError]) -> tuple[Role | None, bool]:
        """Return the user's current role, and whether there is another administrator.

        If the provider does not list the user, it is the last known role.
        """
        listed, has_other_admin = None, False
        for number in range(1, MAX_PAGES + 1):
            page = await self.page(caller, number, LARGEST_PAGE, refused=refused)
            for user in page.users:
                if user.user_id == user_id:
                    listed = user
                elif user.role == str(Role.ADMIN):
                    has_other_admin = True
            is_settled = listed is not None and (has_other_admin or listed.role != str(Role.ADMIN))
            if is_settled or not page.has_next:
                role = await self._profiles.last_role_of(user_id) if listed is None else listed_role(listed)
                return role, has_other_admin
        raise refused

    async def refuse_above(self, caller: SessionUser, user_id: str) -> None:
        """Raise :exc:`Forbidden` if the caller's role is below the user's current role.

        Raises :exc:`UserNotFound` for users unknown here, without a request to the provider. If the provider cannot
        list users, the last known role is used, so that sessions can still be ended.
        """
        if await self._profiles.find(user_id) is None and not await self._has_anything(user_id):
            raise UserNotFound
        if caller.role is Role.ADMIN:
            return  # no role is above
        try:
            role, _ = await self.standing(caller, user_id, refused=UsersNotListed)
        except ProviderCallNotSupported:
            role = await self._profiles.last_role_of(user_id)
        refuse_below(caller, role)

    async def _has_anything(self, user_id: str) -> bool:
        for has_user_data in self.has_user_data:
            if await has_user_data(user_id):
                return True
        return False


def refuse_below(caller: SessionUser, role: Role | None) -> None:
    """Raise :exc:`Forbidden` if the role of *caller* is below *role*."""
    if role is not None and (caller.role is None or not caller.role.grants(role)):
        raise Forbidden


def listed_role(user: User) -> Role | None:
    """Return the role of a listed user, or None."""
    try:
        return None if user.role is None else parse_role(user.role)
    except ApiError:
        return None  # an unknown role name grants nothing here


DIRECTORY = web.AppKey("DIRECTORY", Directory)
