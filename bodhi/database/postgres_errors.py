"""Map asyncpg's errors to those of :mod:`bodhi.database.errors`."""

import re
from ssl import SSLError

import asyncpg

from bodhi.database.errors import (
    NO_ANSWER,
    Conflict,
    Damaged,
    DatabaseError,
    DatabaseUnavailable,
    RowMoved,
    Undone,
)
from bodhi.errors import root_cause

FAILURES = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

# Classes of SQLSTATE in which the server, not the statement, is at fault.
_OUTAGE_CLASSES = frozenset({"08", "28", "3D", "53", "57", "58", "XX"})
_STANDBY_STATE = "25006"  # a primary that became a standby
_OUTAGE_STATES = frozenset({_STANDBY_STATE, "55P03"})  # ... a lock that is held too long
_PASSING: dict[type[Exception], type[Undone]] = {
    asyncpg.DeadlockDetectedError: Undone,
    asyncpg.SerializationError: RowMoved,  # READ COMMITTED has no other cause of it
    asyncpg.InvalidCachedStatementError: Undone,
    asyncpg.ReadOnlySQLTransactionError: Undone,  # failover: the next connection finds the new primary
}


def translate(error: Exception) -> DatabaseError:
    """Return the error to raise in place of one of ``FAILURES``."""
    if isinstance(error, asyncpg.UniqueViolationError):
        return Conflict(str(error))
    if kind := _PASSING.get(type(error)):
        return kind(f"PostgreSQL: {cause_of(error)}")
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        if isinstance(error, asyncpg.InsufficientPrivilegeError):
            return DatabaseError(f"PostgreSQL: {cause_of(error)}: {_grant_for(str(error))}")
        if isinstance(error, asyncpg.UndefinedTableError):
            return Damaged(f"PostgreSQL: {cause_of(error)}")
        if state[:2] not in _OUTAGE_CLASSES and state not in _OUTAGE_STATES:
            return DatabaseError(f"PostgreSQL: {cause_of(error)}")
    if isinstance(error, asyncpg.DataError):
        return DatabaseError("PostgreSQL cannot hold this value")
    return DatabaseUnavailable(f"PostgreSQL: {cause_of(error)}")


def _grant_for(refusal: str) -> str:
    """Return the GRANT that allows the refused operation."""
    if match := re.match("permission denied for schema (.+)", refusal):
        return f"GRANT USAGE, CREATE ON SCHEMA {match[1]} TO the role of the URL"
    if match := re.match("permission denied for database (.+)", refusal):
        return (
            f"GRANT CREATE ON DATABASE {match[1]} TO the role of the URL, or USAGE, CREATE ON the schema if it exists"
        )
    return "run this as the owner of the tables"


def is_about_files(error: Exception) -> bool:
    """Return whether *error* may come from an unreadable file, such as a certificate."""
    return isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError | PermissionError | SSLError)


def affects_all_connections(error: Exception) -> bool:
    """Return whether *error* concerns the server or the network, rather than one connection or statement."""
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return state[:2] in {"08", "57"} or state == _STANDBY_STATE
    return True


def leaves_usable(error: BaseException) -> bool:
    """Return whether the connection may be reused: only after a plain refusal by a healthy server."""
    if isinstance(error, asyncpg.InvalidCachedStatementError):
        return False  # prepare everything anew
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return state[:2] not in _OUTAGE_CLASSES and state != _STANDBY_STATE
    return isinstance(error, Exception) and not isinstance(
        error, OSError | asyncpg.InterfaceError | asyncpg.InternalClientError
    )


def cause_of(error: BaseException) -> str:
    """Return the first line of the error's message, or its kind."""
    return NO_ANSWER if isinstance(error, TimeoutError) and not str(error) else root_cause(error)
