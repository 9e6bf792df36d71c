"""What the layers above may ask of a database, whichever it is."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, Self

from bodhi.database.counters import DatabaseCounters


class Row(Protocol):
    """One row of an answer: columns by name or by position."""

    def __getitem__(self, column: Any, /) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...


class Executor(Protocol):
    """A database, or one transaction on it: runs the named statements of ``sql/``.

    *name* is a statement's name, *values* its parameters by name. Every call raises
    :exc:`~bodhi.database.errors.DatabaseUnavailable` when no answer comes within the time limit, and
    :exc:`~bodhi.database.errors.Conflict` when a unique value is taken.
    """

    async def maybe(self, name: str, /, **values: object) -> Row | None:
        """The only row of the answer, or None."""

    async def many(self, name: str, /, **values: object) -> Sequence[Row]:
        """All rows of the answer."""

    async def count(self, name: str, /, **values: object) -> int:
        """How many rows the statement touched."""

    async def each(self, name: str, values: Sequence[Mapping[str, object]], /) -> Sequence[Row]:
        """The statement run once for each of *values*, in order, all or nothing, in one trip.

        The rows of all runs come back as one list; a run that answers no row leaves no gap.
        """

    async def fill(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]], /) -> None:
        """Insert many *rows* at once, the fastest way that the database has, all or nothing.

        *table* and *columns* are names in the program, never anybody's input.
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
        """The database's URL with the password masked: fit for logs."""

    @property
    def counters(self) -> DatabaseCounters:
        """What its connections went through."""

    @property
    def limit_seconds(self) -> float:
        """The longest that any call waits."""

    def transaction(self, *, limit_seconds: float | None = None) -> AbstractAsyncContextManager[Executor]:
        """Statements that happen together or not at all; as a whole within the time limit, or the one given."""

    def turn(self, *keys: Hashable) -> AbstractAsyncContextManager[float]:
        """A block that callers of the same key run one after the other, in this process and in the order of arrival.

        It is for what would wait for a lock in the database: callers wait before they take a connection, so that those
        of other keys find one. Gives the seconds that are left of the time limit. Several keys are taken in order.
        """

    async def listen(self, channel: str, heard: Callable[[str | None], None], /) -> None:
        """Call *heard* with the payload of each notification on *channel*, until cancelled.

        None stands for anything: notifications may have been missed, or the database only tells that it changed.
        """

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...
