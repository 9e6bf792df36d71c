"""Session data to bytes and back: JSON, with a first byte that says who wrote it."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from bodhi.session.errors import SessionDataError, Unreadable

# msgspec, or the json module where the two would differ.
_MSGSPEC, _JSON = b"\x01", b"\x02"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def encode(data: Mapping[str, Any]) -> bytes:
    """*data* as the bytes that are encrypted; equal data in equal order gives equal bytes.

    It means what ``json.dumps`` and ``json.loads`` mean, at msgspec's speed: what comes back different from
    msgspec (big integers, NaN, keys that are no strings) is left to json. Raises :exc:`SessionDataError`.
    """
    try:
        fast = _encode(data)
        if _decode(fast) == data:
            return _MSGSPEC + fast
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
        pass
    try:
        return _JSON + json.dumps(data, separators=(",", ":")).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise SessionDataError(f"the session's {_culprit(data)} cannot be stored as JSON: {error}") from error


def is_unchanged(data: Mapping[str, Any], plaintext: bytes) -> bool:
    """Whether *data* is what :func:`encode` made *plaintext* of, nested values included."""
    if plaintext[:1] == _MSGSPEC:
        try:
            # The second half is for what msgspec writes as something else: a NaN in place of a null.
            return _encode(data) == plaintext[1:] and bool(_decode(plaintext[1:]) == data)
        except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
            return False
    return encode(data) == plaintext


def decode(plaintext: bytes) -> dict[str, Any]:
    """The data in *plaintext*; raises :exc:`Unreadable`."""
    try:
        data = json.loads(plaintext[1:]) if plaintext[:1] == _JSON else _decode(plaintext[1:])
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise Unreadable("the data is no JSON") from error
    if not isinstance(data, dict):
        raise Unreadable("the data is no JSON object")
    return data


def json_text(value: object) -> str:
    """*value* as compact JSON text; raises :exc:`SessionDataError`."""
    try:
        return json.dumps(value, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise SessionDataError(f"the session's user_id cannot be stored as JSON: {error}") from error


def _culprit(data: Mapping[str, Any]) -> str:
    for key, value in data.items():
        try:
            json.dumps(value)
        except (TypeError, ValueError, RecursionError):
            return f"key {key!r}"
    return "data"
