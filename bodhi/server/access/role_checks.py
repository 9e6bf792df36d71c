"""Whether people whose sessions the provider ended still have their role: it decides what their API tokens may do."""

import asyncio
import logging
from collections.abc import Collection

import msgspec

from bodhi.errors import BodhiError
from bodhi.oidc.client import IdentityProvider
from bodhi.oidc.errors import ProviderError, ProviderLacks, ProviderRefused
from bodhi.oidc.responses import ClientCredentials
from bodhi.server.access.directory import LARGEST_PAGE, MOST_PAGES, UserPage, listed_role
from bodhi.server.access.instance import InstanceService
from bodhi.server.access.profiles import Profiles
from bodhi.server.access.scopes import Role

PAUSE_SECONDS = 60.0
MOST_WAITING = 10_000
FINAL_STATUSES = {403, 404}

log = logging.getLogger(__name__)


class RoleChecks:
    """Looks people up in the provider's list, as this server's own client.

    A session ends at the provider for many reasons, most of which say nothing about a role, so that the list decides.
    It is read once for all who wait, at most every *pause_seconds*, and again where it could not be read. A provider
    that has no list, or not for this client, is not asked again: a role then counts until it was not confirmed for too
    long.
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
        self._may_ask = True
        self._last_failure = ""

    def request(self, user_id: str) -> None:
        """Look *user_id* up soon, in the background."""
        if not (self._may_ask and self._provider.management.manages_people) or len(self._waiting) >= MOST_WAITING:
            return
        self._waiting.add(user_id)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop; who still waits is not looked up."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while self._waiting and self._may_ask:
            waiting, self._waiting = self._waiting, set()
            try:
                await self._check(waiting)
                self._last_failure = ""
            except (BodhiError, msgspec.ValidationError) as error:
                if _is_final(error):
                    self._may_ask = False
                    log.info("the identity provider does not list users for this server's own client: %s", error)
                    return
                self._waiting |= waiting  # their sessions are over: nothing else would ask again
                self._log_failure(str(error))
            await asyncio.sleep(self._pause_seconds)

    def _log_failure(self, failure: str) -> None:
        """Once for each reason: while a client secret is wrong, all attempts fail in the same way."""
        if failure != self._last_failure:
            log.warning("roles could not be checked at the identity provider, which is asked again: %s", failure)
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
        """The roles of those of *user_ids* that the provider lists."""
        token = await self._provider.grants.service_token(client)
        found: dict[str, Role | None] = {}
        has_admin = False
        for number in range(1, MOST_PAGES + 1):
            answer = await self._provider.management.list_users(token, page=number, page_size=LARGEST_PAGE)
            page = msgspec.convert(answer, UserPage)
            for user in page.users:
                has_admin |= user.role == str(Role.ADMIN)
                if user.user_id in user_ids:
                    found[user.user_id] = listed_role(user)
            if len(found) == len(user_ids):
                return found
            if not page.has_next:
                break
        else:
            raise ProviderError("the list of users does not end")
        if not has_admin:
            # There always is one: this client is shown a part only, and nobody's absence means anything.
            raise ProviderRefused(403, "incomplete_list")
        return found


def _is_final(error: Exception) -> bool:
    """Whether the provider will answer the same until somebody changes what it has, or what this client may do.

    A client that it does not know just now (401) may have got a new secret, which the settings get a moment later.
    """
    return isinstance(error, ProviderLacks) or (isinstance(error, ProviderRefused) and error.status in FINAL_STATUSES)
