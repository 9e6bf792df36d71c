"""The calls of an :class:`~bodhi.database.Executor`, by the names of statements."""

from abc import ABC, abstractmethod
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, ClassVar

from bodhi.database.protocol import Row
from bodhi.database.statements import Statement
from bodhi.telemetry import trace_statement


class StatementExecutor(ABC):
    """Finds statements by name, and lets no method run one whose header declares another result."""

    system: ClassVar[str]  # the database, as spans name it
    _statements: Mapping[str, Statement]

    def maybe(self, name: str, /, **values: object) -> Coroutine[Any, Any, Row | None]:
        """Return the only row of the answer, or None."""
        return self._start(self._statements[name], "maybe", values)

    def many(self, name: str, /, **values: object) -> Coroutine[Any, Any, Sequence[Row]]:
        """Return all rows of the answer."""
        return self._start(self._statements[name], "many", values)

    def count(self, name: str, /, **values: object) -> Coroutine[Any, Any, int]:
        """Return how many rows the statement touched."""
        return self._start(self._statements[name], "count", values)

    def each(self, name: str, values: Sequence[Mapping[str, object]], /) -> Coroutine[Any, Any, Sequence[Row]]:
        """Run the statement once for each of *values*, all or nothing, and return the rows of all runs."""
        statement = self._statements[name]
        return trace_statement(
            self.system, name, self._run_each(statement, [statement.arguments(one) for one in values])
        )

    # Any, since the result word of the header says what is answered.

    def _start(self, statement: Statement, result: str, values: Mapping[str, object]) -> Coroutine[Any, Any, Any]:
        if statement.result != result:
            raise TypeError(f"{statement.name} answers {statement.result}, not {result}")
        return trace_statement(self.system, statement.name, self._run(statement, statement.arguments(values)))

    @abstractmethod
    def _run(self, statement: Statement, arguments: Sequence[object]) -> Coroutine[Any, Any, Any]:
        """Run *statement*, and return what its header declares."""

    @abstractmethod
    def _run_each(
        self, statement: Statement, arguments: Sequence[Sequence[object]]
    ) -> Coroutine[Any, Any, Sequence[Row]]:
        """Run *statement* once for each of *arguments*."""
