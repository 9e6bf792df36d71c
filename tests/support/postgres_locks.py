"""Hold row locks, and query which connections wait for them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from support.reuse import APPLICATION_NAME

LONGEST_WAIT_SECONDS = 300
# The connections of what is tested.
OTHERS = (
    "datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    f" AND application_name <> '{APPLICATION_NAME}'"
)


async def ask(url: str, question: str, *values: object) -> object:
    """Return the first value of the query result."""
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question, *values)
    finally:
        await connection.close()


async def becomes(answer: object, url: str, question: str, *values: object) -> None:
    """Return once the query has this result."""
    async with asyncio.timeout(LONGEST_WAIT_SECONDS):
        while answer != await ask(url, question, *values):
            await asyncio.sleep(0.005)


async def blocked(url: str, *, count: int) -> None:
    """Return once *count* connections of the database wait for a lock."""
    await becomes(count, url, f"SELECT count(*) FROM pg_stat_activity WHERE {OTHERS} AND wait_event_type = 'Lock'")


async def pids_on(url: str) -> list[int]:
    """Return the backend process ids of all connections to the database, in order."""
    pids = await ask(url, f"SELECT array_agg(pid ORDER BY pid) FROM pg_stat_activity WHERE {OTHERS}")
    assert isinstance(pids, list)
    return pids


async def tidy(url: str, *, most: int) -> None:
    """Return once the database has at most *most* connections, all idle."""
    await becomes(
        True,
        url,
        f"SELECT count(*) <= $1 AND count(*) FILTER (WHERE state <> 'idle') = 0 FROM pg_stat_activity WHERE {OTHERS}",
        most,
    )


@asynccontextmanager
async def locked(url: str, *digests: bytes) -> AsyncIterator[None]:
    """Lock the rows of these sessions, or of all, from another connection."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute(
                "SELECT FROM bodhi_session WHERE $1::bytea[] = '{}' OR digest = ANY ($1) FOR UPDATE", digests
            )
            yield
    finally:
        await connection.close()


@asynccontextmanager
async def table_locked(url: str) -> AsyncIterator[None]:
    """Lock the table, so that no session can be read or written."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE bodhi_session")
            yield
    finally:
        await connection.close()
