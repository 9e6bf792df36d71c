"""The stores for each database: the same statements, with different batching."""

from bodhi.database import Database
from bodhi.session.sql_store.calls import Clock
from bodhi.session.sql_store.store import SqlSessionStore


class SqliteSessionStore(SqlSessionStore):
    """Sessions in a SQLite file. Saves that wait for its single writer share a transaction."""

    saves_in_flight = 1
    sweep_batch = 250
    clear_batch = 100


class PostgresSessionStore(SqlSessionStore):
    """Sessions in a PostgreSQL database."""


def open_store(database: Database, *, clock: Clock = lambda: None) -> SqlSessionStore:
    """Return the store for *database*."""
    kind = SqliteSessionStore if database.dialect == "sqlite" else PostgresSessionStore
    return kind(database, clock=clock)
