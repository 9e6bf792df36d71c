"""The moment at which all pictures are taken, and that the server takes for now.

When this is imported, it puts itself in the place of the functions of :mod:`time` that tell what time it is; what is
imported afterwards reads this one. How much time passes is still measured as ever.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

NOW = datetime(2026, 11, 24, 14, 32, tzinfo=UTC)

_times = [NOW]


@contextmanager
def ago(**span: float) -> Iterator[None]:
    """Inside, it is so much earlier: ``ago(hours=2)``."""
    _times.append(NOW - timedelta(**span))
    try:
        yield
    finally:
        _times.pop()


def milliseconds_ago(**span: float) -> int:
    """That moment, in milliseconds since 1970."""
    return round((NOW - timedelta(**span)).timestamp() * 1000)


def _seconds() -> float:
    return _times[-1].timestamp()


def _nanoseconds() -> int:
    return round(_seconds() * 1000) * 1_000_000


time.time = _seconds
time.time_ns = _nanoseconds
