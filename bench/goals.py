"""What is to be reached: ratios within one run, since absolute figures say more about the machine than about bodhi."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Goal:
    """One row of the table: a figure by name, and how large or small it is to be."""

    figure: str
    title: str
    limit: float
    sense: Literal["at least", "at most"]
    unit: str = "x"

    def is_met_by(self, value: float) -> bool:
        """Whether *value* reaches the goal, to the two digits that are shown."""
        shown = round(value, 2)
        return shown >= self.limit if self.sense == "at least" else shown <= self.limit


def _at_least(figure: str, title: str, limit: float, unit: str = "x") -> Goal:
    return Goal(figure, title, limit, "at least", unit)


def _at_most(figure: str, title: str, limit: float, unit: str = "x") -> Goal:
    return Goal(figure, title, limit, "at most", unit)


DATABASES = {"postgres": "PostgreSQL", "sqlite": "SQLite"}
GOALS = (
    _at_least("http read postgres 4", "HTTP read, PostgreSQL / Redis, 4 connections", 2.0),
    _at_least("http read postgres 32", "HTTP read, PostgreSQL / Redis, 32 connections", 2.7),
    _at_least("http write postgres 4", "HTTP write, PostgreSQL durable / Redis, 4 connections", 1.2),
    _at_least("http write postgres 32", "HTTP write, PostgreSQL durable / Redis, 32 connections", 2.8),
    _at_least("http read sqlite 4", "HTTP read, SQLite / Redis, 4 connections", 2.0),
    _at_least("http read sqlite 32", "HTTP read, SQLite / Redis, 32 connections", 2.6),
    _at_least("http write sqlite 32", "HTTP write, SQLite / Redis, 32 connections", 2.2),
    *(
        _at_most(f"http cpu {what} {name} {at}", f"server CPU, HTTP {what}, {title} / floor, {at} connections", limit)
        for name, title in DATABASES.items()
        for what, limit in (("read", 1.15), ("write", 1.20))
        for at in (4, 32)
    ),
    *(
        _at_most(f"instructions {what} {name} {at}", f"instructions, {what}, {title} / floor, {at} in flight", limit)
        for name, title in DATABASES.items()
        for what, limit in (("read", 1.10), ("write", 1.15))
        for at in (1, 4, 32)
    ),
    _at_most("instructions ping", "instructions, GET /ping / aiohttp with one middleware", 1.25),
    _at_most("calls read functions", "functions of bodhi that a session's read enters", 25, "functions"),
    _at_most("calls read files", "... in so many files", 10, "files"),
    _at_most("calls write functions", "functions of bodhi that a session's save enters", 38, "functions"),
    _at_most("calls write files", "... in so many files", 12, "files"),
    _at_most("calls ping functions", "functions of bodhi that GET /ping enters", 12, "functions"),
    _at_most("calls callback functions", "functions of bodhi that the callback of a login enters", 150, "functions"),
    _at_most("calls callback files", "... in so many files", 40, "files"),
    _at_least("load postgres 1", "PostgreSQL load through the store / raw prepared fetchrow, 1 in flight", 1.0),
    _at_least("load postgres 16", "PostgreSQL load through the store / raw prepared fetchrow, 16 in flight", 1.8),
    _at_least("load postgres 64", "PostgreSQL load through the store / raw prepared fetchrow, 64 in flight", 2.5),
    _at_least("load sqlite 1", "SQLite load through the store / naive aiosqlite, 1 in flight", 2.5),
    _at_least("load sqlite 16", "SQLite load through the store / naive aiosqlite, 16 in flight", 3.9),
    _at_most("load p99 sqlite", "SQLite load p99 with 8 writers / one shared connection", 0.05),
    _at_least("gate session", "behind a gate / the same handler without one, a session's request", 0.85),
    _at_least("gate token", "behind a gate / the same handler without one, an API token's request", 0.85),
    _at_least("verify postgres 4", "verify, PostgreSQL / logins in Redis, 4 connections", 2.5),
    _at_least("verify postgres 32", "verify, PostgreSQL / logins in Redis, 32 connections", 2.5),
    _at_least("verify sqlite 4", "verify, SQLite / logins in Redis, 4 connections", 2.5),
    _at_least("verify sqlite 32", "verify, SQLite / logins in Redis, 32 connections", 2.5),
    _at_most("page postgres", "longest page of a user's 10,000 sessions, PostgreSQL", 20, "ms"),
    _at_most("page sqlite", "longest page of a user's 10,000 sessions, SQLite", 20, "ms"),
    _at_most("clear sqlite", "longest other request while a user's 10,000 sessions end, SQLite", 50, "ms"),
    _at_most(
        "revocation postgres", "end of a session to the close of its websocket elsewhere, p99, PostgreSQL", 1, "s"
    ),
    _at_most("revocation postgres without LISTEN", "the same without LISTEN, as behind PgBouncer", 1, "s"),
    _at_most("revocation sqlite", "the same, SQLite", 1, "s"),
    _at_most("growth postgres", "PostgreSQL load p50, many rows / 10,000 rows", 1.1),
    _at_most("growth sqlite", "SQLite load p50, many rows / 10,000 rows", 1.8),
    _at_most("stall postgres", "longest stall of a save while all of them expire, PostgreSQL", 20, "ms"),
    _at_most("stall sqlite", "longest stall of a save while all of them expire, SQLite", 50, "ms"),
    _at_least("copy to postgres", "sessions copied from SQLite to PostgreSQL, thousands a second", 20, "k/s"),
    _at_least("copy to sqlite", "sessions copied from PostgreSQL to SQLite, thousands a second", 20, "k/s"),
    _at_most("copy memory postgres", "memory that copying to PostgreSQL takes", 30, "MB"),
    _at_most("copy memory sqlite", "memory that copying to SQLite takes", 30, "MB"),
    _at_most(
        "dump memory postgres", "memory by which a dump grows after its first 10,000 sessions, PostgreSQL", 5, "MB"
    ),
    _at_most("dump memory sqlite", "the same, SQLite", 5, "MB"),
    _at_most("memory sqlite", "memory of a server process over aiohttp alone, SQLite", 15, "MB"),
    _at_most("memory postgres", "memory of a server process over aiohttp alone, PostgreSQL", 15, "MB"),
    _at_most("start sqlite", "start to first answer, SQLite", 0.5, "s"),
)
