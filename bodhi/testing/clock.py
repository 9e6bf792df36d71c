"""A clock that tests move."""


class Clock:
    """The time in milliseconds since 1970; it stands still until it is moved."""

    def __init__(self) -> None:
        self.now_ms = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now_ms

    def advance(self, milliseconds: int) -> None:
        """Let *milliseconds* pass."""
        self.now_ms += milliseconds
