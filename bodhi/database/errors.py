"""Errors of a database, by what the caller can do about them."""

from bodhi.errors import BodhiError, ConfigurationError

NO_ANSWER = "no answer in time"


class DatabaseError(BodhiError):
    """The database refused a statement; trying again will not help."""


class DatabaseUnavailable(DatabaseError):
    """The database does not answer within its time limit, or cannot write now; trying later may help."""


class Undone(DatabaseUnavailable):
    """The server did nothing, for a passing reason: a deadlock, a plan made before a migration, a lost primary."""


class RowMoved(Undone):
    """A concurrent change moved the row to another partition: run the statement again."""


class NotOpen(DatabaseUnavailable):
    """The database was not opened, or it was closed: use `async with`, `open()`, or `setup` before the app starts."""


class Damaged(DatabaseUnavailable):
    """The database is not what was opened: its file or a table is gone. An operator has to restore it."""


class Conflict(DatabaseError):
    """A row with this unique value exists already."""


class CannotOpen(ConfigurationError):
    """The database cannot be opened as it is configured."""


class SchemaTooNew(ConfigurationError):
    """The database was migrated by a newer version of the program."""


class SchemaOutdated(ConfigurationError):
    """The database lacks migrations of this program, and automatic migration is turned off."""
