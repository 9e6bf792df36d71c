"""The session stores on SQL databases. The statements are in ``sql/<dialect>/session.sql``."""

from bodhi.session.sql_store.calls import Clock, map_session_errors
from bodhi.session.sql_store.dialects import PostgresSessionStore, SqliteSessionStore, open_store
from bodhi.session.sql_store.store import SqlSessionStore

__all__ = [
    "Clock",
    "PostgresSessionStore",
    "SqlSessionStore",
    "SqliteSessionStore",
    "map_session_errors",
    "open_store",
]
