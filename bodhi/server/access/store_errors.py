"""How an outage of the application's database is told to a client."""

from collections.abc import Iterator
from contextlib import contextmanager

from bodhi.database import DatabaseUnavailable
from bodhi.server.access.errors import DatabaseUnavailable as DatabaseUnavailableError


@contextmanager
def map_db_errors() -> Iterator[None]:
    """Inside, a database that does not answer is a refusal, ``auth_error-database_unavailable``; other errors pass."""
    try:
        yield
    except DatabaseUnavailable as error:
        raise DatabaseUnavailableError from error
