"""What every measurement is given, and what it gives back."""

import os
import statistics
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.candidates import REFERENCE
from bench.databases import create_database


class Absent(Exception):
    """Something that is measured against is not on this machine; the message says what and how to get it."""


@dataclass(slots=True)
class Figures:
    """What was measured: *values* by the goals' names, *tables* of everything behind them, and what was absent."""

    values: dict[str, float] = field(default_factory=dict)
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """How much is measured, where, and on which servers; a URL is None where the server is absent."""

    folder: Path
    postgres_url: str | None
    redis_url: str | None
    server_core: int
    other_cores: frozenset[int]
    quick: bool = False
    large: bool = False

    def postgres_database(self, name: str) -> str:
        """The URL of an empty database of that name on the PostgreSQL server; raises :exc:`Absent`."""
        if self.postgres_url is None:
            raise Absent("PostgreSQL")
        return create_database(self.postgres_url, name)

    def sqlite_file(self, name: str) -> Path:
        """A path for a SQLite file, in the folder that goes away with the run."""
        return self.folder / f"{name}.sqlite"

    def url_for(self, candidate: str, measurement: str) -> str:
        """Where the candidate of that name (see :mod:`bench.candidates`) finds an empty database; or :exc:`Absent`."""
        if candidate == REFERENCE:
            if self.redis_url is None:
                raise Absent("Redis")
            return self.redis_url
        if candidate == "pool" or "postgres" in candidate:
            return self.postgres_database(f"{measurement}_{candidate}")
        path = self.sqlite_file(f"{measurement}_{candidate}")
        return f"sqlite:{path}" if "sqlite" in candidate else str(path)

    @contextmanager
    def on_server_core(self) -> Iterator[None]:
        """This process where measured servers run; databases and load stay on the other cores."""
        before = _affinity()
        _pin({self.server_core})
        try:
            yield
        finally:
            _pin(before)


def say(text: str) -> None:
    """Progress, for whoever waits."""
    print(text, file=sys.stderr, flush=True)


def median_ratio(numbers: Sequence[float], references: Sequence[float]) -> float:
    """The median of the ratios of what was measured side by side: a slow minute slows both."""
    return statistics.median(number / reference for number, reference in zip(numbers, references, strict=True))


def percentile(numbers: Sequence[float], share: float) -> float:
    """The value that *share* (0.99) of *numbers* do not exceed."""
    ordered = sorted(numbers)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def keep_off(core: int, others: frozenset[int]) -> None:
    """Move this process, and what it will start, to the other cores."""
    _pin(set(others) or {core})


def cores() -> list[int]:
    """The cores that this process may use; one that stands for all where the system cannot say."""
    return sorted(_affinity()) or [0]


def _affinity() -> set[int]:
    return set(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else set()


def _pin(to: set[int]) -> None:
    if to and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, to)
