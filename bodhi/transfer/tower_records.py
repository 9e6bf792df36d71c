"""Decoder for records of tower-sessions' SQL stores: an id in base64url, and MessagePack.

``[id, {name: JSON value}, [year, day of the year, hour, minute, second, nanosecond, offset's h, m, s]]``, the id as 16
bytes in big-endian order. The cookie holds the same id as text: base64url of its 16 bytes in little-endian order.
"""

import base64
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from bodhi.errors import BodhiError

ID_BYTES = 16
DEEPEST = 200  # levels of nesting, as in session data of our own
_ID = re.compile(r"[A-Za-z0-9_-]{22}")
_DAYS_TO_1970 = 719_162  # from the first day of the year 1
_DAY_MS = 86_400_000
_INTEGERS = range(-(2**63), 2**64)


class Undecodable(BodhiError):
    """The row is not a record of tower-sessions."""


@dataclass(frozen=True, slots=True)
class TowerRecord:
    """One session of a server that uses tower-sessions."""

    session_id: str  # the cookie's value
    data: dict[str, Any]
    expires_at: int  # milliseconds since 1970, UTC

    def __repr__(self) -> str:
        return f"<TowerRecord until {self.expires_at}>"


def decoded(session_id: object, data: object, expiry_date: object) -> TowerRecord:
    """Decode the record in one row; raise :exc:`Undecodable`.

    *expiry_date* is the column as it is found. The record's own expiry decides; the column can only make it earlier.
    """
    number = _number_of(session_id)
    if not isinstance(data, bytes):
        raise Undecodable("data is not bytes")
    try:
        fields = msgspec.msgpack.decode(data, ext_hook=_refuse_extension)
    except Undecodable:
        raise
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
        raise Undecodable("data is not MessagePack") from error
    if not isinstance(fields, list) or len(fields) != 3:
        raise Undecodable("data is not an array of id, data and expiry")
    if _id_bytes(fields[0]) != number.to_bytes(ID_BYTES, "big"):
        raise Undecodable("the id in data is another one")
    if not isinstance(fields[1], dict):
        raise Undecodable("the session's data is not a map")
    column = column_ms(expiry_date)
    expires_at = expiry_ms(fields[2])
    return TowerRecord(
        str(session_id), _json(fields[1], DEEPEST), expires_at if column is None else min(expires_at, column)
    )


def expiry_ms(fields: object) -> int:
    """Return a serialized ``OffsetDateTime`` in milliseconds since 1970; raise :exc:`Undecodable`."""
    if not isinstance(fields, list) or len(fields) != 9 or not all(type(field) is int for field in fields):
        raise Undecodable("the expiry is not an array of nine integers")
    year, day, hour, minute, second, nanosecond, *offset = fields
    limits = (
        (year, -999_999, 999_999),
        (day, 1, 366 if _is_leap(year) else 365),
        (hour, 0, 23),
        (minute, 0, 59),
        (second, 0, 59),
        (nanosecond, 0, 999_999_999),
        (offset[0], -25, 25),
        (offset[1], -59, 59),
        (offset[2], -59, 59),
    )
    if not all(low <= value <= high for value, low, high in limits):
        raise Undecodable("the expiry is no moment")
    before = year - 1
    days = 365 * before + before // 4 - before // 100 + before // 400 + day - 1 - _DAYS_TO_1970
    seconds = hour * 3600 + minute * 60 + second - _offset_seconds(offset)
    return int(days * _DAY_MS + seconds * 1000 + nanosecond // 1_000_000)


def column_ms(expiry_date: object) -> int | None:
    """Return the column ``expiry_date`` (seconds or text) in milliseconds since 1970, or None if it is invalid."""
    if isinstance(expiry_date, bool):
        return None
    if isinstance(expiry_date, int):
        return expiry_date * 1000
    if isinstance(expiry_date, float) and math.isfinite(milliseconds := expiry_date * 1000):
        return math.floor(milliseconds)
    return _text_ms(expiry_date) if isinstance(expiry_date, str) else None


_TEXT = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d{1,2}:\d\d:\d\d)(?:\.(\d+))?\s*(?:Z|UTC|([+-])(\d\d):?(\d\d)(?::?(\d\d))?)?",
    re.IGNORECASE,
)


def _text_ms(text: str) -> int | None:
    # RFC 3339, what SQLite's datetime() gives, and what Rust's time and chrono print.
    match = _TEXT.fullmatch(text.strip())
    if match is None:
        return None
    day, clock, fraction, sign, *offset = match.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock:0>8}").replace(tzinfo=UTC)
    except ValueError:
        return None
    ahead = _offset_seconds([int(part or 0) for part in offset]) * (-1 if sign == "-" else 1)
    return (round(moment.timestamp()) - ahead) * 1000 + int(f"{fraction or 0:0<3}"[:3])


def _number_of(session_id: object) -> int:
    """Return the 128-bit number encoded by the text."""
    if not isinstance(session_id, str) or _ID.fullmatch(session_id) is None:
        raise Undecodable("the id is not 22 characters of base64url")
    raw = base64.urlsafe_b64decode(session_id + "==")
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != session_id:
        raise Undecodable("the id has bits beyond its 128")  # no server wrote it, and none would find it
    return int.from_bytes(raw, "little")


def _id_bytes(field: object) -> bytes:
    """The id in the record: bytes, or an array of as many integers."""
    if isinstance(field, bytes):
        return field
    if isinstance(field, list) and all(type(byte) is int and 0 <= byte <= 255 for byte in field):
        return bytes(field)
    raise Undecodable("the id in data is not bytes")


def _json(value: Any, levels: int) -> Any:
    """Convert *value* to JSON; NaN and infinity become null, as in serde_json."""
    if isinstance(value, dict):
        if not levels or not all(isinstance(name, str) for name in value):
            raise Undecodable("the session's data is nested too deep, or has a name that is no text")
        return {name: _json(inner, levels - 1) for name, inner in value.items()}
    if isinstance(value, list):
        if not levels:
            raise Undecodable("the session's data is nested too deep")
        return [_json(inner, levels - 1) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | str | float) or (isinstance(value, int) and value in _INTEGERS):
        return value
    raise Undecodable(f"the session's data holds {type(value).__name__}, which JSON has not")


def _refuse_extension(code: int, data: memoryview) -> object:
    raise Undecodable(f"the session's data holds the MessagePack extension {code}")


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _offset_seconds(offset: Sequence[int]) -> int:
    # One sign for all three, that of the first which is not zero.
    sign = next((1 if part > 0 else -1 for part in offset if part), 1)
    hours, minutes, seconds = (abs(part) for part in offset)
    return sign * (hours * 3600 + minutes * 60 + seconds)
