"""One protocol for two databases, and the only place that chooses between them."""

from bodhi import options
from bodhi.database.batching import Batcher
from bodhi.database.errors import (
    CannotOpen,
    Conflict,
    Damaged,
    DatabaseError,
    DatabaseUnavailable,
    RowMoved,
    SchemaOutdated,
    SchemaTooNew,
)
from bodhi.database.protocol import Database, DatabaseCounters, Executor, Row
from bodhi.database.schema import Schema, SchemaStatus
from bodhi.errors import ConfigurationError
from bodhi.sqlite_urls import sqlite_path
from bodhi.urls import BadDatabaseUrl, dialect_of, mask_url

__all__ = [
    "BadDatabaseUrl",
    "Batcher",
    "CannotOpen",
    "Conflict",
    "Damaged",
    "Database",
    "DatabaseCounters",
    "DatabaseError",
    "DatabaseUnavailable",
    "Executor",
    "Row",
    "RowMoved",
    "Schema",
    "SchemaOutdated",
    "SchemaStatus",
    "SchemaTooNew",
    "dialect_of",
    "mask_url",
    "open_database",
    "sqlite_path",
]

SYNCHRONOUS = ("full", "normal")  # acknowledged writes survive a power cut; or only a crash of the process


def open_database(
    url: str,
    *,
    pool_size: int = 10,
    limit_seconds: float = 5.0,
    statement_cache_size: int = 100,
    schema: str | None = None,
    readers: int = 2,
    synchronous: str = "full",
    read_only: bool = False,
) -> Database:
    """Return the database at *url*, not connected yet: enter it to connect.

    *pool_size*, *statement_cache_size* and *schema* are PostgreSQL's, *readers*, *synchronous* and *read_only* (the
    file is neither created nor changed, and text that is not UTF-8 is returned as bytes) SQLite's; *limit_seconds*
    bounds every wait on both. All are validated for both. Raises :exc:`BadDatabaseUrl` here, and :exc:`CannotOpen`
    here and on entering.
    """
    dialect = dialect_of(url)
    try:
        pool_size = options.whole_number("pool_size", pool_size, 1, 1_000)
        limit_seconds = options.seconds("limit_seconds", limit_seconds, 0.01, 3_600)
        statement_cache_size = options.whole_number("statement_cache_size", statement_cache_size, 0, 10_000)
        schema = options.optional_schema("schema", schema)
        readers = options.whole_number("readers", readers, 1, 64)
        synchronous = options.choice("synchronous", synchronous, SYNCHRONOUS)
        read_only = options.flag("read_only", read_only)
    except ConfigurationError as error:
        raise CannotOpen(str(error)) from None
    # Imported here, so that a process loads the one driver that it uses.
    if dialect == "sqlite":
        from bodhi.database.sqlite import SqliteDatabase

        return SqliteDatabase(
            sqlite_path(url),
            readers=readers,
            limit_seconds=limit_seconds,
            synchronous=synchronous,
            read_only=read_only,
        )
    from bodhi.database.postgres import PostgresDatabase

    return PostgresDatabase(
        url,
        pool_size=pool_size,
        limit_seconds=limit_seconds,
        statement_cache_size=statement_cache_size,
        schema=schema,
    )
