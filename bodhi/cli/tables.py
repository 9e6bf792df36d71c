"""Tables and paragraphs that fit the terminal. Words are never broken, so that ids can be copied."""

import re
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

import click

from bodhi.cli.output import plain

GAP = 2  # columns between two cells
WORDS = re.compile(r"[^ ]* *")
PARTS = re.compile(r"[^ ,/]*[ ,/]*")  # of lists and paths in a narrow column, too
Row = Sequence[str]


def print_table(head: Row, rows: Iterable[Sequence[str | None]]) -> None:
    """Print a table, ``-`` for None.

    In a terminal, cells of a table that would be too wide are wrapped; if that does not suffice, each row is a list of
    names and values. Elsewhere each row is a line.
    """
    table = [[plain(cell) if cell is not None else "-" for cell in row] for row in rows]
    for line in table_lines(head, table, output_width()):
        click.echo(line)


def print_paragraph(first: str, text: str) -> None:
    """Print *text* after *first*, with the further lines below its beginning where that leaves room for them."""
    width = output_width()
    for line in [f"{first}{text}"] if width is None else _beside(first, text, width):
        click.echo(line)


def output_width() -> int | None:
    """Return the columns of the terminal, or ``COLUMNS``; None if stdout is none: other programs search whole lines."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def display_width(text: str) -> int:
    """Return how many columns *text* takes: wide characters take two, combining ones none."""
    composed = unicodedata.normalize("NFC", text)  # such as Hangul of several characters
    return sum(
        0 if unicodedata.category(one) in {"Mn", "Me"} else 2 if unicodedata.east_asian_width(one) in "WF" else 1
        for one in composed
    )


def table_lines(head: Row, rows: Sequence[Row], width: int | None) -> Iterator[str]:
    """Yield the lines of a table in *width* columns."""
    columns = list(zip(head, *rows, strict=True))
    widths = [max(map(display_width, column)) for column in columns]
    least = [max(_longest(PARTS, cell) for cell in column) for column in columns]
    if width is not None and _total(least) > width:
        yield from _records(head, rows, width)
        return
    while width is not None and _total(widths) > width:
        widest = max((size, column) for column, size in enumerate(widths) if size > least[column])[1]
        widths[widest] -= 1
    for row in (head, *rows):
        yield from _row_lines(row, widths)


def _row_lines(row: Row, widths: Sequence[int]) -> Iterator[str]:
    cells = [_wrapped(PARTS, cell, width) for cell, width in zip(row, widths, strict=True)]
    for number in range(max(map(len, cells))):
        parts = [lines[number] if number < len(lines) else "" for lines in cells]
        yield (" " * GAP).join(map(_padded, parts, widths)).rstrip()


def _records(head: Row, rows: Sequence[Row], width: int) -> Iterator[str]:
    label_width = max(map(display_width, head)) + GAP
    for number, row in enumerate(rows):
        if number:
            yield ""
        for label, value in zip(head, row, strict=True):
            yield from _beside(_padded(label, label_width), value, width)


def _beside(label: str, text: str, width: int) -> Iterator[str]:
    """Yield *text* to the right of *label*, or below it where that leaves too little room."""
    indent = display_width(label)
    if indent > width / 2 or indent + _longest(WORDS, text) > width:
        yield label.rstrip()
        label, indent = " " * GAP, GAP
    for line in _wrapped(WORDS, text, width - indent):
        yield f"{label}{line}".rstrip()
        label = " " * indent


def _wrapped(parts: re.Pattern[str], text: str, width: int) -> list[str]:
    """Return *text* in lines of at most *width* columns, except for longer *parts*."""
    lines = [""]
    for part in parts.findall(text):
        if lines[-1] and display_width(f"{lines[-1]}{part}".rstrip()) > width:
            lines.append("")
        lines[-1] += part
    return lines


def _longest(parts: re.Pattern[str], text: str) -> int:
    return max(display_width(part.rstrip()) for part in parts.findall(text))


def _padded(text: str, width: int) -> str:
    return text.rstrip() + " " * (width - display_width(text.rstrip()))


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)
