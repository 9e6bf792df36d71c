"""SQLite URLs: the file that one names, and the URL of a file."""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

SQLITE_FORMS = (
    "write sqlite:relative.db, sqlite:/absolute/path, sqlite:///absolute/path, sqlite:~/path or sqlite::memory:"
)
HOME = "~/"


def sqlite_path(url: str) -> str:
    """Return the file named by a ``sqlite:`` URL, or ``:memory:``; a leading ``~/`` is the user's home folder."""
    rest = url.partition(":")[2]
    path = unquote(rest).removeprefix("//")
    return str(Path(path).expanduser()) if rest.startswith(HOME) else path


def sqlite_url(path: Path) -> str:
    """Return the URL of the SQLite database in the file *path*."""
    # Percent escapes are decoded, a ? or # would end the path, and the rest is refused as it is.
    return "sqlite:" + re.sub(r"[%?#$~\x00-\x20\x7f]", lambda match: f"%{ord(match[0]):02X}", str(path))


def check_sqlite_url(url: str) -> None:
    """Raise :exc:`ValueError` with a phrase that says why *url* names no file, and repeats no part of it."""
    rest = url.partition(":")[2]
    if rest == ":memory:":
        return
    for is_wrong, phrase in _FAULTS:
        if is_wrong(rest):
            raise ValueError(f"{phrase}; {SQLITE_FORMS}")


def names_somebody(url: str) -> bool:
    """Whether a ``sqlite:`` URL has a host, or something like ``user:password@`` in place of its first folder."""
    # Decoded, as the name of the file would be shown. A password may hold any character, raw or encoded even twice.
    decoded = unquote(unquote(url))
    return re.match("sqlite:(?://[^/]|/{0,3}[^/?#]*:.*@)", decoded, re.IGNORECASE | re.DOTALL) is not None


def _has(expression: str) -> Callable[[str], bool]:
    return lambda rest: re.search(expression, rest) is not None


def _is_home_unknown(rest: str) -> bool:
    try:
        return rest.startswith(HOME) and not Path.home().is_absolute()
    except RuntimeError:
        return True


# Each on what follows "sqlite:", in this order.
_FAULTS: tuple[tuple[Callable[[str], bool], str], ...] = (
    (_has(":memory:"), "does not name a database in memory"),
    (lambda rest: names_somebody(f"sqlite:{rest}"), "names a host or user, which SQLite has none of"),
    (_has("[?#]"), "has parameters, of which SQLite URLs take none"),
    (
        _has(r"[\x00-\x1f\x7f]|^\s|\s$"),
        "has a line feed or another control character, or white space at an end (a space in the name of a file is %20)",
    ),
    (_has("[$][{A-Za-z_]"), "names a variable, and none is expanded (a $ in the name of a file is %24)"),
    (
        _has("^~[^/]+/|/~/|/~$|^~$"),
        "has a ~ that stands for no folder: only ~/ at its beginning does (the name ~ is %7E)",
    ),
    (_is_home_unknown, "cannot be resolved: the user's home folder is not known"),
    (lambda rest: not rest.strip("/") or rest.endswith("/") or "\0" in unquote(rest), "names no file"),
)
