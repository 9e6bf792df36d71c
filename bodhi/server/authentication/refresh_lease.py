"""The lease in a session's row: across all processes, one at a time asks the provider about the session's login.

It is acquired and released in short transactions, deleted with the session, and that of a killed process expires.
"""

import asyncio
import itertools
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bodhi.oidc.errors import ProviderTimedOut
from bodhi.server.access.errors import LoginEnded, ProviderUnavailable
from bodhi.server.authentication.circuit_breaker import CircuitBreaker
from bodhi.server.authentication.login_data import ACCESS_TOKEN, REFRESH_TOKEN, RenewalPolicy, claims_in, postpone
from bodhi.server.authentication.stored_login import SessionRow

LEASE = "refresh_lease"
POLL_SECONDS = (0.02, 0.05, 0.1, 0.2)
SETTLE_SECONDS = 1.0  # for the holder of an expired lease to store tokens it may have received

_BUSY, _ENDED = "busy", "ended"
_TAKEN_OVER_AT = "taken_over_at"


@dataclass(frozen=True, slots=True)
class Claimed:
    """An acquired lease, and the session's data at that moment."""

    lease: str
    refresh_token: str | None = field(repr=False)  # None: there is none, the access token can only be checked
    taken_over_at: int | None  # database time in ms, if a previous holder did not release its lease
    is_first_to_take_over: bool
    data: dict[str, Any] = field(repr=False)  # of the session, at that moment


class RefreshLeases:
    """Acquires leases for sessions whose login is due, and releases them."""

    def __init__(
        self,
        policy: RenewalPolicy,
        breaker: CircuitBreaker,
        *,
        lease_seconds: float,
        wait_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        """A lease ends after *lease_seconds*, if it is not released; others wait for it at most *wait_seconds*."""
        self._policy = policy
        self._breaker = breaker
        self._lease_ms = round(lease_seconds * 1000)
        self._wait_seconds = wait_seconds
        self._clock = clock

    async def claim(self, session: SessionRow) -> Claimed | None:
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
        if not isinstance(claimed, Claimed):
            return None
        if claimed.is_first_to_take_over:
            await asyncio.sleep(SETTLE_SECONDS)
            if not await session.atomically(lambda data, _: self._is_still_needed(data, claimed)):
                return None
        return claimed

    def _try_to_claim(self, data: dict[str, Any], now_ms: int, lease: str) -> "Claimed | str | None":
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
        return Claimed(lease, refresh_token, taken_over_at, is_first, dict(data))

    def _has_expired(self, data: dict[str, Any]) -> bool:
        return self._clock() >= claims_in(data).expires_at

    def _is_still_needed(self, data: dict[str, Any], claimed: Claimed) -> bool:
        """Whether the previous holder has not stored new tokens."""
        if not isinstance(data.get(ACCESS_TOKEN), str):
            raise LoginEnded
        if data.get(REFRESH_TOKEN) == claimed.refresh_token and self._clock() >= self._policy.due_at(
            data, claims_in(data)
        ):
            return True
        release(data, claimed.lease)
        return False

    async def postpone(self, session: SessionRow, claimed: Claimed) -> bool:
        """Release the lease; return whether the login is valid without the provider, which is asked again soon."""

        def give_back(data: dict[str, Any], _: int) -> bool:
            release(data, claimed.lease, taken_over_at=claimed.taken_over_at)
            is_valid = self._policy.outlives_token(data) or not self._has_expired(data)
            if is_valid:
                postpone(data, self._clock())
            return is_valid

        return await session.atomically(give_back)


def _lease(lease: str, until: int, taken_over_at: int | None) -> dict[str, Any]:
    # Nodes of earlier versions read only "id" and "until".
    takeover = {} if taken_over_at is None else {_TAKEN_OVER_AT: taken_over_at}
    return {"id": lease, "until": until, **takeover}


def release(data: dict[str, Any], lease: str, *, taken_over_at: int | None = None) -> None:
    """Release the lease; with *taken_over_at* it is only expired: new tokens may still arrive from its old holder."""
    held = data.get(LEASE)
    if not held or held["id"] != lease:
        return
    if taken_over_at is None:
        del data[LEASE]
    else:
        data[LEASE] = _lease(lease, 0, taken_over_at)
