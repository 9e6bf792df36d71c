"""Hold a SQLite file's write lock."""

import asyncio
import sqlite3


class WriteLock:
    """The file's write lock, as held by a backup or another program."""

    def __init__(self, url: str) -> None:
        self._connection = sqlite3.connect(url.removeprefix("sqlite:"), isolation_level=None, check_same_thread=False)

    async def take(self) -> None:
        """Acquire the lock, in a thread because it waits for the application's transactions."""
        await asyncio.to_thread(self._connection.execute, "BEGIN IMMEDIATE")

    async def release(self) -> None:
        """Release the lock."""
        self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Release the lock and close the connection."""
        self._connection.close()
