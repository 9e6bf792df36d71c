"""What was found out about tokens, remembered for a moment."""

import hashlib
import time
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from bodhi.single_flight import SingleFlight

Value = TypeVar("Value")
Make = Callable[[], Coroutine[Any, Any, tuple[Value, float]]]


class TtlCache(Generic[Value]):
    """Values by token, at most *max_entries* of them, each for at most *seconds*.

    Entries are kept under the full SHA-256 of the token: a part of it would let one token find another's entry. The
    oldest goes when there is one too many. An empty or blank token has no entry.
    """

    def __init__(self, *, seconds: float, max_entries: int = 10_000, clock: Callable[[], float] = time.time) -> None:
        """*clock* gives seconds since 1970."""
        self._seconds = seconds
        self._max_entries = max_entries
        self._clock = clock
        self._entries: dict[bytes, tuple[Value, float]] = {}  # oldest first
        self._making: SingleFlight[Value] = SingleFlight()
        self.hits = self.misses = 0
        self._forgotten = 0  # how often something was: what was begun before then is not remembered

    def __len__(self) -> int:
        return len(self._entries)

    async def get_or_create(self, token: str, make: Make[Value]) -> Value:
        """The value for *token*, or else what *make* gives: a value and the second since 1970 when it expires.

        Several who miss the same token wait for one *make*. Its errors go to all of them, and are not remembered.
        """
        digest = _digest_of(token)
        entry = self._entries.get(digest)
        if entry is not None and self._clock() < entry[1]:
            self.hits += 1
            return entry[0]
        self.misses += 1
        if not token or token.isspace():
            return (await make())[0]
        return await self._making(digest, lambda: self._made(digest, make))

    async def _made(self, digest: bytes, make: Make[Value]) -> Value:
        forgotten = self._forgotten
        self._entries.pop(digest, None)
        value, expires_at = await make()
        if forgotten == self._forgotten:
            self._keep(digest, value, expires_at)
        return value

    def _keep(self, digest: bytes, value: Value, expires_at: float) -> None:
        now = self._clock()
        expires_at = min(expires_at, now + self._seconds)
        if expires_at <= now or self._max_entries < 1:
            return
        while len(self._entries) >= self._max_entries:
            del self._entries[next(iter(self._entries))]
        self._entries[digest] = (value, expires_at)

    def invalidate(self, predicate: Callable[[Value], bool] = lambda _: True) -> int:
        """Drop the entries whose value *predicate* is true for; how many. What is being made now is not kept either."""
        gone = [digest for digest, (value, _) in self._entries.items() if predicate(value)]
        for digest in gone:
            del self._entries[digest]
        # What is under way may rest on what was true before, so nobody is given it who asks from now on.
        self._forgotten += 1
        self._making.part()
        return len(gone)


def _digest_of(token: str) -> bytes:
    # A byte that is no UTF-8 reaches a header as a lone surrogate; it has to have a digest, too.
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
