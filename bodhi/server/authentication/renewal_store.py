"""Storage of new tokens in their session, in memory until that succeeds, and of what they say about the user."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from bodhi.errors import root_cause
from bodhi.server.access.errors import ApiError, ProviderUnavailable
from bodhi.server.authentication.login_data import REFRESH_TOKEN, RenewalPolicy, is_for_another_user, refreshed_data
from bodhi.server.authentication.refresh_lease import LEASE, POLL_SECONDS, release
from bodhi.server.authentication.unstored_tokens import Renewal, UnstoredTokens
from bodhi.server.authentication.user_claims import UserClaims

STORE_ATTEMPTS = 5
STORE_SECONDS = 2.0  # for the attempts that requests wait for

Result = TypeVar("Result")

log = logging.getLogger(__name__)


class RenewalStore:
    """Stores renewals."""

    def __init__(
        self,
        policy: RenewalPolicy,
        *,
        users: UserClaims | None,
        name_of: Callable[[bytes], str],
        count_failure: Callable[[str], None],
    ) -> None:
        """*name_of* returns the name of a session in the log, by its key; *count_failure* takes the reason."""
        self._policy = policy
        self._users = users
        self._count_failure = count_failure
        self.unstored = UnstoredTokens(self.store_kept, name_of=name_of)

    async def store(self, renewal: Renewal) -> None:
        """Store *renewal*; keep it in memory if the database does not accept it in time."""
        try:
            stored = await _retry(lambda: self._store(renewal))
        except ApiError:
            raise
        except BaseException:  # includes cancellation at shutdown: these tokens are the only copy
            self.unstored.keep(renewal)
            raise
        await self._note(renewal, stored)

    async def store_kept(self, renewal: Renewal) -> None:
        """Store a renewal that is kept in memory."""
        key = renewal.session.key
        try:
            stored = await self._store(renewal)
        except ApiError:
            self.unstored.discard(key)
            raise
        self.unstored.discard(key)
        await self._note(renewal, stored)

    async def _store(self, renewal: Renewal) -> dict[str, Any] | None:
        """Store the new tokens and return the session's data, or None if a later holder has stored newer tokens."""

        def store(data: dict[str, Any], _: int) -> dict[str, Any] | None:
            release(data, renewal.lease)
            if data.get(REFRESH_TOKEN) != renewal.spent_token:
                return None
            if is_for_another_user(data, renewal.tokens):
                raise _OtherUser
            refreshed_data(data, renewal.tokens, renewal.received_at)
            self._policy.schedule(data, renewal.received_at)
            data.pop(LEASE, None)  # even if it was taken over: there is nothing to refresh any more
            return dict(data)

        try:
            return await renewal.session.atomically(store)
        except _OtherUser:
            self._count_failure("other_person")
            log.error("refresh rejected: the tokens are those of another user")
            await renewal.session.atomically(lambda data, _: release(data, renewal.lease))
            raise ProviderUnavailable from None

    async def _note(self, renewal: Renewal, stored: dict[str, Any] | None) -> None:
        """Complete the stored tokens, and store the role that the provider thereby confirmed."""
        if stored is not None and self._users is not None:
            has_id_token = renewal.tokens.id_token is not None
            await self._users.note_refresh(renewal.session, stored, renewal.since, has_id_token=has_id_token)


async def _retry(step: Callable[[], Awaitable[Result]]) -> Result:
    """Call *step*, with retries while the database is unavailable: the old refresh token is already invalid."""
    deadline = time.monotonic() + STORE_SECONDS
    for attempt in range(1, STORE_ATTEMPTS):
        try:
            return await step()
        except ApiError:
            raise
        except Exception as error:
            log.warning("new tokens not stored attempt=%d: %s", attempt, root_cause(error))
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(POLL_SECONDS[-1] * attempt)
    return await step()


class _OtherUser(Exception):
    """The new tokens belong to another user."""
