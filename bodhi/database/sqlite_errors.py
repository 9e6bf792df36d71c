"""Map SQLite's errors to those of :mod:`bodhi.database.errors`."""

import sqlite3

from bodhi.database.errors import NO_ANSWER, Conflict, Damaged, DatabaseError, DatabaseUnavailable
from bodhi.errors import root_cause

# Of the statement or its values; any other is busy, full, read-only, input/output, malformed, cannot open.
_REFUSALS = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_MISUSE)


class TooLate(sqlite3.OperationalError):
    """The caller has given up by the time the thread came to it: what was refused must not happen later."""

    sqlite_errorcode = sqlite3.SQLITE_BUSY


def translate(error: TimeoutError | sqlite3.Error) -> DatabaseError:
    """Return what to raise in place of *error*."""
    if isinstance(error, TimeoutError):
        return DatabaseUnavailable(f"SQLite: {NO_ANSWER}")
    if isinstance(error, sqlite3.IntegrityError) and "UNIQUE" in str(error):
        return Conflict(str(error))
    if str(error).startswith("no such table"):
        return Damaged(f"SQLite: {error}")
    if _code_of(error) in _REFUSALS:
        return DatabaseError(str(error))
    return DatabaseUnavailable(f"SQLite: {cause_of(error)}")


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another connection holds the lock."""
    return _code_of(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def cause_of(error: OSError | sqlite3.Error) -> str:
    """Return what is wrong, for an operator who knows the file."""
    if isinstance(error, OSError):
        return error.strerror or root_cause(error)
    if _code_of(error) == sqlite3.SQLITE_READONLY:
        return f"{error}: the file, its -wal and -shm and their folder have to be writable"
    return root_cause(error)


def _code_of(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
