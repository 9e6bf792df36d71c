"""The interface of a database, common to SQLite and PostgreSQL."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, Self


@dataclass(slots=True)
class DatabaseCounters:
    """Counts since the object was created; ``in_use`` and ``waiting`` are current values."""

    in_use: int = 0  # PostgreSQL: connections lent; SQLite: 1 while something writes
    waiting: int = 0
    waits: int = 0  # for a free connection, or for the one writer
    wait_seconds: float = 0.0
    errors: dict[str, int] = field(default_factory=dict)  # statements that failed, by the name of the error's class

    def failed(self, error: Exception) -> None:
        """Count a statement that failed with *error*."""
        name = type(error).__name__.lstrip("_")
        self.errors[name] = self.errors.get(name, 0) + 1


class Row(Protocol):
    """One row of an answer: columns by name or by position."""

    def __getitem__(self, column: Any, /) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...


class Executor(Protocol):
    """A database, or one transaction on it: runs the named statements of ``sql/``.

    *name* is a statement's name, *values* its parameters by name. The method is the one that the statement's header
    declares; another one raises a TypeError. Every call raises
    :exc:`~bodhi.database.errors.DatabaseUnavailable` when no answer comes within the time limit, and
    :exc:`~bodhi.database.errors.Conflict` when a unique value is taken.
    """

    async def maybe(self, name: str, /, **values: object) -> Row | None:
        """Return the only row of the answer, or None."""

    async def many(self, name: str, /, **values: object) -> Sequence[Row]:
        """Return all rows of the answer."""

    async def count(self, name: str, /, **values: object) -> int:
        """Return how many rows the statement touched."""

    async def each(self, name: str, values: Sequence[Mapping[str, object]], /) -> Sequence[Row]:
        """Run the statement once for each of *values*, in order, all or nothing, in one round trip.

        Returns the rows of all runs as one list; a run without a row leaves no gap.
        """

    async def fill(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]], /) -> None:
        """Insert many *rows* at once, the fastest way that the database has, all or nothing.

        *table* and *columns* are names in the program, never user input.
        """

    async def script(self, sql: str, /) -> None:
        """Run several statements without parameters: a migration."""


class Database(Executor, Protocol):
    """A pool of connections to one database; entering it connects, leaving it closes."""

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgres``: the name of the folder in ``sql/``."""

    @property
    def address(self) -> str:
        """The database's URL with the password masked, for logs."""

    @property
    def counters(self) -> DatabaseCounters:
        """Counts of waits and failures."""

    @property
    def limit_seconds(self) -> float:
        """The time limit of every call."""

    def transaction(self, *, limit_seconds: float | None = None) -> AbstractAsyncContextManager[Executor]:
        """Return a transaction; the time limit, or *limit_seconds*, covers all of it."""

    def turn(self, *keys: Hashable) -> AbstractAsyncContextManager[float]:
        """Return a block that callers with the same key enter one at a time, in this process, in the order of arrival.

        Use it around statements that wait for each other's locks: callers then wait without a connection,
        which stays free for other keys. Yields the remaining seconds of the time limit. Keys are locked in order.
        """

    async def listen(self, channel: str, notify: Callable[[str | None], None], /) -> None:
        """Call *notify* with the payload of each notification on *channel*, until cancelled.

        The payload None stands for any: notifications may have been missed, or the database only counts changes.
        """

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...
