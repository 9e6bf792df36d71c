"""Another process that keeps a SQLite file's write lock."""

import asyncio
import sqlite3


class WriteLock:
    """The file's write lock, as a backup or another program takes it."""

    def __init__(self, url: str) -> None:
        self._connection = sqlite3.connect(url.removeprefix("sqlite:"), isolation_level=None, check_same_thread=False)

    async def take(self) -> None:
        """Waits for the application's own transactions, so in a thread."""
        await asyncio.to_thread(self._connection.execute, "BEGIN IMMEDIATE")

    async def release(self) -> None:
        """Lets the application write again."""
        self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Releases it for good."""
        self._connection.close()
