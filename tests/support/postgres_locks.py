"""Rows that somebody keeps locked, and PostgreSQL's own view of who waits for them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

LONGEST_WAIT_SECONDS = 10
_OTHERS = "datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"


async def ask(url: str, question: str, *values: object) -> object:
    """The first value that PostgreSQL answers."""
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question, *values)
    finally:
        await connection.close()


async def becomes(answer: object, url: str, question: str, *values: object) -> None:
    """Returns once PostgreSQL answers so."""
    async with asyncio.timeout(LONGEST_WAIT_SECONDS):
        while answer != await ask(url, question, *values):
            await asyncio.sleep(0.005)


async def blocked(url: str, *, count: int) -> None:
    """Returns once as many of the database's connections wait for a lock."""
    await becomes(count, url, f"SELECT count(*) FROM pg_stat_activity WHERE {_OTHERS} AND wait_event_type = 'Lock'")


async def pids_on(url: str) -> list[int]:
    """The process ids of the server's side of all connections to the database, in order."""
    pids = await ask(url, f"SELECT array_agg(pid ORDER BY pid) FROM pg_stat_activity WHERE {_OTHERS}")
    assert isinstance(pids, list)
    return pids


async def tidy(url: str, *, most: int) -> None:
    """Returns once the database has no more connections than that, and all of them are idle."""
    await becomes(
        True,
        url,
        f"SELECT count(*) <= $1 AND count(*) FILTER (WHERE state <> 'idle') = 0 FROM pg_stat_activity WHERE {_OTHERS}",
        most,
    )


@asynccontextmanager
async def locked(url: str, *digests: bytes) -> AsyncIterator[None]:
    """Sessions whose rows another connection keeps locked; all of them where none is named."""
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
    """No session can be read or written."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE bodhi_session")
            yield
    finally:
        await connection.close()
