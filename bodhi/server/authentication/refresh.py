"""Token refresh for sessions: at most one refresh grant at a time per session, across all processes.

The lock is a lease in the session's own row, acquired and released in short transactions. No connection is held during
the request to the provider, the lease is deleted with the session, the lease of a killed process expires, and any
connection pooler works. Within a process, requests share one refresh task.

Requests wait for a bounded time. The grant continues without them: its response may be the only copy of the new tokens,
and stays in memory until it can be stored.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from bodhi.oidc.errors import ProviderError, ProviderRefused, ProviderTimedOut
from bodhi.oidc.responses import ClientCredentials, Tokens
from bodhi.server.access.errors import DatabaseUnavailable, ProviderUnavailable
from bodhi.server.access.instance import Instance
from bodhi.server.access.provider_errors import unavailable
from bodhi.server.authentication.circuit_breaker import CircuitBreaker
from bodhi.server.authentication.login_check import LOGIN_ENDING_ERRORS, LoginCheck, api_error_of, end_login
from bodhi.server.authentication.login_data import REFRESH_TOKEN, USER_ID, RenewalPolicy
from bodhi.server.authentication.refresh_lease import Claimed, RefreshLeases, release
from bodhi.server.authentication.renewal_store import RenewalStore
from bodhi.server.authentication.stored_login import SessionRow
from bodhi.server.authentication.unstored_tokens import Renewal
from bodhi.server.authentication.user_claims import UserClaims
from bodhi.session import SessionUnavailable
from bodhi.single_flight import SingleFlight

LATE_SECONDS = 0.5  # wait for a grant that timed out for other requests: the provider may just have recovered
GRACE_SECONDS = 120  # after a takeover, in which the previous holder may still store new tokens
MAX_CONCURRENT = 50  # grants: half of the connections to the provider are left for logins

log = logging.getLogger(__name__)


class Refresher:
    """Refreshes the tokens of sessions."""

    def __init__(
        self,
        grant: Callable[[ClientCredentials, str], Awaitable[Tokens]],
        *,
        lease_seconds: float = 30.0,
        wait_seconds: float = 10.0,
        clock: Callable[[], float] = time.time,
        users: UserClaims | None = None,
        policy: RenewalPolicy | None = None,
        breaker: CircuitBreaker | None = None,
        name_of: Callable[[bytes], str] = bytes.hex,
    ) -> None:
        """Create a refresher; *lease_seconds* exceeds the provider's timeout, a request waits at most *wait_seconds*.

        *grant* returns the provider's new tokens for a refresh token, or raises :exc:`ProviderError`.
        *users* completes the claims of refreshed tokens and stores their roles, *policy* says when they are due;
        *name_of* returns the name of a session in the log, by its key.
        """
        self._grant = grant
        self._wait_seconds = wait_seconds
        self._clock = clock
        self._users = users
        self._breaker = breaker or CircuitBreaker()
        self._name_of = name_of
        policy = policy or RenewalPolicy()
        self._leases = RefreshLeases(
            policy, self._breaker, lease_seconds=lease_seconds, wait_seconds=wait_seconds, clock=clock
        )
        self._check = LoginCheck(self._leases, policy, users=users, clock=clock)
        self._store = RenewalStore(policy, users=users, name_of=name_of, count_failure=self._count_failure)
        self._unstored = self._store.unstored
        # A cancelled request must not lose tokens that the provider has already issued.
        self._flights: SingleFlight[None] = SingleFlight()
        self._slots = asyncio.Semaphore(MAX_CONCURRENT)
        self._in_flight: set[bytes] = set()  # the sessions with a pending grant
        self.grants = 0
        self.failures: dict[str, int] = {}  # by reason

    async def refresh(self, session: SessionRow, instance: Instance) -> None:
        """Return when the session's stored login is valid: its tokens are refreshed, or checked if they cannot be.

        Raises ``auth_error-refresh_token_not_found`` if the login has ended for good. The session is unchanged after
        :exc:`RefreshRefused`, where a new login may help, and after :exc:`ProviderUnavailable`, where a retry may.
        """
        wait_seconds = self._wait_seconds
        is_allowed = self._unstored.get(session.key) is not None or self._breaker.allows(session.key)
        if not is_allowed and session.key in self._in_flight:
            wait_seconds = min(wait_seconds, LATE_SECONDS)
        elif not is_allowed:
            reason = "refresh skipped: the provider, or another node waiting for it, did not answer recently"
            log.info(reason)
            raise ProviderUnavailable from ProviderTimedOut(reason)
        try:
            async with asyncio.timeout(wait_seconds):
                await self._flights(session.key, lambda: self._run(session, instance))
        except TimeoutError:
            is_at_provider = session.key in self._in_flight
            if is_at_provider:
                self._breaker.note_hanging(session.key)
            what = "the provider" if is_at_provider else "another node or the database"
            reason = f"request timed out after {wait_seconds:g} s waiting for {what} to refresh tokens"
            log.warning(reason)
            raise ProviderUnavailable from ProviderTimedOut(reason)

    def with_unstored_tokens(self, key: bytes, data: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the session's *data* with new tokens that are not stored yet, or None if there are none."""
        renewal = self._unstored.get(key)
        return None if renewal is None else renewal.applied_to(data)

    async def close(self, limit_seconds: float | None = None) -> None:
        """Wait until pending grants are stored, at most *limit_seconds*; log the sessions whose tokens are lost."""
        limit_seconds = self._wait_seconds if limit_seconds is None else limit_seconds
        deadline = time.monotonic() + limit_seconds
        await self._flights.finish(limit_seconds)
        if self._in_flight:
            names = ", ".join(map(self._name_of, self._in_flight))
            log.error("refresh without an answer before the shutdown sessions=%s", names)
        await self._flights.close()  # tokens that were being stored move to _unstored
        await self._unstored.finish(max(0.0, deadline - time.monotonic()))

    async def _run(self, session: SessionRow, instance: Instance) -> None:
        async with self._slots:
            renewal = self._unstored.get(session.key)
            if renewal is not None:
                await self._store.store_kept(renewal)
            if self._unstored.is_full:  # new tokens might be lost
                raise DatabaseUnavailable from SessionUnavailable("too many new tokens wait to be stored")
            # Before the lease is acquired: an outage of the application's database must not leave it behind.
            since = None if self._users is None else await self._users.last_change()
            claimed = await self._leases.claim(session)
            if claimed is not None and claimed.refresh_token is None:
                await self._check.run(session, claimed, since)
            elif claimed is not None:
                await self._renew(session, instance, claimed, since)

    async def _renew(self, session: SessionRow, instance: Instance, claimed: Claimed, since: int | None) -> None:
        assert claimed.refresh_token is not None
        try:
            tokens = await self._request_tokens(session.key, instance, claimed.refresh_token)
        except ProviderRefused as error:
            if error.error in LOGIN_ENDING_ERRORS:
                self._count_failure("invalid_grant")
                await self._end(session, claimed, error)
                return
            self._count_failure("refused")
            log.error("refresh refused for this client: %s", error)
            if await self._leases.postpone(session, claimed):
                return
            raise api_error_of(error) from error
        except ProviderError as error:
            self._count_failure("unavailable")
            log.warning("refresh failed, session unchanged: %s", error)
            if await self._leases.postpone(session, claimed):
                return
            raise unavailable(error) from error
        renewal = Renewal(session, claimed.lease, claimed.refresh_token, tokens, self._clock(), since)
        await self._store.store(renewal)

    async def _request_tokens(self, key: bytes, instance: Instance, refresh_token: str) -> Tokens:
        self._in_flight.add(key)
        self.grants += 1
        has_answered = True
        try:
            return await self._grant(instance.credentials, refresh_token)
        except ProviderTimedOut:
            has_answered = False
            raise
        finally:
            self._in_flight.discard(key)
            if has_answered:
                self._breaker.note_answered(key)
            else:
                self._breaker.pause(key)

    def _count_failure(self, reason: str) -> None:
        self.failures[reason] = self.failures.get(reason, 0) + 1

    async def _end(self, session: SessionRow, claimed: Claimed, error: ProviderRefused) -> None:
        """End the session after its refresh token was rejected, unless another holder has newer tokens."""

        def outcome(data: dict[str, Any], now_ms: int) -> tuple[str, object]:
            user_id = data.get(USER_ID)
            if data.get(REFRESH_TOKEN) != claimed.refresh_token:
                return _REFRESHED, user_id
            since = claimed.taken_over_at
            if since is None or now_ms >= since + GRACE_SECONDS * 1000:
                return _ENDED, user_id
            release(data, claimed.lease, taken_over_at=since)
            return _UNCERTAIN, user_id

        result, user_id = await session.atomically(outcome)
        if result is _UNCERTAIN:
            log.warning(
                "refresh refused, session kept: another node may have its new tokens error=%s session=%s",
                error.error,
                self._name_of(session.key),
            )
            self._breaker.pause(session.key)
            raise ProviderUnavailable
        if result is _ENDED:
            log.info("login ended: the provider rejected the refresh token error=%s", error.error)
            await end_login(session, user_id, self._users)


_REFRESHED, _ENDED, _UNCERTAIN = "refreshed", "ended", "uncertain"

REFRESHER = web.AppKey("REFRESHER", Refresher)
