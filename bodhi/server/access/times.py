"""Times as the database keeps them, milliseconds since 1970, and as Python and JSON have them."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time_of(milliseconds: int) -> datetime:
    """The time in UTC, exact to the millisecond."""
    return EPOCH + timedelta(milliseconds=milliseconds)


def milliseconds_of(time: datetime) -> int:
    """*time*, which carries its zone, in whole milliseconds since 1970."""
    return (time - EPOCH) // timedelta(milliseconds=1)
