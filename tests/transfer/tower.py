"""The table and records of a Rust server with tower-sessions."""

import base64
import secrets
import sqlite3
from datetime import UTC, datetime
from typing import Any, Self

import asyncpg
import msgspec

FAR = (2100, 1, 0, 0, 0, 0, 0, 0, 0)
FAR_SECONDS = 4_102_444_800


def cookie_of(number: int) -> str:
    """Return the cookie of the session *number*."""
    return base64.urlsafe_b64encode(number.to_bytes(16, "little")).rstrip(b"=").decode()


def record(number: int, data: object, expiry: object = FAR) -> bytes:
    """Return a record as written by rmp_serde."""
    return msgspec.msgpack.encode([number.to_bytes(16, "big"), data, expiry])


class TowerTable:
    """The table, in SQLite or PostgreSQL."""

    def __init__(self, url: str, database: Any, table: str) -> None:
        self.url = url
        self._database = database
        self._table = table

    @classmethod
    def in_sqlite(cls, path: Any, *, user_id: bool = True) -> Self:
        """Create the table in a SQLite file, with or without BodhiApp's column."""
        database = sqlite3.connect(path, isolation_level=None)
        extra = ", user_id TEXT" if user_id else ""
        database.execute(
            "CREATE TABLE tower_sessions "
            f"(id TEXT PRIMARY KEY NOT NULL, data BLOB NOT NULL, expiry_date INTEGER NOT NULL{extra})"
        )
        return cls(f"sqlite:{path}", database, "tower_sessions")

    @classmethod
    async def in_postgres(cls, url: str, *, table: str = "tower_sessions", user_id: bool = True) -> Self:
        """Create the table in PostgreSQL, in the schema of *table*."""
        database = await asyncpg.connect(url)
        if "." in table:
            await database.execute(f"CREATE SCHEMA {table.partition('.')[0]}")
        extra = ", user_id text" if user_id else ""
        await database.execute(
            f"CREATE TABLE {table} "
            f"(id text PRIMARY KEY NOT NULL, data bytea NOT NULL, expiry_date timestamptz NOT NULL{extra})"
        )
        return cls(url, database, table)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        closing = self._database.close()
        if closing is not None:
            await closing

    async def add(self, data: object, *, number: int | None = None, seconds: int = FAR_SECONDS) -> str:
        """Add a session with *data* and this expiry; return its cookie."""
        number = secrets.randbits(128) if number is None else number
        moment = datetime.fromtimestamp(seconds, UTC)
        expiry = (moment.year, moment.timetuple().tm_yday, moment.hour, moment.minute, moment.second, 0, 0, 0, 0)
        await self.put(cookie_of(number), record(number, data, expiry), moment)
        return cookie_of(number)

    async def put(self, session_id: str, data: bytes, moment: datetime) -> None:
        """Insert or replace a raw row."""
        if isinstance(self._database, sqlite3.Connection):
            sql = "INSERT OR REPLACE INTO tower_sessions (id, data, expiry_date) VALUES (?, ?, ?)"
            self._database.execute(sql, (session_id, data, moment.isoformat().replace("+00:00", "Z")))
            return
        await self._database.execute(
            f"INSERT INTO {self._table} (id, data, expiry_date) VALUES ($1, $2, $3)"
            " ON CONFLICT (id) DO UPDATE SET data = excluded.data, expiry_date = excluded.expiry_date",
            session_id,
            data,
            moment,
        )

    def put_bytes(
        self, session_id: bytes, data: bytes, moment: bytes = b"2100-01-01", *, is_text: bool = False
    ) -> None:
        """Insert a SQLite row with raw bytes as text, including its data if *is_text*."""
        data_type = "TEXT" if is_text else "BLOB"
        sql = f"INSERT INTO tower_sessions VALUES (CAST(? AS TEXT), CAST(? AS {data_type}), CAST(? AS TEXT), NULL)"
        self._database.execute(sql, (session_id, data, moment))
