"""Role checks for users whose sessions the provider ended: the role also limits their API tokens."""

import asyncio
import logging
from collections.abc import Collection

import msgspec

from bodhi.errors import BodhiError
from bodhi.oidc.client import IdentityProvider
from bodhi.oidc.errors import ProviderError, ProviderLacks, ProviderRefused
from bodhi.oidc.responses import ClientCredentials
from bodhi.server.access.directory import LARGEST_PAGE, MAX_PAGES, UserPage, listed_role
from bodhi.server.access.instance import InstanceService
from bodhi.server.access.profiles import Profiles
from bodhi.server.access.scopes import Role

PAUSE_SECONDS = 60.0
MAX_WAITING = 10_000
FINAL_STATUSES = {403, 404}

log = logging.getLogger(__name__)


class RoleChecks:
    """Looks up users in the provider's list, with this server's own client credentials.

    The provider ends sessions for many reasons, most of them unrelated to roles, so the list decides. It is read once
    for all waiting users, at most every *pause_seconds*, and again after a failure. If the provider has no list, or
    denies it to this client, no further requests are made: roles then stay valid until their confirmation expires.
    """

    def __init__(
        self,
        provider: IdentityProvider,
        *,
        instances: InstanceService,
        profiles: Profiles,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self._provider = provider
        self._instances = instances
        self._profiles = profiles
        self._pause_seconds = pause_seconds
        self._waiting: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        self._is_supported = True
        self._last_failure = ""

    def request(self, user_id: str) -> None:
        """Look up *user_id* soon, in the background."""
        if not (self._is_supported and self._provider.management.manages_people) or len(self._waiting) >= MAX_WAITING:
            return
        self._waiting.add(user_id)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop; waiting users are not looked up."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while self._waiting and self._is_supported:
            waiting, self._waiting = self._waiting, set()
            try:
                await self._check(waiting)
                self._last_failure = ""
            except (BodhiError, msgspec.ValidationError) as error:
                if _is_final(error):
                    self._is_supported = False
                    log.info(
                        "role checks disabled: the identity provider does not list users for this client: %s", error
                    )
                    return
                self._waiting |= waiting  # their sessions have ended, so nothing else would request the check again
                self._log_failure(str(error))
            await asyncio.sleep(self._pause_seconds)

    def _log_failure(self, failure: str) -> None:
        """Log each reason once: with a wrong client secret, all attempts fail in the same way."""
        if failure != self._last_failure:
            log.warning("role check failed, will be retried: %s", failure)
            self._last_failure = failure

    async def _check(self, user_ids: Collection[str]) -> None:
        before = {user_id: role for user_id in user_ids if (role := await self._profiles.role_of(user_id)) is not None}
        instance = await self._instances.current()
        if not before or instance is None:
            return
        since = await self._profiles.last_change()
        roles = await self._listed(instance.credentials, before)
        for user_id, role in before.items():
            now = roles.get(user_id)
            if (now is None or now.rank < role.rank) and await self._profiles.lower_role(user_id, now, since=since):
                fields = {"user_id": user_id, "role": None if now is None else str(now)}
                log.info(
                    "role lost at the identity provider user_id=%s role=%s", *fields.values(), extra={"fields": fields}
                )

    async def _listed(self, client: ClientCredentials, user_ids: Collection[str]) -> dict[str, Role | None]:
        """Return the roles of those *user_ids* that the provider lists."""
        token = await self._provider.grants.service_token(client)
        roles: dict[str, Role | None] = {}
        has_admin = False
        for number in range(1, MAX_PAGES + 1):
            response = await self._provider.management.list_users(token, page=number, page_size=LARGEST_PAGE)
            page = msgspec.convert(response, UserPage)
            for user in page.users:
                has_admin |= user.role == str(Role.ADMIN)
                if user.user_id in user_ids:
                    roles[user.user_id] = listed_role(user)
            if len(roles) == len(user_ids):
                return roles
            if not page.has_next:
                break
        else:
            raise ProviderError("the list of users does not end")
        if not has_admin:
            # There is always an administrator: this client sees only a part of the list, so absence means nothing.
            raise ProviderRefused(403, "incomplete_list")
        return roles


def _is_final(error: Exception) -> bool:
    """Whether retries are useless until the provider or the permissions of this client change.

    A rejected client (401) is not final: its secret may have been rotated, with the settings to follow.
    """
    return isinstance(error, ProviderLacks) or (isinstance(error, ProviderRefused) and error.status in FINAL_STATUSES)
