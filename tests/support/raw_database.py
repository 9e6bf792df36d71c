"""A test's database past bodhi: as an intruder, an operator or a broken disk gets at it."""

import re
import sqlite3
from contextlib import closing
from typing import Any, Self

import asyncpg

from bodhi.database import dialect_of, sqlite_path


class RawDatabase:
    """Any SQL on the database that *url* names, with ``$1`` for parameters on both kinds; leaving it disconnects."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.dialect = dialect_of(url)
        self._postgres: asyncpg.Connection | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._postgres is not None:
            await self._postgres.close()

    async def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """The rows of the answer, committed."""
        if self.dialect == "sqlite":
            with closing(sqlite3.connect(sqlite_path(self._url))) as connection, connection:
                connection.row_factory = sqlite3.Row
                return [dict(row) for row in connection.execute(re.sub(r"\$(\d)", r"?\1", sql), values)]
        if self._postgres is None:
            self._postgres = await asyncpg.connect(self._url, statement_cache_size=0)
        return [dict(row) for row in await self._postgres.fetch(sql, *values)]

    async def sessions(self) -> list[dict[str, Any]]:
        """Every row of the session table, expired ones too."""
        return await self.rows("SELECT * FROM bodhi_session ORDER BY created_at, digest")

    async def set_aside(self) -> list[dict[str, Any]]:
        """Every row that was set aside."""
        return await self.rows("SELECT * FROM bodhi_session_set_aside")

    async def write_data(self, digest: bytes, data: bytes) -> None:
        """Puts other bytes where a session's data is."""
        await self.rows("UPDATE bodhi_session SET data = $1 WHERE digest = $2", data, digest)

    async def everything(self) -> bytes:
        """Every column of every table of ours, one after the other, as bytes."""
        if self.dialect == "sqlite":
            found = await self.rows("SELECT name FROM sqlite_master WHERE type = 'table'")
        else:
            found = await self.rows("SELECT tablename AS name FROM pg_tables WHERE schemaname = current_schema()")
        assert {"bodhi_session", "bodhi_session_set_aside"} <= {row["name"] for row in found}
        values = [
            value
            for table in found
            for row in await self.rows(f"SELECT * FROM {table['name']}")
            for value in row.values()
        ]
        return b"\n".join(value if isinstance(value, bytes) else str(value).encode() for value in values)
