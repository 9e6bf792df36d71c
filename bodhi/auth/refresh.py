"""Fresh access tokens for sessions: one refresh grant at a time for each session, whatever number of processes ask.

The lock is a lease in the session's own row, taken and given back in short transactions. Nothing is held while the
provider is asked, it goes with the session, a holder that dies loses it by the clock, and any pooler may stand before
the database. Within a process, requests share the one task that refreshes.
"""

import asyncio
import itertools
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from bodhi.auth.instance import Instance
from bodhi.auth.provider.answers import ClientCredentials, Tokens
from bodhi.auth.provider.errors import ProviderError, ProviderRefused
from bodhi.auth.refusal import Refusal
from bodhi.auth.session_login import (
    ACCESS_TOKEN,
    REFRESH_TOKEN,
    USER_ID,
    claims_in,
    is_of_another_person,
    refreshed_data,
)
from bodhi.auth.single_flight import SingleFlight

LEASE = "refresh_lease"
POLL_SECONDS = (0.02, 0.05, 0.1, 0.2)
STORE_ATTEMPTS = 5

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


class LoginEnded(Exception):
    """The session ended while its tokens were refreshed."""


class StoredLogin(Protocol):
    """The stored session of a request: as it is now, not as the request once loaded it."""

    @property
    def key(self) -> bytes:
        """What tells sessions apart."""

    async def atomically(self, change: Callable[[dict[str, Any], int], Answer]) -> Answer:
        """What *change* answers on the data, given with the database's time in ms; raises :exc:`LoginEnded`."""

    async def end(self) -> None:
        """End the session."""


class RefreshGrant(Protocol):
    """Who gives new tokens for old ones."""

    async def refresh(self, client: ClientCredentials, refresh_token: str) -> Tokens:
        """The new tokens; raises :exc:`~bodhi.auth.provider.errors.ProviderError`."""


class RoleNotes(Protocol):
    """Who remembers what refreshed tokens say of a person's role."""

    async def last_change(self) -> int | None:
        """What :meth:`note_refresh` compares with; read before the provider is asked."""

    async def note_refresh(self, data: Mapping[str, Any], since: int | None) -> None:
        """Remember the role in a session's data, unless it was changed since then."""

    def check_role(self, user_id: str) -> None:
        """The provider ended a session of the user: find out soon whether they still have their role."""


@dataclass(frozen=True, slots=True)
class _Claimed:
    lease: str
    refresh_token: str


class Refresher:
    """Refreshes the tokens of sessions."""

    def __init__(
        self,
        provider: RefreshGrant,
        *,
        lease_seconds: float = 30.0,
        wait_seconds: float = 10.0,
        clock: Callable[[], float] = time.time,
        notes: "RoleNotes | None" = None,
    ) -> None:
        """*lease_seconds* is longer than the provider may take; *wait_seconds* is what a request waits at most.

        *notes* is told the data of each session that was refreshed.
        """
        self._provider = provider
        self._lease_ms = round(lease_seconds * 1000)
        self._wait_seconds = wait_seconds
        self._clock = clock
        self._notes = notes
        # A request that is cancelled must not lose tokens that the provider has given already.
        self._flights: SingleFlight[None] = SingleFlight()
        self.grants = 0
        self.failures: dict[str, int] = {}  # by what went wrong

    async def refresh(self, session: StoredLogin, instance: Instance) -> None:
        """Returns when the session's stored access token is valid.

        ``auth_error-refresh_token_not_found`` where the login has ended for good, ``auth_error-idp_unavailable`` where
        trying later may help: the session is as it was then.
        """
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._flights(session.key, lambda: self._run(session, instance))
        except TimeoutError:
            raise Refusal("auth_error-idp_unavailable") from None

    async def close(self) -> None:
        """Wait until what has been begun is stored."""
        await self._flights.finish(self._wait_seconds)

    async def _run(self, session: StoredLogin, instance: Instance) -> None:
        try:
            claimed = await self._claim(session)
            if claimed is not None:
                await self._renew(session, instance, claimed)
        except LoginEnded:
            raise Refusal("auth_error-refresh_token_not_found") from None

    async def _claim(self, session: StoredLogin) -> _Claimed | None:
        """The lease, waited for; None when somebody else has refreshed meanwhile."""
        lease = secrets.token_hex(8)
        deadline = time.monotonic() + self._wait_seconds
        for attempt in itertools.count():
            claimed = await session.atomically(lambda data, now_ms: self._try_to_claim(data, now_ms, lease))
            if claimed is not _BUSY:
                break
            if time.monotonic() > deadline:
                raise Refusal("auth_error-idp_unavailable")
            await asyncio.sleep(POLL_SECONDS[min(attempt, len(POLL_SECONDS) - 1)])
        if claimed is _ENDED:
            await session.end()
            raise LoginEnded
        return claimed if isinstance(claimed, _Claimed) else None

    def _try_to_claim(self, data: dict[str, Any], now_ms: int, lease: str) -> "_Claimed | str | None":
        if not isinstance(data.get(ACCESS_TOKEN), str):
            raise LoginEnded
        if self._clock() < claims_in(data).expires_at:
            return None
        refresh_token = data.get(REFRESH_TOKEN)
        if not isinstance(refresh_token, str):
            return _ENDED
        if (held := data.get(LEASE)) and now_ms < held["until"]:
            return _BUSY
        data[LEASE] = {"id": lease, "until": now_ms + self._lease_ms}
        return _Claimed(lease, refresh_token)

    async def _renew(self, session: StoredLogin, instance: Instance, claimed: _Claimed) -> None:
        since = None if self._notes is None else await self._notes.last_change()
        try:
            self.grants += 1
            tokens = await self._provider.refresh(instance.credentials, claimed.refresh_token)
        except ProviderRefused as error:
            if error.error == "invalid_grant":
                self._failed("invalid_grant")
                await self._end(session, claimed)
                return
            self._failed("refused")
            log.error("the provider refuses to refresh tokens for this server: %s", error)
            await self._give_back(session, claimed)
            raise Refusal("auth_error-idp_unavailable") from error
        except ProviderError as error:
            self._failed("unavailable")
            log.warning("tokens could not be refreshed, and the session stays as it is: %s", error)
            await self._give_back(session, claimed)
            raise Refusal("auth_error-idp_unavailable") from error
        stored = await self._store(session, claimed, tokens)
        if stored is not None and self._notes is not None:
            await self._notes.note_refresh(stored, since)

    def _failed(self, what: str) -> None:
        self.failures[what] = self.failures.get(what, 0) + 1

    async def _end(self, session: StoredLogin, claimed: _Claimed) -> None:
        """The refresh token is dead; so is the session, unless another holder has put a newer one there."""
        is_newest, user_id = await session.atomically(
            lambda data, _: (data.get(REFRESH_TOKEN) == claimed.refresh_token, data.get(USER_ID))
        )
        if is_newest:
            log.info("a login ended: the provider does not take its refresh token any more")
            await session.end()
            if self._notes is not None and isinstance(user_id, str):
                self._notes.check_role(user_id)
            raise LoginEnded

    async def _give_back(self, session: StoredLogin, claimed: _Claimed) -> None:
        await session.atomically(lambda data, _: _release(data, claimed))

    async def _store(self, session: StoredLogin, claimed: _Claimed, tokens: Tokens) -> dict[str, Any] | None:
        """The session's data with the new tokens, or None where somebody else has stored newer ones."""
        now = self._clock()

        def store(data: dict[str, Any], _: int) -> dict[str, Any] | None:
            _release(data, claimed)
            if data.get(REFRESH_TOKEN) != claimed.refresh_token:
                return None  # a holder after us has stored newer ones
            if is_of_another_person(data, tokens):
                raise _OtherPerson
            refreshed_data(data, tokens, now)
            return dict(data)

        try:
            return await self._insist(lambda: session.atomically(store))
        except _OtherPerson:
            self._failed("other_person")
            log.error("the provider answered a refresh with the tokens of another person")
            await self._give_back(session, claimed)
            raise Refusal("auth_error-idp_unavailable") from None

    @staticmethod
    async def _insist(step: Callable[[], Awaitable[Answer]]) -> Answer:
        """*step*, tried again while the database does not answer: the provider has spent the old refresh token."""
        for attempt in range(1, STORE_ATTEMPTS):
            try:
                return await step()
            except (LoginEnded, _OtherPerson):
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, giving up loses the login
                log.warning("refreshed tokens could not be stored, attempt %d: %s", attempt, type(error).__name__)
                await asyncio.sleep(POLL_SECONDS[-1] * attempt)
        return await step()


class _OtherPerson(Exception):
    """The new tokens are about somebody else."""


def _release(data: dict[str, Any], claimed: _Claimed) -> None:
    if (held := data.get(LEASE)) and held["id"] == claimed.lease:
        del data[LEASE]


_BUSY, _ENDED = "busy", "ended"
