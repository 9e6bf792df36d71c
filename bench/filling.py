"""Fill a migrated database with live sessions, directly."""

import asyncio
import hashlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from time import time_ns

import asyncpg

DAY_MS = 86_400_000
SEALED_BYTES = 1056  # 1 KB of data, encrypted
BLOCK = 10_000
MANY = 2_000_000  # rows; more are made by PostgreSQL itself, and their indexes at the end
MANY_BLOCK = 250_000
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SYSTEMS = ("Linux", "Windows", "Macintosh", "Android")
COLUMNS = (
    "digest", "data", "user_id", "version", "created_at", "last_seen_at", "expires_at", "ends_at", "ip", "user_agent"
)  # fmt: skip
# An index that grew by inserts in random order has pages that are two thirds full; one that is built has full ones.
GROWN = "WITH (fillfactor = 69)"
USER_INDEX = "(user_id, created_at, digest)"

Row = tuple[object, ...]


def digest_of_row(number: int) -> bytes:
    """Return the digest of the session *number*."""
    return hashlib.sha256(number.to_bytes(8, "big")).digest()


async def fill(url: str, rows: int, *, user: str | None = None, users: int | None = None) -> None:
    """Insert *rows* live sessions of 1 KB directly into a migrated database.

    They are all of *user*, or in turn of so many *users* on different devices, or three per user.
    """
    now = time_ns() // 1_000_000
    blocks = (_rows(range(first, min(rows, first + BLOCK)), now, user, users) for first in range(0, rows, BLOCK))
    if url.startswith("sqlite:"):
        path = Path(url.removeprefix("sqlite:"))
        await (
            asyncio.to_thread(_fill_sqlite_itself, path, rows, now)
            if rows > MANY
            else asyncio.to_thread(_fill_sqlite, path, blocks)
        )
    elif rows > MANY:
        await _fill_postgres_itself(url, rows, now)
    else:
        await _fill_postgres(url, blocks)


def _rows(numbers: range, now: int, user: str | None, users: int | None) -> Iterator[Row]:
    sealed = os.urandom(SEALED_BYTES)
    for number in numbers:
        expires_at = now + DAY_MS + number % 3_600_000  # within an hour, a day from now
        owner = user or f"user-{number // 3:08}"
        if users is None:
            yield digest_of_row(number), sealed, owner, 1, now, now, expires_at, now + 14 * DAY_MS, "192.0.2.1", AGENT
            continue
        began, used = now - number * 60_000 % DAY_MS, now - number * 7_919 % DAY_MS
        address, agent = f"192.0.2.{number % 250}", AGENT.replace("Linux", SYSTEMS[number % len(SYSTEMS)])
        owner = f"user-{number % users:06}"
        yield (
            digest_of_row(number),
            sealed,
            owner,
            1,
            min(began, used),
            used,
            expires_at,
            now + 14 * DAY_MS,
            address,
            agent,
        )


async def _fill_postgres(url: str, blocks: Iterator[Iterator[Row]]) -> None:
    connection = await asyncpg.connect(url)
    for block in blocks:
        await connection.copy_records_to_table("bodhi_session", records=block, columns=COLUMNS)
    await _settle(connection)


async def _fill_postgres_itself(url: str, rows: int, now: int) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("SET synchronous_commit = off; SET maintenance_work_mem = '1GB'")
    await connection.execute(
        "ALTER TABLE bodhi_session DROP CONSTRAINT bodhi_session_pkey;"
        "DROP INDEX bodhi_session_expiry; DROP INDEX bodhi_session_user"
    )
    for first in range(0, rows, MANY_BLOCK):
        await connection.execute(
            f"INSERT INTO bodhi_session ({', '.join(COLUMNS)})"
            " SELECT sha256(int8send(number)), $3::bytea, 'user-' || lpad((number / 3)::text, 8, '0'), 1, $4::bigint,"
            " $4, $4 + $5::bigint + number % 3600000, $4 + 14 * $5, '192.0.2.1', $6::text"
            " FROM generate_series($1::bigint, $2::bigint) AS number",
            first, min(rows, first + MANY_BLOCK) - 1, os.urandom(SEALED_BYTES), now, DAY_MS, AGENT, timeout=7200,
        )  # fmt: skip
    for statement in (
        f"ALTER TABLE bodhi_session ADD CONSTRAINT bodhi_session_pkey PRIMARY KEY (digest) {GROWN}",
        f"CREATE INDEX bodhi_session_expiry ON bodhi_session (expires_step) {GROWN}",
        f"CREATE INDEX bodhi_session_user ON bodhi_session {USER_INDEX} {GROWN} WHERE user_id IS NOT NULL",
    ):
        await connection.execute(statement, timeout=7200)
    await _settle(connection)


async def _settle(connection: asyncpg.Connection) -> None:
    await connection.execute("VACUUM (ANALYZE) bodhi_session", timeout=7200)  # as autovacuum would do later
    await connection.execute("CHECKPOINT", timeout=7200)
    await connection.close()


def _fill_sqlite(path: Path, blocks: Iterator[Iterator[Row]]) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -1000000")
    insert = f"INSERT INTO bodhi_session ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
    for block in blocks:
        with connection:
            connection.executemany(insert, block)
    # Write all rows to disk now, or the next checkpoint would have to.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _fill_sqlite_itself(path: Path, rows: int, now: int) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.create_function("digest_of_row", 1, digest_of_row, deterministic=True)
    # In one transaction and without a journal: no other process has the file open yet.
    for setting in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -2000000"):
        connection.execute(f"PRAGMA {setting}")
    connection.execute("BEGIN EXCLUSIVE")
    connection.execute(
        "WITH RECURSIVE numbers (number) AS (SELECT 0 UNION ALL SELECT number + 1 FROM numbers WHERE number < ?1 - 1)"
        f" INSERT INTO bodhi_session ({', '.join(COLUMNS)})"
        " SELECT digest_of_row(number), ?2, printf('user-%08d', number / 3), 1, ?3, ?3, ?3 + ?4 + number % 3600000,"
        " ?3 + 14 * ?4, '192.0.2.1', ?5 FROM numbers",
        (rows, os.urandom(SEALED_BYTES), now, DAY_MS, AGENT),
    )
    connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
