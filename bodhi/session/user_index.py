"""The index of sessions by user, which a bulk copy into an empty SQLite file creates at its end.

Sessions are copied in the order of their digests, with users in random order. With a million sessions, each row would
change another page of the index, and a copy would rewrite it over and over. An interrupted copy leaves a file that
works, with slow lists: the next copy or migration creates the index. On PostgreSQL the index is kept.
"""

from bodhi.database import Database
from bodhi.database.schema import LONGEST_MIGRATION_SECONDS


async def drop_user_index(database: Database) -> None:
    """Drop the index."""
    await database.maybe("drop_user_index")


async def make_user_index(database: Database) -> None:
    """Create the index if it is missing."""
    if await database.maybe("find_user_index"):
        return
    async with database.transaction(limit_seconds=LONGEST_MIGRATION_SECONDS) as transaction:
        await transaction.maybe("lock_schema")
        await transaction.maybe("make_user_index")
