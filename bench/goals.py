"""Performance goals: ratios within one run, because absolute figures depend on the machine."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Sense = Literal["at least", "at most"]


@dataclass(frozen=True, slots=True)
class Goal:
    """A goal: the name of a figure, and its limit."""

    figure: str
    title: str
    limit: float
    sense: Sense
    unit: str = "x"

    def is_met_by(self, value: float) -> bool:
        """Return whether *value* meets the goal, rounded to two digits as in the report."""
        rounded = round(value, 2)
        return rounded >= self.limit if self.sense == "at least" else rounded <= self.limit


DATABASES = {"postgres": "PostgreSQL", "sqlite": "SQLite"}
# The limit of each variant of a figure: a database, a concurrency, or both.
Limits = Mapping[tuple[str | int, ...], float]


def both(limit: float, concurrencies: Iterable[int] = ()) -> Limits:
    """Return the same limit for both databases, at each of the *concurrencies*, if given."""
    ends: list[tuple[int, ...]] = [(at,) for at in concurrencies] or [()]
    return {(name, *end): limit for name in DATABASES for end in ends}


def at(limits: Mapping[str | int, float]) -> Limits:
    """Return a limit for each database or concurrency."""
    return {(variant,): limit for variant, limit in limits.items()}


def goals(sense: Sense, figure: str, title: str, limits: Limits | float, unit: str = "x") -> Iterable[Goal]:
    """Return a goal for each variant in *limits*; variants fill the placeholders in *figure* and *title*."""
    variants = limits if isinstance(limits, Mapping) else {(): limits}
    for variant, limit in variants.items():
        names = [DATABASES.get(str(part), part) for part in variant]
        yield Goal(figure.format(*variant), title.format(*names), limit, sense, unit)


LEAST: Sense = "at least"
MOST: Sense = "at most"
GOALS = tuple(
    goal
    for row in (
        goals(MOST, "instructions read {} {}", "instructions, read, {} / floor, {} in flight", both(1.10, (1, 4, 32))),
        goals(
            MOST, "instructions write {} {}", "instructions, write, {} / floor, {} in flight", both(1.15, (1, 4, 32))
        ),
        goals(MOST, "instructions ping", "instructions, GET /ping / aiohttp with one middleware", 1.25),
        goals(MOST, "http cpu read {} {}", "server CPU, HTTP read, {} / floor, {} connections", both(1.15, (4, 32))),
        goals(MOST, "http cpu write {} {}", "server CPU, HTTP write, {} / floor, {} connections", both(1.20, (4, 32))),
        goals(LEAST, "http read postgres {}", "HTTP read, PostgreSQL / Redis, {} connections", at({4: 1.5, 32: 2.0})),
        goals(
            LEAST, "http write postgres {}", "HTTP write, PostgreSQL / Redis, {} connections", at({4: 1.25, 32: 1.6})
        ),
        goals(LEAST, "http read sqlite {}", "HTTP read, SQLite / Redis, {} connections", at({4: 1.4, 32: 1.8})),
        goals(LEAST, "http write sqlite {}", "HTTP write, SQLite / Redis, {} connections", at({4: 1.0, 32: 2.0})),
        goals(MOST, "calls read functions", "functions of bodhi entered by a session read", 25, "functions"),
        goals(MOST, "calls read files", "files of bodhi entered by a session read", 10, "files"),
        goals(MOST, "calls write functions", "functions of bodhi entered by a session save", 38, "functions"),
        goals(MOST, "calls write files", "files of bodhi entered by a session save", 12, "files"),
        goals(MOST, "calls ping functions", "functions of bodhi entered by GET /ping", 12, "functions"),
        goals(MOST, "calls callback functions", "functions of bodhi entered by a login callback", 150, "functions"),
        goals(MOST, "calls callback files", "files of bodhi entered by a login callback", 40, "files"),
        goals(
            LEAST,
            "load postgres {}",
            "load, PostgreSQL / prepared fetchrow, {} in flight",
            at({1: 0.9, 16: 1.6, 64: 2.4}),
        ),
        goals(LEAST, "load sqlite {}", "load, SQLite / naive aiosqlite, {} in flight", at({1: 2.0, 16: 3.2})),
        goals(MOST, "load p99 sqlite", "load p99 with 8 writers, SQLite", 1, "ms"),
        goals(LEAST, "gate {}", "behind a gate / the same handler without one, {}", at({"session": 0.9, "token": 0.9})),
        goals(LEAST, "verify {} 4", "verify, {} / logins in Redis, 4 connections", both(1.5)),
        goals(LEAST, "verify {} 32", "verify, {} / logins in Redis, 32 connections", both(2.0)),
        goals(MOST, "page {}", "longest page of a user's 10,000 sessions, {}", both(20), "ms"),
        goals(MOST, "clear sqlite", "longest other request while a user's 10,000 sessions end, SQLite", 50, "ms"),
        goals(MOST, "revocation {}", "end of a session to the close of its websocket elsewhere, p99, {}", both(1), "s"),
        goals(MOST, "revocation postgres without LISTEN", "the same without LISTEN, as behind PgBouncer", 1, "s"),
        goals(MOST, "growth {}", "load p50, many rows / 10,000 rows, {}", at({"postgres": 1.1, "sqlite": 1.8})),
        goals(
            MOST,
            "stall {}",
            "longest stall of a save while all rows expire, {}",
            at({"postgres": 20, "sqlite": 50}),
            "ms",
        ),
        goals(LEAST, "copy to {}", "sessions copied to {}, thousands a second", both(20), "k/s"),
        goals(MOST, "copy memory {}", "memory that copying to {} takes", both(30), "MB"),
        goals(
            MOST, "dump memory {}", "memory by which a dump grows after its first 10,000 sessions, {}", both(5), "MB"
        ),
        goals(MOST, "memory {}", "memory of a server process over aiohttp alone, {}", both(17), "MB"),
        goals(MOST, "start sqlite", "start to first answer, SQLite", 0.45, "s"),
    )
    for goal in row
)
