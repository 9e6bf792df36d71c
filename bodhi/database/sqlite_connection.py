"""Open a connection to a SQLite file."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from time import time_ns
from urllib.parse import quote

import aiosqlite

from bodhi.database.sqlite_errors import is_busy
from bodhi.database.sqlite_thread import BUSY_SHARE, Opening

# 1 MB, a quarter of SQLite's default: every save waits while the writer copies it to the file.
CHECKPOINT_PAGES = 250
WAL_RETRY_SECONDS = 0.02
JOIN_SECONDS = 5.0  # for a file that is opened, which waits for no lock


async def connect(
    path: str, stack: AsyncExitStack, *, limit_seconds: float, synchronous: str, read_only: bool
) -> aiosqlite.Connection:
    """Return a connection that *stack* closes, with the SQL function ``now_ms``."""
    opened = open_connection(
        read_only_uri(path) if read_only else path, uri=read_only, timeout=limit_seconds * BUSY_SHARE
    )
    connection = await stack.enter_async_context(opened)
    connection.row_factory = sqlite3.Row
    connection.text_factory = _text_or_bytes if read_only else _legible
    await connection.create_function("now_ms", 1, _now_ms, deterministic=True)
    if not read_only:
        await _write_ahead(connection, limit_seconds)
        await connection.executescript(
            f"PRAGMA synchronous = {synchronous}; PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};"
            "PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON"
        )
    return connection


@asynccontextmanager
async def open_connection(path: str, *, timeout: float, uri: bool) -> AsyncIterator[aiosqlite.Connection]:  # noqa: ASYNC109
    """Open a connection in its own thread, which is closed if its opener is cancelled, and does not delay exit."""
    opening = Opening()
    connection = aiosqlite.connect(
        path,
        uri=uri,
        timeout=timeout,
        isolation_level=None,  # transactions are begun and ended by statements, never by the driver
        check_same_thread=False,
        factory=opening.make,
    )
    # A program that fails, or forgets to close, must be able to exit: every acknowledged write is in the file.
    connection._thread.daemon = True
    try:
        await connection
    except BaseException:
        opening.abandon()
        # The thread notifies the loop of its end, and the loop may be closing as well.
        await asyncio.to_thread(connection._thread.join, JOIN_SECONDS)
        raise
    try:
        yield connection
    finally:
        await connection.close()


def read_only_uri(path: str) -> str:
    """Return the file's URI for a connection that neither creates nor changes it."""
    return f"file:{quote(path)}?mode=ro"


async def _write_ahead(connection: aiosqlite.Connection, limit_seconds: float) -> None:
    # The switch to WAL does not wait for locks: two processes that start at once would collide.
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit_seconds
    while True:
        try:
            await connection.execute_fetchall("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if not is_busy(error) or loop.time() > deadline:
                raise
            await asyncio.sleep(WAL_RETRY_SECONDS)


def _now_ms(fixed: int | None) -> int:
    """Implement SQL's ``now_ms($n)``: milliseconds since 1970, or the time set by a test."""
    return time_ns() // 1_000_000 if fixed is None else fixed


# SQLite stores any bytes as text, and one row with invalid UTF-8 must not hide the others.
# A partial of a C function, since it runs for every text of every row.
_legible = partial(str, encoding="utf-8", errors="replace")


def _text_or_bytes(text: bytes) -> str | bytes:
    """Decoded text, or the raw bytes if they are not UTF-8 (a copy must notice)."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text
