"""Token refresh for sessions: at most one refresh grant at a time per session, across all processes.

The lock is a lease in the session's own row, acquired and released in short transactions. No connection is held during
the request to the provider, the lease is deleted with the session, the lease of a killed process expires, and any
connection pooler works. Within a process, requests share one refresh task.

Requests wait for a bounded time. The grant continues without them: its response may be the only copy of the new tokens,
and stays in memory until it can be stored.
"""

import asyncio
import itertools
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar

from aiohttp import web

from bodhi.errors import root_cause
from bodhi.oidc.errors import ProviderError, ProviderLacks, ProviderRefused, ProviderTimedOut, TokenError
from bodhi.oidc.responses import ClientCredentials, Tokens
from bodhi.server.access.errors import ApiError, DatabaseUnavailable, LoginEnded, ProviderUnavailable, RefreshRefused
from bodhi.server.access.instance import Instance
from bodhi.server.authentication.circuit_breaker import CircuitBreaker
from bodhi.server.authentication.login_data import (
    ACCESS_TOKEN,
    RECHECK_AT,
    REFRESH_TOKEN,
    USER_ID,
    USERINFO,
    claims_in,
    is_for_another_user,
    refreshed_data,
)
from bodhi.server.authentication.renewal_policy import RenewalPolicy, postpone
from bodhi.server.authentication.role_notes import RoleNotes
from bodhi.server.authentication.stored_login import SessionRow
from bodhi.server.authentication.unstored_tokens import Renewal, UnstoredTokens
from bodhi.server.authentication.userinfo import UserinfoClaims
from bodhi.session import SessionUnavailable
from bodhi.single_flight import SingleFlight

LEASE = "refresh_lease"
POLL_SECONDS = (0.02, 0.05, 0.1, 0.2)
STORE_ATTEMPTS = 5
STORE_SECONDS = 2.0  # for the attempts that requests wait for
SETTLE_SECONDS = 1.0  # for the holder of an expired lease to store tokens it may have received
LATE_SECONDS = 0.5  # wait for a grant that timed out for other requests: the provider may just have recovered
GRACE_SECONDS = 120  # after a takeover, in which the previous holder may still store new tokens
MAX_CONCURRENT = 50  # grants: half of the connections to the provider are left for logins

# OAuth errors after which only a new login helps.
# Source: RFC 6749, 5.2; RFC 6750, 3.1; OpenID Connect Core 3.1.2.6; token_inactive is Keycloak's and Ory's.
LOGIN_ENDING_ERRORS = frozenset(
    {
        "invalid_grant",
        "token_inactive",
        "interaction_required",
        "login_required",
        "consent_required",
        "invalid_token",
    }
)
# OAuth errors about this server as a client: a new login would fail with them, too.
_CLIENT_ERRORS = frozenset({"invalid_client", "unauthorized_client"})

Result = TypeVar("Result")

# The provider's refresh token grant: returns new tokens for a refresh token, or raises ProviderError.
RefreshGrant = Callable[[ClientCredentials, str], Awaitable[Tokens]]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Claimed:
    lease: str
    refresh_token: str | None = field(repr=False)  # None: there is none, the access token can only be checked
    taken_over_at: int | None  # database time in ms, if a previous holder did not release its lease
    is_first_to_take_over: bool
    data: dict[str, Any] = field(repr=False)  # of the session, at that moment


class Refresher:
    """Refreshes the tokens of sessions."""

    def __init__(
        self,
        grant: RefreshGrant,
        *,
        lease_seconds: float = 30.0,
        wait_seconds: float = 10.0,
        clock: Callable[[], float] = time.time,
        notes: RoleNotes | None = None,
        userinfo: UserinfoClaims | None = None,
        policy: RenewalPolicy | None = None,
        breaker: CircuitBreaker | None = None,
        name_of: Callable[[bytes], str] = bytes.hex,
    ) -> None:
        """Create a refresher; *lease_seconds* exceeds the provider's timeout, a request waits at most *wait_seconds*.

        *notes* stores the roles in refreshed tokens, *userinfo* completes them, *policy* says when
        they are due; *name_of* returns the name of a session in the log, by its key.
        """
        self._grant = grant
        self._lease_ms = round(lease_seconds * 1000)
        self._wait_seconds = wait_seconds
        self._clock = clock
        self._notes = notes
        self._userinfo = userinfo
        self._policy = policy or RenewalPolicy()
        self._breaker = breaker or CircuitBreaker()
        self._name_of = name_of
        # A cancelled request must not lose tokens that the provider has already issued.
        self._flights: SingleFlight[None] = SingleFlight()
        self._slots = asyncio.Semaphore(MAX_CONCURRENT)
        self._in_flight: set[bytes] = set()  # the sessions with a pending grant
        self._unstored = UnstoredTokens(self._store_kept, name_of=name_of)
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
                await self._store_kept(renewal)
            if self._unstored.is_full:  # new tokens might be lost
                raise DatabaseUnavailable from SessionUnavailable("too many new tokens wait to be stored")
            # Before the lease is acquired: an outage of the application's database must not leave it behind.
            since = None if self._notes is None else await self._notes.last_change()
            claimed = await self._claim(session)
            if claimed is not None and claimed.refresh_token is None:
                await self._check(session, claimed, since)
            elif claimed is not None:
                await self._renew(session, instance, claimed, since)

    async def _claim(self, session: SessionRow) -> _Claimed | None:
        """Wait for the lease; return None if another holder has refreshed the tokens meanwhile."""
        lease = secrets.token_hex(8)
        deadline = time.monotonic() + self._wait_seconds
        for attempt in itertools.count():
            claimed = await session.atomically(lambda data, now_ms: self._try_to_claim(data, now_ms, lease))
            if claimed is not _BUSY:
                break
            if time.monotonic() > deadline:
                self._breaker.pause(session.key)
                raise ProviderUnavailable from ProviderTimedOut("another node did not complete its refresh in time")
            await asyncio.sleep(POLL_SECONDS[min(attempt, len(POLL_SECONDS) - 1)])
        if claimed is _ENDED:
            await session.end()
            raise LoginEnded
        if not isinstance(claimed, _Claimed):
            return None
        if claimed.is_first_to_take_over:
            await asyncio.sleep(SETTLE_SECONDS)
            if not await session.atomically(lambda data, _: self._is_still_needed(data, claimed)):
                return None
        return claimed

    def _try_to_claim(self, data: dict[str, Any], now_ms: int, lease: str) -> "_Claimed | str | None":
        if not isinstance(data.get(ACCESS_TOKEN), str):
            raise LoginEnded
        if self._clock() < self._policy.due_at(data, claims_in(data)):
            return None
        refresh_token = data.get(REFRESH_TOKEN)
        if refresh_token is None and not self._policy.outlives_token(data) and self._has_expired(data):
            return _ENDED
        held = data.get(LEASE)
        if held and now_ms < held["until"]:
            return _BUSY
        # The holder was killed or lost the database: the provider may already have rotated the refresh token.
        taken_over_at = held.get(_TAKEN_OVER_AT, now_ms) if held else None
        is_first = held is not None and _TAKEN_OVER_AT not in held
        data[LEASE] = _lease(lease, now_ms + self._lease_ms, taken_over_at)
        return _Claimed(lease, refresh_token, taken_over_at, is_first, dict(data))

    def _has_expired(self, data: dict[str, Any]) -> bool:
        return self._clock() >= claims_in(data).expires_at

    def _is_still_needed(self, data: dict[str, Any], claimed: _Claimed) -> bool:
        """Whether the previous holder has not stored new tokens."""
        if not isinstance(data.get(ACCESS_TOKEN), str):
            raise LoginEnded
        if data.get(REFRESH_TOKEN) == claimed.refresh_token and self._clock() >= self._policy.due_at(
            data, claims_in(data)
        ):
            return True
        _release(data, claimed.lease)
        return False

    async def _check(self, session: SessionRow, claimed: _Claimed, since: int | None) -> None:
        """Ask userinfo whether a login without refresh token still holds; end the session if it does not."""
        try:
            if self._userinfo is None:
                raise ProviderLacks
            userinfo = await self._userinfo.check(claimed.data)
        except ProviderLacks:
            await self._put_check(session, claimed, {RECHECK_AT: None})
        except (ProviderError, TokenError) as error:
            is_refused = isinstance(error, ProviderRefused) and (
                error.status == 401 or error.error in LOGIN_ENDING_ERRORS
            )
            if not is_refused:
                log.warning("login not checked, session unchanged: %s", error)
                await self._postpone(session, claimed)
            elif self._policy.is_checkable(claimed.data, self._clock()):
                log.info("login ended: the provider rejected the access token")
                await self._end_for_good(session, claimed.data.get(USER_ID))
            else:  # it has expired: nothing can be asked any more
                await self._put_check(session, claimed, {RECHECK_AT: None})
        else:
            checked: dict[str, Any] = {USERINFO: userinfo, RECHECK_AT: None}
            self._policy.schedule(checked, self._clock())
            stored = await self._put_check(session, claimed, checked)
            if self._notes is not None:
                await self._notes.note_refresh(stored, since)

    @staticmethod
    async def _put_check(session: SessionRow, claimed: _Claimed, values: dict[str, Any]) -> dict[str, Any]:
        """Store *values* and release the lease; return the session's data."""

        def put(data: dict[str, Any], _: int) -> dict[str, Any]:
            data.update(values)
            _release(data, claimed.lease)
            return dict(data)

        return await session.atomically(put)

    async def _renew(self, session: SessionRow, instance: Instance, claimed: _Claimed, since: int | None) -> None:
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
            if await self._postpone(session, claimed):
                return
            raise _api_error_of(error) from error
        except ProviderError as error:
            self._count_failure("unavailable")
            log.warning("refresh failed, session unchanged: %s", error)
            if await self._postpone(session, claimed):
                return
            raise ProviderUnavailable from error
        renewal = Renewal(session, claimed.lease, claimed.refresh_token, tokens, self._clock(), since)
        try:
            stored = await self._retry(lambda: self._store(renewal))
        except ApiError:
            raise
        except BaseException:  # includes cancellation at shutdown: these tokens are the only copy
            self._unstored.keep(renewal)
            raise
        await self._note(renewal, stored)

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

    async def _end(self, session: SessionRow, claimed: _Claimed, error: ProviderRefused) -> None:
        """End the session after its refresh token was rejected, unless another holder has newer tokens."""

        def outcome(data: dict[str, Any], now_ms: int) -> tuple[str, object]:
            user_id = data.get(USER_ID)
            if data.get(REFRESH_TOKEN) != claimed.refresh_token:
                return _REFRESHED, user_id
            since = claimed.taken_over_at
            if since is None or now_ms >= since + GRACE_SECONDS * 1000:
                return _ENDED, user_id
            _release(data, claimed.lease, taken_over_at=since)
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
            await self._end_for_good(session, user_id)

    async def _end_for_good(self, session: SessionRow, user_id: object) -> NoReturn:
        await session.end()
        if self._notes is not None and isinstance(user_id, str):
            self._notes.check_role(user_id)
        raise LoginEnded

    async def _postpone(self, session: SessionRow, claimed: _Claimed) -> bool:
        """Release the lease; return whether the login is valid without the provider, which is asked again soon."""

        def release(data: dict[str, Any], _: int) -> bool:
            _release(data, claimed.lease, taken_over_at=claimed.taken_over_at)
            is_valid = self._policy.outlives_token(data) or not self._has_expired(data)
            if is_valid:
                postpone(data, self._clock())
            return is_valid

        return await session.atomically(release)

    async def _store(self, renewal: Renewal) -> dict[str, Any] | None:
        """Store the new tokens and return the session's data, or None if a later holder has stored newer tokens."""

        def store(data: dict[str, Any], _: int) -> dict[str, Any] | None:
            _release(data, renewal.lease)
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
            await renewal.session.atomically(lambda data, _: _release(data, renewal.lease))
            raise ProviderUnavailable from None

    async def _store_kept(self, renewal: Renewal) -> None:
        key = renewal.session.key
        try:
            stored = await self._store(renewal)
        except ApiError:
            self._unstored.discard(key)
            raise
        self._unstored.discard(key)
        await self._note(renewal, stored)

    async def _note(self, renewal: Renewal, stored: dict[str, Any] | None) -> None:
        """Complete the stored tokens, and store the role that the provider thereby confirmed."""
        if stored is not None and self._userinfo is not None:
            has_id_token = renewal.tokens.id_token is not None
            stored = await self._userinfo.update(renewal.session, stored, has_id_token=has_id_token)
        if stored is not None and self._notes is not None:
            await self._notes.note_refresh(stored, renewal.since)

    @staticmethod
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


def _api_error_of(error: ProviderRefused) -> ApiError:
    """Return the API error for a refusal that does not end the login.

    After an OAuth error about this grant, a new login may help. Everything else, such as a changed client secret or a
    wrong URL, has to be fixed by the operator.
    """
    if error.status in {200, 400, 403} and error.error and error.error not in _CLIENT_ERRORS:
        return RefreshRefused()
    return ProviderUnavailable(message="The identity provider refused to renew the login.")


def _lease(lease: str, until: int, taken_over_at: int | None) -> dict[str, Any]:
    # Nodes of earlier versions read only "id" and "until".
    takeover = {} if taken_over_at is None else {_TAKEN_OVER_AT: taken_over_at}
    return {"id": lease, "until": until, **takeover}


def _release(data: dict[str, Any], lease: str, *, taken_over_at: int | None = None) -> None:
    """Release the lease; with *taken_over_at* it is only expired: new tokens may still arrive from its old holder."""
    held = data.get(LEASE)
    if not held or held["id"] != lease:
        return
    if taken_over_at is None:
        del data[LEASE]
    else:
        data[LEASE] = _lease(lease, 0, taken_over_at)


_BUSY, _ENDED, _REFRESHED, _UNCERTAIN = "busy", "ended", "refreshed", "uncertain"
_TAKEN_OVER_AT = "taken_over_at"


REFRESHER = web.AppKey("REFRESHER", Refresher)
