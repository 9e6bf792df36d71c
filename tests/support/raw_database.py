"""Direct access to a test's database, bypassing bodhi, as by an attacker or an operator."""

import re
import sqlite3
from contextlib import closing
from typing import Any, Self

import asyncpg

from bodhi.database import dialect_of, sqlite_path


class RawDatabase:
    """Runs any SQL on the database of *url*, with ``$1`` parameters on both databases."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.dialect = dialect_of(url)
        self._postgres: asyncpg.Connection | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._postgres is not None:
            await self._postgres.close()

    async def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """Run *sql*, commit, and return the rows."""
        if self.dialect == "sqlite":
            with closing(sqlite3.connect(sqlite_path(self.url))) as connection, connection:
                connection.row_factory = sqlite3.Row
                named = {str(number): value for number, value in enumerate(values, 1)}
                return [dict(row) for row in connection.execute(re.sub(r"\$(\d)", r":\1", sql), named)]
        if self._postgres is None:
            self._postgres = await asyncpg.connect(self.url, statement_cache_size=0)
        return [dict(row) for row in await self._postgres.fetch(sql, *values)]

    async def sessions(self) -> list[dict[str, Any]]:
        """Return all rows of the session table, expired ones included."""
        return await self.rows("SELECT * FROM bodhi_session ORDER BY created_at, digest")

    async def set_aside(self) -> list[dict[str, Any]]:
        """Return all rows in quarantine."""
        return await self.rows("SELECT * FROM bodhi_session_set_aside")

    async def write_data(self, digest: bytes, data: bytes) -> None:
        """Overwrite the data of a session."""
        await self.rows("UPDATE bodhi_session SET data = $1 WHERE digest = $2", data, digest)

    async def everything(self) -> bytes:
        """Return all columns of all our tables, concatenated as bytes."""
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
