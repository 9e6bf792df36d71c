"""Snapshot of a process's metrics, and the merge of several."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

LIVE_SECONDS = 15.0  # maximum age of the number of live sessions, which is expensive to count

Labels = tuple[str, ...]  # the metric's name, then the values of its labels


class Live(NamedTuple):
    """Number of live sessions, and when it was counted (seconds since 1970)."""

    counted_at: float
    sessions: int


class Snapshot(msgspec.Struct):
    """Values by metric and labels."""

    taken_at: float = 0.0  # seconds since 1970
    counts: dict[Labels, float] = {}
    times: dict[Labels, list[float]] = {}  # rows of :class:`~bodhi.metrics.requests.RequestTimes`
    levels: dict[Labels, float] = {}  # gauges
    live: Live | None = None

    def after(self, past: "Snapshot") -> "Snapshot":
        """Add the counts of *past*, a process that has ended; its gauges are dropped."""
        return msgspec.structs.replace(
            self, counts=_summed([past.counts, self.counts]), times=_rows_summed([past.times, self.times])
        )


def merge_snapshots(snapshots: Iterable[Snapshot], *, levels_since: float, live_since: float) -> Snapshot:
    """Sum the snapshots of all processes; gauges older than *levels_since* are left out.

    The number of live sessions is the newest counted since *live_since*, or None.
    """
    every = list(snapshots)
    fresh = [part for part in every if part.taken_at >= levels_since]
    return Snapshot(
        taken_at=max((part.taken_at for part in every), default=0.0),
        counts=_summed(part.counts for part in every),
        times=_rows_summed(part.times for part in every),
        levels=_summed(part.levels for part in fresh),
        live=max((part.live for part in every if part.live and part.live.counted_at > live_since), default=None),
    )


def _summed(parts: Iterable[dict[Labels, float]]) -> dict[Labels, float]:
    total: dict[Labels, float] = {}
    for part in parts:
        for labels, value in part.items():
            total[labels] = total.get(labels, 0) + value
    return total


def _rows_summed(parts: Iterable[dict[Labels, list[float]]]) -> dict[Labels, list[float]]:
    total: dict[Labels, list[float]] = {}
    for part in parts:
        for labels, row in part.items():
            known = total.get(labels)
            total[labels] = list(row) if known is None else [a + b for a, b in zip(known, row, strict=True)]
    return total
