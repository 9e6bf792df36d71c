"""What the connections to one database went through, counted."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class DatabaseCounters:
    """Counts since the database was made. ``in_use`` and ``waiting`` are how it stands now."""

    in_use: int = 0  # PostgreSQL: connections lent; SQLite: 1 while something writes
    waiting: int = 0
    waits: int = 0  # for a free connection, or for the one writer
    wait_seconds: float = 0.0
    errors: dict[str, int] = field(default_factory=dict)  # statements that failed, by the name of the error's class

    def failed(self, error: Exception) -> None:
        """Count a statement that failed with *error*."""
        name = type(error).__name__.lstrip("_")
        self.errors[name] = self.errors.get(name, 0) + 1
