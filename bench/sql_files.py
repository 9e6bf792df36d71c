"""Named SQL statements as the project's ``sql/`` folder has them, for candidates that run them without bodhi."""

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
    """The text of a statement, and its parameters by name: ``$1`` is the first of them."""

    sql: str
    parameters: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of what a row of it holds, where those are plain columns or have a name by AS."""
        match = _RETURNED.search(self.sql) or _SELECTED.match(self.sql)
        if match is None:
            raise ValueError(f"this statement gives no rows: {self.sql}")
        return tuple(column.split()[-1] for column in match[1].split(","))


@cache
def statements_of(dialect: str) -> dict[str, Statement]:
    """Every statement of *dialect* (``postgres`` or ``sqlite``) by name."""
    return {
        match["name"]: Statement(
            _COMMENT.sub("", match["sql"]).strip().removesuffix(";"),
            tuple(name.strip() for name in match["parameters"].split(",") if name.strip()),
        )
        for file in sorted((SQL / dialect).glob("*.sql"))
        for match in _STATEMENT.finditer(file.read_text())
    }
