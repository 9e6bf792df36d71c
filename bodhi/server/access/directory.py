"""The identity provider's list of users with a role, and who stands above whom in it."""

import logging
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from bodhi.oidc.management import Management
from bodhi.server.access.errors import ApiError, Forbidden, ProviderCallNotSupported, UserNotFound, UsersNotListed
from bodhi.server.access.principal import SessionUser
from bodhi.server.access.profiles import Profiles
from bodhi.server.access.provider_errors import provider_errors
from bodhi.server.access.scopes import Role, parse_role

LARGEST_PAGE = 100
MOST_PAGES = 1_000  # of the provider's list: an answer that never ends is no list

# Held by whoever changes roles: decisions rest on what others decided before.
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


class Directory:
    """The provider's list of users, as callers with an access token may see it."""

    def __init__(self, management: Management, profiles: Profiles) -> None:
        self._management = management
        self._profiles = profiles
        # Whether a user who was never seen has something here all the same; features that keep something add to it.
        self.has_user_data: list[Callable[[str], Awaitable[object]]] = []

    async def page(self, caller: SessionUser, page: int, page_size: int, *, refused: type[ApiError]) -> UserPage:
        """One page; the error *refused* where the provider does not give it."""
        with provider_errors(refused):
            answer = await self._management.list_users(caller.token, page=page, page_size=page_size)
        try:
            return msgspec.convert(answer, UserPage)
        except msgspec.ValidationError as error:
            log.warning("the identity provider's list of users has another form: %s", error)
            raise refused from error

    async def check_caller(self, caller: SessionUser) -> None:
        """Refuse (``api_auth_error-forbidden``) a caller who lost their role while their request waited."""
        person = await self._profiles.look_up(caller.user_id)
        if person is None or caller.role is None or not (person.seen_at or person.is_removed):
            return  # only their own token says what they may do
        if person.role is None or person.role.rank < caller.role.rank:
            raise Forbidden

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
                role = await self._profiles.last_role_of(user_id) if found is None else listed_role(found)
                return role, has_other_admin
        raise refused

    async def refuse_above(self, caller: SessionUser, user_id: str) -> None:
        """Refuse (``api_auth_error-forbidden``) a caller who stands below the user's present role.

        Somebody who is unknown here is not looked for at the provider: ``user_route_error-user_not_found``. A provider
        that lists nobody leaves what was seen last, so that sessions can be ended there, too.
        """
        if await self._profiles.find(user_id) is None and not await self._has_anything(user_id):
            raise UserNotFound
        if caller.role is Role.ADMIN:
            return  # above whom nobody stands
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
    """Refuse (``api_auth_error-forbidden``) a *caller* who stands below *role*."""
    if role is not None and (caller.role is None or not caller.role.grants(role)):
        raise Forbidden


def listed_role(user: User) -> Role | None:
    """The role of somebody in the provider's list, or None."""
    try:
        return None if user.role is None else parse_role(user.role)
    except ApiError:
        return None  # a name that means nothing here gives nothing here


DIRECTORY = web.AppKey("DIRECTORY", Directory)
