"""The index of whose a session is, which a copy of many sessions into an empty SQLite file makes at its end.

Sessions are copied in the order of their digests, in which users come at random. With a million of them, each row would
change another page of the index, and a copy would write it over and over. A copy that was broken off leaves a file that
works, if slowly for lists: the next copy, or whoever migrates it, makes the index. PostgreSQL keeps its own meanwhile.
"""

from bodhi.database import Database
from bodhi.database.schema import LONGEST_MIGRATION_SECONDS


async def drop_user_index(database: Database) -> None:
    """Do without it, for now."""
    await database.maybe("drop_user_index")


async def make_user_index(database: Database) -> None:
    """Make it where it is missing."""
    if await database.maybe("find_user_index"):
        return
    async with database.transaction(limit_seconds=LONGEST_MIGRATION_SECONDS) as transaction:
        await transaction.maybe("lock_schema")
        await transaction.maybe("make_user_index")
