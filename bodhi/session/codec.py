"""Encode and decode session data: JSON, with a first byte that names the encoder."""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec

from bodhi.keyring import Unreadable
from bodhi.session.errors import SessionDataError

# msgspec, or the json module for values that the two encode differently.
_MSGSPEC, _JSON = b"\x01", b"\x02"

DEEPEST = 200  # levels of nesting

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def encode(data: Mapping[str, Any], *, base: bytes = b"", changed: Collection[str] = ()) -> bytes:
    """Encode *data*; equal data in equal order gives equal bytes.

    Equivalent to ``json.dumps`` and ``json.loads``, at msgspec's speed: values that do not round-trip through
    msgspec (big integers, NaN, non-string keys) are left to json. With *base*, *data* is what it decodes to except
    for the keys in *changed*; only these are examined. Raises :exc:`SessionDataError`.
    """
    try:
        fast = encoded = _encode(data)
        examined = data
        if base[:1] == _MSGSPEC:  # data written by msgspec round-trips
            examined = {}
            for key in changed:
                if key in data:
                    examined[key] = data[key]
            encoded = _encode(examined)
        if _decode(encoded) == examined:
            if len(encoded) > 2 * DEEPEST:
                _refuse_too_deep(encoded, examined)
            return _MSGSPEC + fast
    except Exception:  # noqa: BLE001, S110 - what msgspec refuses; and values' own methods may raise anything
        pass
    try:
        slow = _json_bytes(data)
    except Exception as error:
        raise SessionDataError(f"the session's {_culprit(data)} cannot be stored as JSON: {error}") from error
    _refuse_too_deep(slow, data)
    return _JSON + slow


def same_data(one: bytes, other: bytes) -> bool:
    """Return whether two results of :func:`encode` hold the same data, in the same order."""
    if one[:1] == other[:1]:
        return one == other
    # Either may have written equal data: json writes values that msgspec would decode differently, such as tuples.
    return _json_bytes(decode(one)) == _json_bytes(decode(other))


def decode(plaintext: bytes) -> dict[str, Any]:
    """Decode *plaintext*; raise :exc:`Unreadable`."""
    encoding = plaintext[:1]
    if encoding not in (_MSGSPEC, _JSON):
        raise Unreadable("the data is in an unknown encoding")
    try:
        data = _decode(plaintext[1:]) if encoding == _MSGSPEC else json.loads(plaintext[1:])
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise Unreadable("the data is no JSON") from error
    if not isinstance(data, dict):
        raise Unreadable("the data is no JSON object")
    return data


def json_text(value: object) -> str:
    """Return *value* as compact JSON text; raise :exc:`SessionDataError`."""
    try:
        return json.dumps(value, separators=(",", ":"))
    except Exception as error:
        raise SessionDataError(f"the session's user_id cannot be stored as JSON: {error}") from error


def _json_bytes(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode("ascii")


def _refuse_too_deep(encoded: bytes, data: Mapping[str, Any]) -> None:
    # Data written here must be decodable at any stack depth. Only data with many brackets needs the check.
    if encoded.count(b"[") + encoded.count(b"{") <= DEEPEST:
        return
    level: list[object] = [data]
    for _ in range(DEEPEST):
        level = [inner for value in level for inner in _inside(value)]
    if level:
        raise SessionDataError(f"the session's data is nested more than {DEEPEST} levels deep")


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


def _culprit(data: Mapping[str, Any]) -> str:
    for key, value in data.items():
        try:
            json.dumps({key: value})
        except Exception:  # noqa: BLE001 - as above
            return f"key {key!r}"
    return "data"
