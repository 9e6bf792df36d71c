"""Records of tower-sessions: as written by its libraries, and everything the format allows."""

import json
from pathlib import Path

import msgspec
import pytest

from bodhi.transfer.tower_records import Undecodable, column_ms, decoded, expiry_ms
from transfer.tower import FAR, FAR_SECONDS, cookie_of, record

# Written by that server's own libraries.
SAMPLES = json.loads(Path(__file__).with_name("tower_sessions.json").read_text("utf-8"))
FAR_MS = FAR_SECONDS * 1000


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["name"])
def test_samples_are_read(sample):
    """Id, data and expiry, to the millisecond."""
    read = decoded(sample["id"], bytes.fromhex(sample["record_hex"]), None)

    assert sample["id"] == read.session_id
    assert sample["data"] == read.data
    assert int(sample["expiry_unix_ns"]) // 1_000_000 == read.expires_at
    assert "header.payload" not in repr(read)


DATA = [
    {"long": "x" * 40, "longer": "é" * 300, "longest": "y" * 70_000},
    {"n": [0, 127, 128, 2**16, 2**32, 2**63, 2**64 - 1, -1, -32, -33, -(2**31), -(2**63)]},
    {"f": [0.5, -1e300], "t": True, "n": None, "deep": {"a": [{"b": [[]]}]}},
    {str(n): n for n in range(70_000)},
    {"user_id": 7},
]


@pytest.mark.parametrize("data", DATA, ids=range(len(DATA)))
def test_every_kind_of_value_is_read(data):
    """Strings and maps of all sizes, integers of 64 bits, floats."""
    assert data == decoded(cookie_of(5), record(5, data), None).data


def test_float32_and_nan_values_are_read():
    """serde_json has no NaN: that server would read null."""
    prefix = b"\x93\xc4\x10" + (5).to_bytes(16, "big")
    data = prefix + b"\x82\xa1a\xca\x3f\x00\x00\x00\xa1b" + b"\xcb" + bytes.fromhex("7ff8000000000000")

    assert {"a": 0.5, "b": None} == decoded(cookie_of(5), data + msgspec.msgpack.encode(FAR), None).data


def test_an_id_may_be_an_array():
    """Sixteen integers in the place of sixteen bytes."""
    data = msgspec.msgpack.encode([list((2**127 + 1).to_bytes(16, "big")), {"a": 1}, FAR])

    assert {"a": 1} == decoded(cookie_of(2**127 + 1), data, None).data


EXT = msgspec.msgpack.Ext(5, b"x")
BAD = {
    "no bytes": (cookie_of(5), "text", None),
    "no id": (None, record(5, {}), None),
    "short id": ("abc", record(5, {}), None),
    "id with further bits": (cookie_of(5)[:-1] + "B", record(5, {}), None),
    "another id": (cookie_of(6), record(5, {}), None),
    "cut short": (cookie_of(5), record(5, {"a": 1})[:-3], None),
    "something after it": (cookie_of(5), record(5, {}) + b"\x00", None),
    "empty": (cookie_of(5), b"", None),
    "no array": (cookie_of(5), msgspec.msgpack.encode({"id": 5}), None),
    "two fields": (cookie_of(5), msgspec.msgpack.encode([(5).to_bytes(16, "big"), {}]), None),
    "id of no bytes": (cookie_of(5), msgspec.msgpack.encode([5, {}, FAR]), None),
    "no map": (cookie_of(5), record(5, [1]), None),
    "a name that is no text": (cookie_of(5), record(5, {"a": {1: 2}}), None),
    "bytes": (cookie_of(5), record(5, {"a": b"x"}), None),
    "extension": (cookie_of(5), record(5, {"a": EXT}), None),
    "timestamp": (cookie_of(5), record(5, {"a": msgspec.msgpack.Ext(-1, b"\x00\x00\x00\x01")}), None),
    "not UTF-8": (cookie_of(5), record(5, {"a": "xy"}).replace(b"xy", b"\xff\xfe"), None),
    "too deep": (
        cookie_of(5),
        b"\x93\xc4\x10" + (5).to_bytes(16, "big") + b"\x81\xa1a" + b"\x91" * 100_000 + b"\xc0" + b"\x90",
        None,
    ),
    "expiry of eight": (cookie_of(5), record(5, {}, FAR[:8]), None),
    "expiry of text": (cookie_of(5), record(5, {}, "2100-01-01T00:00:00Z"), None),
    "day 366": (cookie_of(5), record(5, {}, (2100, 366, 0, 0, 0, 0, 0, 0, 0)), None),
    "hour 24": (cookie_of(5), record(5, {}, (2100, 1, 24, 0, 0, 0, 0, 0, 0)), None),
    "a float": (cookie_of(5), record(5, {}, (2100, 1.0, 0, 0, 0, 0, 0, 0, 0)), None),
}


@pytest.mark.parametrize("row", BAD.values(), ids=BAD)
def test_invalid_records_raise_one_kind_of_error(row):
    """It fails as one kind of error, whatever it is."""
    with pytest.raises(Undecodable):
        decoded(*row)


def test_timestamps_are_read():
    """Leap years, fractions, and offsets of both signs, the smaller parts of which follow the hours."""
    assert [0, 1_582_934_400_000] == [
        expiry_ms([1970, 1, 0, 0, 0, 0, 0, 0, 0]),
        expiry_ms([2020, 60, 0, 0, 0, 0, 0, 0, 0]),
    ]
    assert FAR_MS + 123 == expiry_ms([2100, 1, 0, 0, 0, 123_999_999, 0, 0, 0])
    assert FAR_MS == expiry_ms([2100, 1, 5, 30, 15, 0, 5, 30, 15])
    assert FAR_MS == expiry_ms([2099, 365, 20, 30, 0, 0, -3, -30, 0]) == expiry_ms([2099, 365, 20, 30, 0, 0, -3, 30, 0])
    assert expiry_ms([9999, 365, 0, 0, 0, 0, 0, 0, 0]) > FAR_MS > 0 > expiry_ms([-5, 1, 0, 0, 0, 0, 0, 0, 0])


COLUMNS = {
    FAR_SECONDS: FAR_MS,
    FAR_SECONDS + 0.5: FAR_MS + 500,
    1.7e308: None,
    "2100-01-01T00:00:00Z": FAR_MS,
    "2100-01-01T00:00:00.123456789Z": FAR_MS + 123,
    "2100-01-01 00:00:00": FAR_MS,
    "2100-01-01 0:00:00.0 +00:00:00": FAR_MS,
    "2100-01-01T02:00:00+02:00": FAR_MS,
    "2099-12-31T22:00:00.5-02:00": FAR_MS + 500,
    "2100-13-01T00:00:00Z": None,
    "soon": None,
    b"x": None,
    None: None,
}


@pytest.mark.parametrize("column", COLUMNS)
def test_expiry_column_is_read_in_every_stored_type(column):
    """Seconds, or text of any writer; what cannot be read says nothing."""
    assert COLUMNS[column] == column_ms(column)


def test_expiry_column_can_only_shorten_a_session():
    """The record decides."""
    ends = [
        decoded(cookie_of(5), record(5, {}), column).expires_at for column in (FAR_SECONDS - 1, FAR_SECONDS + 1, "?")
    ]

    assert [FAR_MS - 1000, FAR_MS, FAR_MS] == ends
