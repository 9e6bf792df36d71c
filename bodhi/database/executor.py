"""The calls of an :class:`~bodhi.database.Executor`, by the names of statements."""

from abc import ABC, abstractmethod
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar

from bodhi.database.protocol import Executor, Row
from bodhi.database.statements import Statement
from bodhi.telemetry import trace_statement


class StatementExecutor(ABC):
    """Runs statements by name; a method refuses a statement whose header declares another result."""

    system: ClassVar[str]  # the database, as spans name it
    _statements: Mapping[str, Statement]

    def maybe(self, name: str, /, **values: object) -> Coroutine[Any, Any, Row | None]:
        """Return the only row of the answer, or None."""
        statement = self._statements[name]
        return trace_statement(self.system, name, self._run(statement, statement.arguments(values, "maybe")))

    def many(self, name: str, /, **values: object) -> Coroutine[Any, Any, Sequence[Row]]:
        """Return all rows of the answer."""
        statement = self._statements[name]
        return trace_statement(self.system, name, self._run(statement, statement.arguments(values, "many")))

    def count(self, name: str, /, **values: object) -> Coroutine[Any, Any, int]:
        """Return how many rows the statement touched."""
        statement = self._statements[name]
        return trace_statement(self.system, name, self._run(statement, statement.arguments(values, "count")))

    def each(self, name: str, values: Sequence[Mapping[str, object]], /) -> Coroutine[Any, Any, Sequence[Row]]:
        """Run the statement once for each of *values*, all or nothing, and return the rows of all runs."""
        statement = self._statements[name]
        arguments = [statement.arguments(one) for one in values]
        return trace_statement(self.system, name, self._run(statement, arguments, is_batch=True))

    # Any, since the result word of the header says what is answered.
    @abstractmethod
    async def _run(self, statement: Statement, arguments: Sequence[Any], *, is_batch: bool = False) -> Any:
        """Run *statement*, and return what its header declares.

        With *is_batch* run it once for each of *arguments*, and return the rows of all runs.
        """


class DatabaseExecutor(StatementExecutor):
    """A database; work of several statements runs in a transaction."""

    @abstractmethod
    def transaction(self, *, limit_seconds: float | None = None) -> AbstractAsyncContextManager[Executor]:
        """Return a transaction, whose statements take effect together or not at all."""

    async def fill(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]], /) -> None:
        """Insert many rows in one transaction."""
        async with self.transaction() as transaction:
            await transaction.fill(table, columns, rows)

    async def script(self, sql: str, /) -> None:
        """Run several statements in one transaction."""
        async with self.transaction() as transaction:
            await transaction.script(sql)
