"""A clock that tests advance."""


class Clock:
    """Returns milliseconds since 1970, constant until advanced."""

    def __init__(self) -> None:
        self.now_ms = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now_ms

    def advance(self, milliseconds: int) -> None:
        """Advance the clock by *milliseconds*."""
        self.now_ms += milliseconds
