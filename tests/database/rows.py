"""Rows for driver tests: sessions with a letter as digest."""

from typing import Any

from bodhi.database import Executor


def row(letter: str, **values: Any) -> dict[str, Any]:
    """Return the parameters of ``create_session`` for the row *letter*."""
    return {
        "digest": letter.encode() * 32,
        "data": b"data",
        "user_id": None,
        "ip": None,
        "user_agent": None,
        "idle_ms": 3_600_000,
        "longest_ms": 86_400_000,
        "max_age": None,
        "now": None,
        **values,
    }


async def insert(executor: Executor, letter: str) -> None:
    """Store the row *letter*."""
    await executor.maybe("create_session", **row(letter))


async def letters(executor: Executor) -> str:
    """Return the letters of the stored rows, sorted."""
    rows = await executor.many("list_sessions", after=b"", batch=1000, now=None)
    return "".join(row["digest"].decode()[0] for row in rows)
