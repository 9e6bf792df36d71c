"""Tables and paragraphs in terminals of any width."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bodhi.cli import tables
from bodhi.cli.tables import display_width, print_paragraph, print_table, table_lines

HEAD = ("USER", "NAME", "SESSIONS", "CHANGED (UTC)")
UUID = "95d7f57f-2a41-59a0-a758-05f2850d3453"
NAMES = {
    "plain": "Ann Bee",
    "long": "Wolfeschlegelsteinhausenbergerdorff of the Family of that Name, Junior",
    "wide": "山田太郎 と 鈴木一郎",
    "combining": "Zoe\u0308 a\u0301\u0302\u0303 Ann",
    "decomposed": "\u1112\u1161\u11ab\u1100\u1173\u11af",
    "emoji": "🦊 Fox",
}


def rows_of(user_id):
    """A row for each name."""
    return [(user_id, name, str(number), "2026-01-31 12:00:00") for number, name in enumerate(NAMES.values())]


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("Ann", 3),
        ("山田", 4),
        ("e\u0301", 1),
        ("a\u0301\u0302\u0303", 1),
        ("\u1112\u1161\u11ab", 2),
        ("🦊", 2),
        ("ﾔﾏ", 2),
    ],
)
def test_display_width(text, width):
    """In columns of a terminal, not in characters."""
    assert width == display_width(text)


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("user_id", ["ann", UUID])
def test_table_fits_the_terminal(width, user_id):
    """Nothing is cut off, and no word is broken."""
    lines = list(table_lines(HEAD, rows_of(user_id), width))

    assert max(map(display_width, lines)) <= width
    words = " ".join(lines).split()
    for name in NAMES.values():
        assert not set(name.split()) - set(words)
    assert len(NAMES) == words.count(user_id)


@pytest.mark.parametrize("width", [60, 80, 120, None])
def test_columns_are_aligned(width):
    """By display width: what stands below a head begins where the head does, whatever is before it."""
    head, *lines = table_lines(("NAME", "SESSIONS"), [(name, "7") for name in NAMES.values()], width)
    start = head.index("SESSIONS")

    assert [start] * len(NAMES) == [display_width(line[: line.index("7")]) for line in lines if "7" in line]


def test_wide_table_is_wrapped_between_words():
    """As far as it has to be; other columns keep their width."""
    rows = [("ann", "one two three", "7"), ("bob", "-", "8")]

    assert ["ID   NAME           N", "ann  one two three  7", "bob  -              8"] == list(
        table_lines(("ID", "NAME", "N"), rows, 80)
    )
    assert ["ID   NAME     N", "ann  one two  7", "     three", "bob  -        8"] == list(
        table_lines(("ID", "NAME", "N"), rows, 15)
    )


def test_lists_and_paths_are_wrapped_in_narrow_columns():
    """After commas and slashes."""
    rows = [("X", "login_hint,prompt"), ("Y", "/srv/bodhi/home")]

    assert ["NAME  VALUE", "X     login_hint,", "      prompt", "Y     /srv/bodhi/", "      home"] == list(
        table_lines(("NAME", "VALUE"), rows, 17)
    )


def test_row_that_cannot_be_wrapped_becomes_a_list():
    """Its words stay whole, so that an id can be copied from a terminal that is narrower than the id."""
    rows = [(UUID, "Wolfgang"), ("bob", "Bob")]

    assert [f"USER  {UUID}", "NAME  Wolfgang", "", "USER  bob", "NAME  Bob"] == list(
        table_lines(("USER", "NAME"), rows, 42)
    )
    assert ["USER", f"  {UUID}", "NAME  Wolfgang", "", "USER  bob", "NAME  Bob"] == list(
        table_lines(("USER", "NAME"), rows, 40)
    )
    assert ["USER", f"  {UUID}"] == list(table_lines(("USER", "NAME"), rows, 10))[:2]


CELLS = st.text(st.sampled_from("ab 山\u0301,/-"), max_size=30)


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=4), st.integers(1, 60))
def test_nothing_is_lost_at_any_width(rows, width):
    """Every character of the cells is there, and no line is wider than it has to be."""
    lines = list(table_lines(("A", "B"), rows, width))

    shown, given_ = Counter("".join(lines)), Counter("".join(map("".join, rows)))
    assert not [one for one, times in given_.items() if one != " " and shown[one] < times]
    longest = max(display_width(word) for row in rows for cell in row for word in cell.split(" "))
    assert max(map(display_width, lines)) <= max(width, longest + tables.GAP)


def test_empty_table_has_its_head_only():
    """In a terminal, too."""
    assert ["A  B"] == list(table_lines(("A", "B"), [], None)) == list(table_lines(("A", "B"), [], 80))


def test_output_that_is_no_terminal_has_a_line_for_each_row(capsys, monkeypatch):
    """It is searched by other programs, whatever COLUMNS is."""
    monkeypatch.setenv("COLUMNS", "40")
    print_table(HEAD, rows_of(UUID))
    print_paragraph("ok  ", "word " * 100)
    lines = capsys.readouterr().out.splitlines()
    assert len(NAMES) + 2 == len(lines)
    assert [UUID] * len(NAMES) == [line.split()[0] for line in lines[1:-1]]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_paragraph_is_wrapped_below_its_beginning(capsys, monkeypatch, width):
    """Or below all of it, where too little room is left."""
    monkeypatch.setattr(tables, "output_width", lambda: width)
    print_paragraph(f"{'warning':8} {'application database':21} ", "山田 " * 30)

    first, *others = capsys.readouterr().out.splitlines()
    assert max(map(display_width, (first, *others))) <= width
    assert {width == 40} == {not first.endswith("山田")}
    assert {2 if width == 40 else 31} == {len(line) - len(line.lstrip()) for line in others}


@pytest.mark.parametrize("columns", [40, 80, 120])
@pytest.mark.parametrize("arguments", [("config", "list"), ("doctor",)])
def test_commands_fit_their_terminal(tmp_path, columns, arguments):
    """The terminal's own width counts, and nothing is coloured."""
    home = tmp_path / "bodhi"
    environ = {name: value for name, value in os.environ.items() if name != "COLUMNS" and not name.startswith("BODHI_")}
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "bodhi", *arguments],
        cwd=tmp_path,
        env={**environ, "BODHI_HOME": str(home), "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    shown = b"".join(iter(lambda: read_some(ours), b"")).decode()
    os.close(ours)
    process.wait(timeout=300)

    assert "\x1b" not in shown
    lines = shown.replace("\r\n", "\n").splitlines()
    too_wide = [line for line in lines if display_width(line) > columns]
    assert not [line for line in too_wide if len(line.split()) > 1]
    assert tables.GAP < len(lines)


def read_some(terminal):
    """Read what is there; at the end, Linux reports an error."""
    try:
        return os.read(terminal, 65_536)
    except OSError:
        return b""
