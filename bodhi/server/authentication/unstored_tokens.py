"""New tokens that are not stored yet: the only copy, since the provider has invalidated the old ones."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bodhi.errors import root_cause
from bodhi.oidc.responses import Tokens
from bodhi.server.authentication.login_data import REFRESH_TOKEN, is_for_another_user, refreshed_data
from bodhi.server.authentication.stored_login import SessionRow

MAX_KEPT = 4096  # sessions, each with tokens of a few kilobytes
RETRY_SECONDS = 0.5
KEEP_SECONDS = 1800.0  # longer than the usual idle timeout of refresh tokens

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Renewal:
    """New tokens from the provider, which replace *spent_token*."""

    session: SessionRow
    lease: str
    spent_token: str = field(repr=False)
    tokens: Tokens
    received_at: float  # seconds since 1970
    since: int | None = None  # the last authority change before the request

    def applied_to(self, data: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return *data* with the new tokens, or None if they do not belong to it."""
        if data.get(REFRESH_TOKEN) != self.spent_token or is_for_another_user(data, self.tokens):
            return None
        renewed = dict(data)
        refreshed_data(renewed, self.tokens, self.received_at)
        return renewed


class UnstoredTokens:
    """Keeps renewals in memory, by session, and stores them in the background once the database is available."""

    def __init__(
        self,
        store: Callable[[Renewal], Awaitable[None]],
        *,
        name_of: Callable[[bytes], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create it empty; *store* stores a renewal and then discards it here, *name_of* names a session in the log."""
        self._store = store
        self._name_of = name_of
        self._clock = clock
        self._kept: dict[bytes, tuple[Renewal, float]] = {}  # with the deadline; oldest attempt first
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def is_full(self) -> bool:
        """Whether the maximum number of sessions is reached."""
        return len(self._kept) >= MAX_KEPT

    def get(self, key: bytes) -> Renewal | None:
        """Return the session's renewal that is not stored yet, or None."""
        kept = self._kept.get(key)
        return None if kept is None else kept[0]

    def keep(self, renewal: Renewal) -> None:
        """Keep *renewal* until it is stored."""
        key = renewal.session.key
        self._kept[key] = renewal, self._clock() + KEEP_SECONDS
        log.warning("new tokens kept in memory until they can be stored session=%s", self._name_of(key))
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._store_all())

    def discard(self, key: bytes) -> None:
        """Drop the session's renewal: it is stored, or the session has ended."""
        if self._kept.pop(key, None) is not None:
            log.info("new tokens no longer in memory session=%s", self._name_of(key))

    async def finish(self, limit_seconds: float) -> None:
        """Wait until everything is stored, at most *limit_seconds*; log the sessions whose tokens are lost."""
        if self._task is None:
            return
        await asyncio.wait({self._task}, timeout=limit_seconds)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._kept:
            log.error("new tokens lost, they could not be stored sessions=%s", self._names())
            self._kept.clear()

    async def _store_all(self) -> None:
        while self._kept:
            await asyncio.sleep(RETRY_SECONDS)
            for key, (renewal, until) in list(self._kept.items()):
                try:
                    await self._store(renewal)
                except Exception as error:  # noqa: BLE001 - giving up after any error would lose the login
                    # In an outage the others would fail, too. Try another session first next time.
                    self._put_last(key, renewal, until, error)
                    break

    def _put_last(self, key: bytes, renewal: Renewal, until: float, error: Exception) -> None:
        if self._kept.pop(key, None) is None:  # the tokens are stored, a later step failed
            log.warning("role of new tokens not stored session=%s: %s", self._name_of(key), root_cause(error))
            return
        if self._clock() < until:
            self._kept[key] = renewal, until
        else:
            name = self._name_of(key)
            log.error("new tokens lost, they could not be stored session=%s: %s", name, root_cause(error))

    def _names(self) -> str:
        return ", ".join(sorted(map(self._name_of, self._kept)))
