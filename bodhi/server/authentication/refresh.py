"""Fresh access tokens for sessions: one refresh grant at a time for each session, whatever number of processes ask.

The lock is a lease in the session's own row, taken and given back in short transactions. Nothing is held while the
provider is asked, it goes with the session, a holder that dies loses it by the clock, and any pooler may stand before
the database. Within a process, requests share the one task that refreshes.

Requests wait for a bounded time. The grant goes on without them: its answer may be the only copy of new tokens, and is
kept in memory where the database does not take it.
"""

import asyncio
import itertools
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiohttp import web

from bodhi.oidc.errors import ProviderError, ProviderRefused, ProviderTimedOut
from bodhi.oidc.responses import ClientCredentials, Tokens
from bodhi.server.access.errors import ApiError, DatabaseUnavailable, ProviderUnavailable, RefreshRefused
from bodhi.server.access.errors import LoginEnded as LoginEndedError
from bodhi.server.access.instance import Instance
from bodhi.server.authentication.circuit_breaker import CircuitBreaker
from bodhi.server.authentication.login_data import (
    ACCESS_TOKEN,
    REFRESH_TOKEN,
    USER_ID,
    claims_in,
    is_for_another_user,
    refreshed_data,
)
from bodhi.server.authentication.role_notes import RoleNotes
from bodhi.server.authentication.stored_login import LoginEnded, SessionRow
from bodhi.server.authentication.unstored_tokens import Renewal, UnstoredTokens
from bodhi.single_flight import SingleFlight

LEASE = "refresh_lease"
POLL_SECONDS = (0.02, 0.05, 0.1, 0.2)
STORE_ATTEMPTS = 5
STORE_SECONDS = 2.0  # for the attempts that requests wait for
SETTLE_SECONDS = 1.0  # what a holder whose lease ran out has, to store what it may have been given
LATE_SECONDS = 0.5  # what requests still wait for a grant that others gave up on: the provider may just be back
GRACE_SECONDS = 120  # after a lease was taken over, in which the old holder may still store new tokens
MOST_AT_ONCE = 50  # grants: half of the connections to the provider are left for logins

# The provider's word that there is nothing left to refresh: a new login is needed.
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
# Its word about this server as a client, which a new login would meet as well.
_ABOUT_THE_CLIENT = frozenset({"invalid_client", "unauthorized_client"})

Answer = TypeVar("Answer")

# Gives the client's new tokens for an old refresh token; raises ProviderError.
RefreshGrant = Callable[[ClientCredentials, str], Awaitable[Tokens]]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Claimed:
    lease: str
    refresh_token: str = field(repr=False)
    taken_over_at: int | None  # ms, by the database's clock, where an earlier holder never gave its lease back
    is_first_to_take_over: bool


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
        breaker: CircuitBreaker | None = None,
        name_of: Callable[[bytes], str] = bytes.hex,
    ) -> None:
        """*lease_seconds* is longer than the provider may take; *wait_seconds* is what a request waits at most.

        *notes* is told the data of each session that was refreshed; *name_of* gives the name of a session
        for the log, by its key.
        """
        self._grant = grant
        self._lease_ms = round(lease_seconds * 1000)
        self._wait_seconds = wait_seconds
        self._clock = clock
        self._notes = notes
        self._breaker = breaker or CircuitBreaker()
        self._name_of = name_of
        # A request that is cancelled must not lose tokens that the provider has given already.
        self._flights: SingleFlight[None] = SingleFlight()
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)
        self._asking: set[bytes] = set()  # the sessions whose grant is under way
        self._unstored = UnstoredTokens(self._store_kept, name_of=name_of)
        self.grants = 0
        self.failures: dict[str, int] = {}  # by what went wrong

    async def refresh(self, session: SessionRow, instance: Instance) -> None:
        """Returns when the session's stored access token is valid.

        ``auth_error-refresh_token_not_found`` where the login has ended for good. The session is as it was with
        ``auth_error-refresh_refused``, where a new login may help, and with ``auth_error-idp_unavailable``, where
        trying later may.
        """
        wait_seconds = self._wait_seconds
        is_allowed = self._unstored.get(session.key) is not None or self._breaker.allows(session.key)
        if not is_allowed and session.key in self._asking:
            wait_seconds = min(wait_seconds, LATE_SECONDS)
        elif not is_allowed:
            log.info("a refresh is not tried: the provider, or another node that asks it, did not answer just now")
            raise ProviderUnavailable
        try:
            async with asyncio.timeout(wait_seconds):
                await self._flights(session.key, lambda: self._run(session, instance))
        except TimeoutError:
            is_at_provider = session.key in self._asking
            if is_at_provider:
                self._breaker.note_hanging(session.key)
            what = "the provider" if is_at_provider else "another node or the database"
            log.warning("a request gave up after waiting %g s for %s to refresh tokens", wait_seconds, what)
            raise ProviderUnavailable from None

    def with_unstored_tokens(self, key: bytes, data: Mapping[str, Any]) -> dict[str, Any] | None:
        """The session's *data* with the new tokens that could not be stored yet, or None where there are none."""
        renewal = self._unstored.get(key)
        return None if renewal is None else renewal.applied_to(data)

    async def close(self, limit_seconds: float | None = None) -> None:
        """Wait until what has been begun is stored, for *limit_seconds* at most; what is not is named in the log."""
        limit_seconds = self._wait_seconds if limit_seconds is None else limit_seconds
        deadline = time.monotonic() + limit_seconds
        await self._flights.finish(limit_seconds)
        if self._asking:
            names = ", ".join(map(self._name_of, self._asking))
            log.error("the provider did not answer the refresh of these sessions before the end: %s", names)
        await self._flights.close()  # what was being stored is kept, and named below where it stays so
        await self._unstored.finish(max(0.0, deadline - time.monotonic()))

    async def _run(self, session: SessionRow, instance: Instance) -> None:
        try:
            async with self._slots:
                renewal = self._unstored.get(session.key)
                if renewal is not None:
                    await self._store_kept(renewal)
                if self._unstored.is_full:  # new tokens might be lost
                    raise DatabaseUnavailable
                # Before the lease is taken, which an outage of this database would leave behind.
                since = None if self._notes is None else await self._notes.last_change()
                claimed = await self._claim(session)
                if claimed is not None:
                    await self._renew(session, instance, claimed, since)
        except LoginEnded:
            raise LoginEndedError from None

    async def _claim(self, session: SessionRow) -> _Claimed | None:
        """The lease, waited for; None when somebody else has refreshed meanwhile."""
        lease = secrets.token_hex(8)
        deadline = time.monotonic() + self._wait_seconds
        for attempt in itertools.count():
            claimed = await session.atomically(lambda data, now_ms: self._try_to_claim(data, now_ms, lease))
            if claimed is not _BUSY:
                break
            if time.monotonic() > deadline:
                self._breaker.pause(session.key)
                raise ProviderUnavailable
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
        if self._clock() < claims_in(data).expires_at:
            return None
        refresh_token = data.get(REFRESH_TOKEN)
        if not isinstance(refresh_token, str):
            return _ENDED
        held = data.get(LEASE)
        if held and now_ms < held["until"]:
            return _BUSY
        # Its holder died, or could not reach the database: the provider may have replaced the refresh token already.
        taken_over_at = held.get(_TAKEN_OVER_AT, now_ms) if held else None
        is_first = held is not None and _TAKEN_OVER_AT not in held
        data[LEASE] = _lease(lease, now_ms + self._lease_ms, taken_over_at)
        return _Claimed(lease, refresh_token, taken_over_at, is_first)

    def _is_still_needed(self, data: dict[str, Any], claimed: _Claimed) -> bool:
        """Whether the holder before has stored no new tokens."""
        if not isinstance(data.get(ACCESS_TOKEN), str):
            raise LoginEnded
        if data.get(REFRESH_TOKEN) == claimed.refresh_token and self._clock() >= claims_in(data).expires_at:
            return True
        _release(data, claimed.lease)
        return False

    async def _renew(self, session: SessionRow, instance: Instance, claimed: _Claimed, since: int | None) -> None:
        try:
            tokens = await self._ask(session.key, instance, claimed.refresh_token)
        except ProviderRefused as error:
            if error.error in LOGIN_ENDING_ERRORS:
                self._failed("invalid_grant")
                await self._end(session, claimed, error)
                return
            self._failed("refused")
            log.error("the provider refuses to refresh tokens for this server: %s", error)
            await self._give_back(session, claimed)
            raise _refusal_of(error) from error
        except ProviderError as error:
            self._failed("unavailable")
            log.warning("tokens could not be refreshed, and the session stays as it is: %s", error)
            await self._give_back(session, claimed)
            raise ProviderUnavailable from error
        renewal = Renewal(session, claimed.lease, claimed.refresh_token, tokens, self._clock(), since)
        try:
            stored = await self._insist(lambda: self._store(renewal))
        except (LoginEnded, ApiError):
            raise
        except BaseException:  # cancelled at the end of the process too: these tokens are the only copy
            self._unstored.keep(renewal)
            raise
        await self._note(stored, since)

    async def _ask(self, key: bytes, instance: Instance, refresh_token: str) -> Tokens:
        self._asking.add(key)
        self.grants += 1
        has_answered = True
        try:
            return await self._grant(instance.credentials, refresh_token)
        except ProviderTimedOut:
            has_answered = False
            raise
        finally:
            self._asking.discard(key)
            if has_answered:
                self._breaker.note_answered(key)
            else:
                self._breaker.pause(key)

    def _failed(self, what: str) -> None:
        self.failures[what] = self.failures.get(what, 0) + 1

    async def _end(self, session: SessionRow, claimed: _Claimed, error: ProviderRefused) -> None:
        """The refresh token is dead; so is the session, unless another holder has newer tokens."""

        def outcome(data: dict[str, Any], now_ms: int) -> tuple[str, object]:
            user_id = data.get(USER_ID)
            if data.get(REFRESH_TOKEN) != claimed.refresh_token:
                return _REFRESHED, user_id
            since = claimed.taken_over_at
            if since is None or now_ms >= since + GRACE_SECONDS * 1000:
                return _ENDED, user_id
            _release(data, claimed.lease, taken_over_at=since)
            return _UNCERTAIN, user_id

        found, user_id = await session.atomically(outcome)
        if found is _UNCERTAIN:
            log.warning(
                "the provider answered %s for session %s, whose new tokens another node may have: it is kept for now",
                error.error,
                self._name_of(session.key),
            )
            self._breaker.pause(session.key)
            raise ProviderUnavailable
        if found is _ENDED:
            log.info("a login ended: the provider does not take its refresh token any more (%s)", error.error)
            await session.end()
            if self._notes is not None and isinstance(user_id, str):
                self._notes.check_role(user_id)
            raise LoginEnded

    async def _give_back(self, session: SessionRow, claimed: _Claimed) -> None:
        await session.atomically(lambda data, _: _release(data, claimed.lease, taken_over_at=claimed.taken_over_at))

    async def _store(self, renewal: Renewal) -> dict[str, Any] | None:
        """The session's data as it is stored with the new tokens; None where a later holder has stored newer ones."""

        def store(data: dict[str, Any], _: int) -> dict[str, Any] | None:
            _release(data, renewal.lease)
            if data.get(REFRESH_TOKEN) != renewal.spent_token:
                return None
            if is_for_another_user(data, renewal.tokens):
                raise _OtherPerson
            refreshed_data(data, renewal.tokens, renewal.received_at)
            data.pop(LEASE, None)  # also of somebody who took the lease over: there is nothing to refresh any more
            return dict(data)

        try:
            return await renewal.session.atomically(store)
        except _OtherPerson:
            self._failed("other_person")
            log.error("the provider answered a refresh with the tokens of another person")
            await renewal.session.atomically(lambda data, _: _release(data, renewal.lease))
            raise ProviderUnavailable from None

    async def _store_kept(self, renewal: Renewal) -> None:
        key = renewal.session.key
        try:
            stored = await self._store(renewal)
        except (LoginEnded, ApiError):
            self._unstored.discard(key)
            raise
        self._unstored.discard(key)
        await self._note(stored, renewal.since)

    async def _note(self, stored: Mapping[str, Any] | None, since: int | None) -> None:
        if stored is not None and self._notes is not None:
            await self._notes.note_refresh(stored, since)

    @staticmethod
    async def _insist(step: Callable[[], Awaitable[Answer]]) -> Answer:
        """*step*, tried again while the database does not answer: the provider has spent the old refresh token."""
        deadline = time.monotonic() + STORE_SECONDS
        for attempt in range(1, STORE_ATTEMPTS):
            try:
                return await step()
            except (LoginEnded, ApiError):
                raise
            except Exception as error:
                log.warning("refreshed tokens could not be stored, attempt %d: %s", attempt, type(error).__name__)
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(POLL_SECONDS[-1] * attempt)
        return await step()


class _OtherPerson(Exception):
    """The new tokens are about somebody else."""


def _refusal_of(error: ProviderRefused) -> ApiError:
    """What a client is told of a refusal that does not end the login.

    An OAuth error about this one grant: with a new login there is another one. Everything else, such as a changed
    client secret or an address that is not there, is for the operator to mend.
    """
    if error.status in {200, 400, 403} and error.error and error.error not in _ABOUT_THE_CLIENT:
        return RefreshRefused()
    return ProviderUnavailable(message="The identity provider refused to renew the login.")


def _lease(lease: str, until: int, taken_over_at: int | None) -> dict[str, Any]:
    # Nodes of earlier versions read "id" and "until" alone.
    over = {} if taken_over_at is None else {_TAKEN_OVER_AT: taken_over_at}
    return {"id": lease, "until": until, **over}


def _release(data: dict[str, Any], lease: str, *, taken_over_at: int | None = None) -> None:
    """Give the lease back; with *taken_over_at* it stays to tell whoever comes next that tokens may be on their way."""
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
