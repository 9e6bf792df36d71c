"""The environment of a benchmark run, and the figures that measurements return."""

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


class Unavailable(Exception):
    """A required program is not installed; the message names it and how to install it."""


@dataclass(slots=True)
class Figures:
    """The results: *values* by the names in the goals, *tables* with details, and what was *skipped*."""

    values: dict[str, float] = field(default_factory=dict)
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Environment:
    """The options, folder, servers and cores of a run; the URL of an unavailable server is None."""

    folder: Path
    postgres_url: str | None
    redis_url: str | None
    server_core: int
    other_cores: frozenset[int]
    quick: bool = False
    large: bool = False

    def postgres_database(self, name: str) -> str:
        """Create an empty PostgreSQL database and return its URL; raise :exc:`Unavailable`."""
        if self.postgres_url is None:
            raise Unavailable("PostgreSQL")
        return create_database(self.postgres_url, name)

    def sqlite_file(self, name: str) -> Path:
        """Return a path for a SQLite file in the temporary folder of the run."""
        return self.folder / f"{name}.sqlite"

    def url_for(self, candidate: str, measurement: str) -> str:
        """Return the URL of an empty database for a candidate of :mod:`bench.candidates`; raise :exc:`Unavailable`."""
        if candidate == REFERENCE:
            if self.redis_url is None:
                raise Unavailable("Redis")
            return self.redis_url
        if candidate == "pool" or "postgres" in candidate:
            return self.postgres_database(f"{measurement}_{candidate}")
        path = self.sqlite_file(f"{measurement}_{candidate}")
        return f"sqlite:{path}" if "sqlite" in candidate else str(path)

    @contextmanager
    def on_server_core(self) -> Iterator[None]:
        """Run this process on the core of measured servers; databases and load stay on the other cores."""
        before = _affinity()
        _pin({self.server_core})
        try:
            yield
        finally:
            _pin(before)


def log_progress(text: str) -> None:
    """Print progress to standard error."""
    print(text, file=sys.stderr, flush=True)


def median_ratio(numbers: Sequence[float], references: Sequence[float]) -> float:
    """Return the median of the ratios of values measured side by side, so that a busy minute affects both."""
    return statistics.median(number / reference for number, reference in zip(numbers, references, strict=True))


def percentile(numbers: Sequence[float], share: float) -> float:
    """Return the value that the *share* (e.g. 0.99) of *numbers* do not exceed."""
    ordered = sorted(numbers)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def leave_core(core: int, others: frozenset[int]) -> None:
    """Move this process, and processes it starts, to the other cores."""
    _pin(set(others) or {core})


def cores() -> list[int]:
    """Return the cores that this process may use; [0] if the system does not report them."""
    return sorted(_affinity()) or [0]


def _affinity() -> set[int]:
    return set(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else set()


def _pin(to: set[int]) -> None:
    if to and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, to)
