"""Read the named SQL statements in ``sql/``, for candidates that run them without bodhi."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SQL = Path(__file__).parents[1] / "sql"

_STATEMENT = re.compile(
    r"^-- name: (?P<name>\w+)\((?P<parameters>[^)]*)\) -> [^\n]+$(?P<sql>.*?)(?=^-- name:|\Z)", re.MULTILINE | re.DOTALL
)
_SELECTED = re.compile(r"SELECT\s(.*?)\sFROM\s", re.DOTALL)
_RETURNED = re.compile(r"\sRETURNING\s(.*)$", re.DOTALL)
_COMMENT = re.compile(r"--[^\n]*")


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement and the names of its parameters, in the order of ``$1``, ``$2`` etc."""

    sql: str
    parameters: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The column names of its rows; each is a plain column or has an alias."""
        match = _RETURNED.search(self.sql) or _SELECTED.match(self.sql)
        if match is None:
            raise ValueError(f"this statement gives no rows: {self.sql}")
        return tuple(column.split()[-1] for column in match[1].split(","))


@cache
def statements_of(dialect: str) -> dict[str, Statement]:
    """Return all statements of *dialect* (``postgres`` or ``sqlite``) by name."""
    return {
        match["name"]: Statement(
            _COMMENT.sub("", match["sql"]).strip().removesuffix(";"),
            tuple(name.strip() for name in match["parameters"].split(",") if name.strip()),
        )
        for file in sorted((SQL / dialect).glob("*.sql"))
        for match in _STATEMENT.finditer(file.read_text())
    }
