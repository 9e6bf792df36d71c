"""Delete expired rows in batches, so that other statements are not blocked."""

import asyncio

from bodhi.database import Database

BATCH = 1_000
PAUSE_SECONDS = 0.005  # between two batches


async def sweep_in_batches(database: Database, statement: str, **values: object) -> int:
    """Run *statement* until no rows are left; return the number of deleted rows."""
    total, swept = 0, BATCH
    while swept == BATCH:
        swept = await database.count(statement, **values, batch=BATCH)
        total += swept
        await asyncio.sleep(PAUSE_SECONDS if swept == BATCH else 0)
    return total
