"""A fixed current time for all screenshots and the demo server.

Importing this replaces the functions of :mod:`time` that return the current time, for modules
imported afterwards. Durations are measured as usual.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

NOW = datetime(2026, 11, 24, 14, 32, tzinfo=UTC)

_times = [NOW]


@contextmanager
def ago(**span: float) -> Iterator[None]:
    """Set the time back inside the block: ``ago(hours=2)``."""
    _times.append(NOW - timedelta(**span))
    try:
        yield
    finally:
        _times.pop()


def milliseconds_ago(**span: float) -> int:
    """Return a past time in milliseconds since 1970."""
    return round((NOW - timedelta(**span)).timestamp() * 1000)


def _seconds() -> float:
    return _times[-1].timestamp()


def _nanoseconds() -> int:
    return round(_seconds() * 1000) * 1_000_000


time.time = _seconds
time.time_ns = _nanoseconds
