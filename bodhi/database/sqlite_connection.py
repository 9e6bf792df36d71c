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

# A megabyte, a quarter of what SQLite takes by itself: every save waits while the writer brings it to the file.
CHECKPOINT_PAGES = 250
WAL_RETRY_SECONDS = 0.02
JOIN_SECONDS = 5.0  # for a file that is opened, which waits for no lock


async def connect(
    path: str, stack: AsyncExitStack, *, limit_seconds: float, synchronous: str, read_only: bool
) -> aiosqlite.Connection:
    """A connection to the file until *stack* closes, with the function that the statements call for the time."""
    opened = open_connection(
        read_only_uri(path) if read_only else path, uri=read_only, timeout=limit_seconds * BUSY_SHARE
    )
    connection = await stack.enter_async_context(opened)
    connection.row_factory = sqlite3.Row
    connection.text_factory = _text_or_bytes if read_only else _legible
    await connection.create_function("now_ms", 1, _now_ms, deterministic=True)
    if not read_only:
        await _write_ahead(connection, limit_seconds)
        for pragma in (
            f"synchronous = {synchronous}",
            f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
            "foreign_keys = ON",
            "secure_delete = ON",
        ):
            await connection.execute_fetchall(f"PRAGMA {pragma}")
    return connection


@asynccontextmanager
async def open_connection(path: str, *, timeout: float, uri: bool) -> AsyncIterator[aiosqlite.Connection]:  # noqa: ASYNC109
    """A connection in a thread of its own, which is closed whenever its opener is cancelled, and holds up no exit."""
    opening = Opening()
    connection = aiosqlite.connect(
        path,
        uri=uri,
        timeout=timeout,
        isolation_level=None,  # transactions are begun and ended by statements, never by the driver
        check_same_thread=False,
        factory=opening.make,
    )
    # A program that failed, or that forgets to close, must be able to end: everything it was answered is in the file.
    connection._thread.daemon = True
    try:
        await connection
    except BaseException:
        opening.abandon()
        # The thread tells the loop that it has ended, and the loop may be about to end as well.
        await asyncio.to_thread(connection._thread.join, JOIN_SECONDS)
        raise
    try:
        yield connection
    finally:
        await connection.close()


def read_only_uri(path: str) -> str:
    """The URI of the file for a connection that neither makes nor changes it."""
    return f"file:{quote(path)}?mode=ro"


async def _write_ahead(connection: aiosqlite.Connection, limit_seconds: float) -> None:
    # The switch to WAL does not wait for locks by itself: two processes that start at once would collide.
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
    """SQL's ``now_ms($n)``: milliseconds since 1970, or what a test says the time is."""
    return time_ns() // 1_000_000 if fixed is None else fixed


# SQLite keeps whatever another program called text, and a row with bytes that are none must not hide the others.
# A partial of a C function, since it runs for every text of every row.
_legible = partial(str, encoding="utf-8", errors="replace")


def _text_or_bytes(text: bytes) -> str | bytes:
    """Decoded text, or the raw bytes if they are not UTF-8 (a copy must notice)."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text
