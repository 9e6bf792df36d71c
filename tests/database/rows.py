"""Rows for the tests of the drivers: sessions with a letter for a digest, since their table is there."""

from typing import Any

from bodhi.database import Executor


def row(letter: str, **values: Any) -> dict[str, Any]:
    """The parameters of ``create_session`` for the row *letter*."""
    return {
        "digest": letter.encode() * 32,
        "data": b"data",
        "user_id": None,
        "ip": None,
        "user_agent": None,
        "idle_ms": 3_600_000,
        "longest_ms": 86_400_000,
        "now": None,
        **values,
    }


async def insert(executor: Executor, letter: str) -> None:
    """Store the row *letter*."""
    await executor.maybe("create_session", **row(letter))


async def letters(executor: Executor) -> str:
    """The rows that are stored, in the order of the alphabet."""
    rows = await executor.many("list_sessions", after=b"", batch=1000, now=None)
    return "".join(row["digest"].decode()[0] for row in rows)
