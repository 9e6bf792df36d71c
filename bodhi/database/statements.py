"""Read and check the hand-written SQL of one dialect, in ``sql/``.

A statement's header is its signature::

    -- name: load_session(digest, now) -> maybe, read only

``$1`` to ``$n`` in its body are those parameters, in that order. The result word is the method of an
:class:`~bodhi.database.Executor` that runs it: ``maybe`` a row, ``many`` rows, or the ``count`` of touched rows.
What is read only may run on a reader's connection.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from operator import itemgetter
from pathlib import Path

from bodhi.errors import BodhiError

RESULTS = frozenset({"maybe", "many", "count"})

_HEADER = re.compile(
    r"^-- name: (?P<name>[a-z_0-9]+)\((?P<params>[a-z_0-9, ]*)\) -> (?P<result>\w+)(?P<read_only>, read only)?$"
)
_PLACEHOLDER = re.compile(r"\$(\d+)")
_QUOTED_BODY = re.compile(r"\$\$.*?\$\$", re.DOTALL)
_COMMENT = re.compile(r"--[^\n]*")


class BadStatement(BodhiError):
    """A file of named SQL statements cannot be read."""


@dataclass(frozen=True)
class Statement:
    """One named statement."""

    name: str
    params: tuple[str, ...]
    result: str
    sql: str
    is_read_only: bool = False

    @cached_property
    def _pick(self) -> Callable[[Mapping[str, object]], tuple[object, ...]]:
        if len(self.params) > 1:
            return itemgetter(*self.params)  # of a single name it would give no tuple
        return lambda values: tuple(values[param] for param in self.params)

    def arguments(self, values: Mapping[str, object], result: str | None = None) -> tuple[object, ...]:
        """Return *values* in the order of the placeholders.

        Raises TypeError when they are not exactly the parameters, or *result* is given and not what is answered.
        """
        if result is not None and result != self.result:
            raise TypeError(f"{self.name} answers {self.result}, not {result}")
        try:
            arguments = self._pick(values)
        except KeyError as error:
            raise self._mismatch(values) from error
        if len(arguments) != len(values):
            raise self._mismatch(values)
        return arguments

    def _mismatch(self, values: Mapping[str, object]) -> TypeError:
        return TypeError(f"{self.name} takes ({', '.join(self.params)}), not ({', '.join(values)})")


def sql_folder(dialect: str) -> Traversable:
    """The folder with the SQL of *dialect*: in the installed package, or in the checkout beside it.

    In a checkout that is not installed ``bodhi.sql`` does not exist, since only setup.cfg maps it.
    """
    checkout = Path(__file__).resolve().parents[2] / "sql" / dialect
    if checkout.is_dir():
        return checkout
    return resources.files("bodhi.sql") / dialect


@cache
def load_statements(dialect: str) -> Mapping[str, Statement]:
    """Every statement of *dialect* by name."""
    statements: dict[str, Statement] = {}
    for file in sorted(sql_folder(dialect).iterdir(), key=lambda file: file.name):
        if not file.name.endswith(".sql"):
            continue
        for statement in parse(file.read_text(encoding="utf-8"), source=f"{dialect}/{file.name}"):
            if statement.name in statements:
                raise BadStatement(f"sql/{dialect}/{file.name}: {statement.name} is there twice")
            statements[statement.name] = statement
    return statements


def parse(text: str, *, source: str) -> Iterator[Statement]:
    """The statements in *text*; raises :exc:`BadStatement` naming *source* and the statement."""
    header: re.Match[str] | None = None
    body: list[str] = []
    for line in text.splitlines():
        if not line.startswith("-- name:"):
            body.append(line)
            continue
        if header is not None:
            yield _statement(header, body, source)
        elif _COMMENT.sub("", "\n".join(body)).strip():
            raise BadStatement(f"sql/{source}: SQL before the first header")
        header, body = _HEADER.match(line), []
        if header is None or header["result"] not in RESULTS:
            raise BadStatement(f"sql/{source}: unreadable header: {line}")
    if header is None:
        raise BadStatement(f"sql/{source}: no statement in it")
    yield _statement(header, body, source)


def _statement(header: re.Match[str], body: list[str], source: str) -> Statement:
    params = tuple(param.strip() for param in header["params"].split(",") if param.strip())
    sql = _COMMENT.sub("", "\n".join(body)).strip().rstrip(";")
    used = {int(number) for number in _PLACEHOLDER.findall(sql)}
    if used != set(range(1, len(params) + 1)):
        raise BadStatement(f"sql/{source}: {header['name']} takes {len(params)} parameters but uses {sorted(used)}")
    if len(set(params)) != len(params):
        raise BadStatement(f"sql/{source}: {header['name']} names a parameter twice")
    if not sql or ";" in _QUOTED_BODY.sub("", sql):
        raise BadStatement(f"sql/{source}: {header['name']} is not one statement")
    return Statement(header["name"], params, header["result"], sql, is_read_only=bool(header["read_only"]))
