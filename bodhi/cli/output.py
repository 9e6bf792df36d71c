"""Output of commands: tables for people, JSON for programs."""

import json
from collections.abc import Iterable, Sequence

import click


def print_json(value: object) -> None:
    """*value* as indented JSON on stdout."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(head: Sequence[str], rows: Iterable[Sequence[str | None]]) -> None:
    """Columns as wide as their widest cell, ``-`` for None; nothing is cut off, so that it can be searched."""
    cells = [list(head), *([cell if cell is not None else "-" for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo(line.rstrip())
