"""What is in the session table, read past every version of the program."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass

import asyncpg


@dataclass
class Stored:
    """The database of the sessions."""

    url: str

    async def digests(self) -> list[bytes]:
        """Of all sessions, in order."""
        return [row[0] for row in await self._rows("SELECT digest FROM bodhi_session ORDER BY digest")]

    async def set_aside(self) -> int:
        """How many sessions were taken for damaged."""
        (row,) = await self._rows("SELECT count(*) FROM bodhi_session_set_aside")
        return int(row[0])

    async def formats(self) -> set[int]:
        """The formats in which there is data."""
        return {row[0][0] for row in await self._rows("SELECT data FROM bodhi_session")}

    async def _rows(self, query: str) -> list[tuple[bytes, ...]]:
        if self.url.startswith("sqlite:"):
            with closing(sqlite3.connect(self.url.removeprefix("sqlite:"), timeout=60)) as database:
                return database.execute(query).fetchall()
        connection = await asyncpg.connect(self.url)
        try:
            return [tuple(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()
