"""Cache of the results of token verifications, with a time to live."""

import hashlib
import time
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from bodhi.single_flight import SingleFlight

Value = TypeVar("Value")
Make = Callable[[], Coroutine[Any, Any, tuple[Value, float]]]


class TtlCache(Generic[Value]):
    """Values by token, at most *max_entries*, each for at most *seconds*.

    The key is the full SHA-256 of the token: a shortened one could collide with another token's. The oldest entry is
    evicted when the cache is full. Empty and blank tokens are not cached.
    """

    def __init__(self, *, seconds: float, max_entries: int = 10_000, clock: Callable[[], float] = time.time) -> None:
        """Create an empty cache; *clock* returns seconds since 1970."""
        self._seconds = seconds
        self._max_entries = max_entries
        self._clock = clock
        self._entries: dict[bytes, tuple[Value, float]] = {}  # oldest first
        self._making: SingleFlight[Value] = SingleFlight()
        self.hits = self.misses = 0
        self._invalidations = 0  # a value whose creation began before the last one is not stored

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, token: str) -> Value | None:
        """Return the cached value for *token*, or None."""
        entry = self._entries.get(_digest_of(token))
        if entry is None or self._clock() >= entry[1]:
            return None
        self.hits += 1
        return entry[0]

    async def get_or_create(self, token: str, make: Make[Value]) -> Value:
        """Return the cached value for *token*, or call *make* for the value and its expiry (seconds since 1970).

        Concurrent misses of a token share one call. Its errors are raised to all callers and not cached.
        """
        if (value := self.get(token)) is not None:
            return value
        self.misses += 1
        digest = _digest_of(token)
        if not token or token.isspace():
            return (await make())[0]
        return await self._making(digest, lambda: self._create(digest, make))

    async def _create(self, digest: bytes, make: Make[Value]) -> Value:
        invalidations = self._invalidations
        self._entries.pop(digest, None)
        value, expires_at = await make()
        if invalidations == self._invalidations:
            self._store(digest, value, expires_at)
        return value

    def _store(self, digest: bytes, value: Value, expires_at: float) -> None:
        now = self._clock()
        expires_at = min(expires_at, now + self._seconds)
        if expires_at <= now or self._max_entries < 1:
            return
        while len(self._entries) >= self._max_entries:
            del self._entries[next(iter(self._entries))]
        self._entries[digest] = (value, expires_at)

    def invalidate(self, predicate: Callable[[Value], bool] = lambda _: True) -> int:
        """Drop the entries whose value matches *predicate* and return their number; pending values are not stored."""
        dropped = [digest for digest, (value, _) in self._entries.items() if predicate(value)]
        for digest in dropped:
            del self._entries[digest]
        # Pending calls may return outdated values: later callers must not share them.
        self._invalidations += 1
        self._making.part()
        return len(dropped)


def _digest_of(token: str) -> bytes:
    # Invalid UTF-8 in a header is decoded to lone surrogates, which need a digest, too.
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
