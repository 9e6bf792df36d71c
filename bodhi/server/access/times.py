"""Conversion between stored times (milliseconds since 1970) and datetimes."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time_of(milliseconds: int) -> datetime:
    """Return the time in UTC."""
    return EPOCH + timedelta(milliseconds=milliseconds)


def milliseconds_of(time: datetime) -> int:
    """Return the time-zone-aware *time* in milliseconds since 1970, rounded down."""
    return (time - EPOCH) // timedelta(milliseconds=1)
