"""Alternative session storages for aiohttp applications, written as their users would."""

import json
import uuid
from abc import abstractmethod

import aiohttp_session
import aiosqlite
import asyncpg
from aiohttp import web


class NaiveStorage(aiohttp_session.AbstractStorage):
    """Sessions as in aiohttp-session's ``RedisStorage``: JSON under a random key, overwritten by each save."""

    async def load_session(self, request: web.Request) -> aiohttp_session.Session:
        key = self.load_cookie(request)
        if key is None:
            return aiohttp_session.Session(None, data=None, new=True, max_age=self.max_age)
        text = await self.get(key)
        if text is None:
            return aiohttp_session.Session(None, data=None, new=True, max_age=self.max_age)
        return aiohttp_session.Session(key, data=json.loads(text), new=False, max_age=self.max_age)

    async def save_session(
        self, request: web.Request, response: web.StreamResponse, session: aiohttp_session.Session
    ) -> None:
        key = session.identity or uuid.uuid4().hex
        self.save_cookie(response, key, max_age=session.max_age)
        await self.put(key, json.dumps(self._get_session_data(session)))

    @abstractmethod
    async def get(self, key: str) -> str | None:
        """Return the text under *key*, or None."""

    @abstractmethod
    async def put(self, key: str, text: str) -> None:
        """Store *text* under *key*."""


class PoolStorage(NaiveStorage):
    """PostgreSQL through asyncpg's pool with default settings."""

    TABLE = "CREATE TABLE session (key text PRIMARY KEY, data text NOT NULL)"
    GET = "SELECT data FROM session WHERE key = $1"
    PUT = "INSERT INTO session (key, data) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET data = excluded.data"

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        super().__init__()
        self._pool = pool

    async def get(self, key: str) -> str | None:
        row = await self._pool.fetchrow(self.GET, key)
        return None if row is None else row["data"]

    async def put(self, key: str, text: str) -> None:
        await self._pool.execute(self.PUT, key, text)


class SharedConnectionStorage(NaiveStorage):
    """SQLite through one shared aiosqlite connection, as in most examples."""

    TABLE = "CREATE TABLE session (key TEXT PRIMARY KEY, data TEXT NOT NULL)"
    GET = "SELECT data FROM session WHERE key = ?"
    PUT = "INSERT INTO session (key, data) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET data = excluded.data"

    def __init__(self, connection: aiosqlite.Connection) -> None:
        super().__init__()
        self._connection = connection

    async def get(self, key: str) -> str | None:
        async with self._connection.execute(self.GET, (key,)) as cursor:
            row = await cursor.fetchone()
        return None if row is None else row[0]

    async def put(self, key: str, text: str) -> None:
        await self._connection.execute(self.PUT, (key, text))
        await self._connection.commit()


async def open_shared_connection(path: str) -> aiosqlite.Connection:
    """Open a connection in WAL mode with bodhi's durability: the comparison is not about pragmas."""
    connection = await aiosqlite.connect(path)
    await connection.execute("PRAGMA journal_mode = WAL")
    await connection.execute("PRAGMA synchronous = FULL")
    return connection
