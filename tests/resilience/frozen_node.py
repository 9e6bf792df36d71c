"""A process that locks a session's row in a transaction and freezes. Arguments: URL, digest, limit."""

import asyncio
import os
import signal
import sys

from bodhi.database import open_database


async def main(url: str, digest: str, limit_seconds: str) -> None:
    """Lock the row and wait forever."""
    async with (
        open_database(url, limit_seconds=float(limit_seconds)) as database,
        database.transaction() as transaction,
    ):
        await transaction.maybe("lock_session", digest=bytes.fromhex(digest), now=None)
        sys.stdout.write("locked\n")
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGSTOP)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
