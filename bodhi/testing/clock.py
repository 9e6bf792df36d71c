"""A clock that tests advance."""

from datetime import timedelta

_MILLISECOND = timedelta(milliseconds=1)


class Clock:
    """Returns milliseconds since 1970, constant until advanced."""

    def __init__(self) -> None:
        self.now_ms = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now_ms

    def advance(self, milliseconds: float = 0, **units: float) -> None:
        """Advance the clock by *milliseconds*, and by units of a :class:`~datetime.timedelta` such as ``hours=1``."""
        self.now_ms += timedelta(milliseconds=milliseconds, **units) // _MILLISECOND
