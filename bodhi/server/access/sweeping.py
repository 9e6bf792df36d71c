"""Delete expired rows in batches, so that other statements get their turn."""

import asyncio

from bodhi.database import Database

BATCH = 1_000
PAUSE_SECONDS = 0.005  # between two batches


async def sweep_in_batches(database: Database, statement: str, **values: object) -> int:
    """Run *statement* until it finds nothing more; the number of rows that are gone."""
    total, swept = 0, BATCH
    while swept == BATCH:
        swept = await database.count(statement, **values, batch=BATCH)
        total += swept
        await asyncio.sleep(PAUSE_SECONDS if swept == BATCH else 0)
    return total
