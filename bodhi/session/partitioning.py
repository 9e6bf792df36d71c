"""Divide the sessions of a PostgreSQL database into hash partitions by digest, while requests go on.

A second table follows all changes of the first one by a trigger, the rows are copied in batches, and it takes the first
one's place under a short lock. The functions are in ``sql/postgres/migrations/session/0006_partitions.sql``.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from bodhi.database import Database, DatabaseError, DatabaseUnavailable, Row

MOST = 1024
BATCH = 1000  # rows that are locked at once
LOCK_SECONDS = 2.0  # the longest that all requests wait for the lock of the whole table
LOCK_ATTEMPTS = 30
COMPARING_SECONDS = 86_400.0


async def count_partitions(database: Database) -> int:
    """Return the number of partitions; 0 for an undivided table."""
    row = await database.maybe("count_partitions")
    return int(row["partitions"]) if row else 0


async def partition_sessions(database: Database, partitions: int, on_progress: Callable[[int], object]) -> int:
    """Divide the sessions into *partitions*, or undo it with 1; return how many were copied.

    *on_progress* is called with the number copied so far after each batch. A failure or a cancellation leaves
    everything as it was.
    """
    begun = await _under_lock(database, "begin_partitions", partitions=partitions)
    try:
        copied = await _copy(database, on_progress)
        async with database.transaction(limit_seconds=COMPARING_SECONDS) as transaction:
            compared = await transaction.maybe("compare_partitions")
        if compared is None or compared["difference"]:
            raise DatabaseError(f"the copy is not complete: {compared and compared['difference']} sessions differ")
        await _under_lock(database, "end_partitions", next=begun["next"])
    except BaseException:
        with suppress(DatabaseError):  # what cannot be removed now is removed by the next run
            await _under_lock(database, "abandon_partitions")
        raise
    return copied


async def _copy(database: Database, on_progress: Callable[[int], object]) -> int:
    copied = 0
    reached: bytes | None = b""
    while reached is not None:
        row = await database.maybe("copy_partitions", beyond=reached, batch=BATCH)
        assert row is not None
        copied += row["copied"]
        reached = row["reached"]
        on_progress(copied)
    return copied


async def _under_lock(database: Database, statement: str, **values: object) -> Row:
    """Run *statement* once it gets its lock of the table; requests never wait long for it."""
    for attempt in range(LOCK_ATTEMPTS):
        try:
            async with database.transaction(limit_seconds=LOCK_SECONDS) as transaction:
                await transaction.maybe("lock_schema")
                row = await transaction.maybe(statement, **values)
                assert row is not None
                return row
        except DatabaseUnavailable:
            if attempt + 1 == LOCK_ATTEMPTS:
                raise
            await asyncio.sleep(LOCK_SECONDS)
    raise AssertionError
