"""Durations as people write them: ``90s``, ``1h30m``, ``14d``, or a number of seconds.

The grammar::

    duration = number | { integer unit } number unit
    unit     = "d" | "h" | "m" | "s"            largest first, each at most once
    integer  = 1 to 12 of the digits 0 to 9
    number   = integer [ "." 1 to 6 digits ]

So only the last number may have a fraction, as in ``1.5h`` and ``1m0.5s``.
"""

import re
from decimal import Decimal

UNIT_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
HOURS_BEFORE_DAYS = 48  # people write 24h and 36h, but 14d
_NUMBER = r"([0-9]{1,12}(?:\.[0-9]{1,6})?)"
_DURATION = re.compile(
    rf"{_NUMBER}|(?=.)(?!.*\.[0-9]+[dhm].)" + "".join(f"(?:{_NUMBER}{unit})?" for unit in UNIT_SECONDS)
)


def parse_duration(text: str) -> float:
    """Return the seconds in *text*; raise :exc:`ValueError` with a phrase that continues after the text."""
    match = _DURATION.fullmatch(text)
    if not match:
        raise ValueError("is not a duration")
    sizes = (1, *UNIT_SECONDS.values())
    # As float, 1.1h would be 3960.0000000000005 seconds.
    return float(sum(Decimal(number) * size for number, size in zip(match.groups(), sizes, strict=True) if number))


def format_duration(seconds: float) -> str:
    """Return *seconds* as text that :func:`parse_duration` reads: ``0.5s``, ``1h30m``, ``24h``, ``14d``."""
    minutes, left = divmod(Decimal(str(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24) if hours >= HOURS_BEFORE_DAYS else (Decimal(0), hours)
    parts = zip((days, hours, minutes, left.normalize()), UNIT_SECONDS, strict=True)
    return "".join(f"{number:f}{unit}" for number, unit in parts if number) or "0s"
