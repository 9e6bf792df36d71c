"""Circuit breaker: while a server hangs, callers fail immediately instead of after a timeout each."""

import math
import time
from collections.abc import Callable, Hashable

THRESHOLD = 3  # consecutive hanging calls, each for another key, until the breaker opens for all keys
PAUSE_SECONDS = 5.0


class CircuitBreaker:
    """Opens for a key while its call hangs and for a pause afterwards; opens for all keys after several in a row.

    While it is open for all keys, it lets one trial call through after each pause.
    """

    def __init__(
        self,
        *,
        threshold: int = THRESHOLD,
        pause_seconds: float = PAUSE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._threshold = threshold
        self._pause_seconds = pause_seconds
        self._clock = clock
        self._open_until: dict[Hashable, float] = {}
        self._hanging = 0  # calls in a row
        self._all_open_until = 0.0

    def allows(self, key: Hashable) -> bool:
        """Whether a call for *key* is allowed now."""
        now = self._clock()
        if now < self._open_until.get(key, now):
            return False
        if self._hanging >= self._threshold:
            if now < self._all_open_until:
                return False
            self._all_open_until = now + self._pause_seconds
        return True

    def note_hanging(self, key: Hashable) -> None:
        """Record that the call for *key* hangs; :meth:`pause` or :meth:`note_answered` follows."""
        if self._open_until.get(key) == math.inf:
            return  # reported by another caller waiting for the same call
        self._open_until[key] = math.inf
        self._hanging += 1
        self._all_open_until = self._clock() + self._pause_seconds

    def pause(self, key: Hashable) -> None:
        """Block calls for *key* for a pause."""
        now = self._clock()
        self._open_until = {other: until for other, until in self._open_until.items() if now < until}
        self._open_until[key] = now + self._pause_seconds

    def note_answered(self, key: Hashable) -> None:
        """Record that the server answered the call for *key*, successfully or not."""
        self._open_until.pop(key, None)
        self._hanging = 0
