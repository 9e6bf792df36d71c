"""Session data comes back as ``json.loads(json.dumps(data))`` gives it back, or is refused by name."""

import collections
import contextlib
import dataclasses
import datetime as dt
import decimal
import enum
import json
import math
import types
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bodhi.keyring import Unreadable
from bodhi.session.codec import decode, encode, same_data
from bodhi.session.errors import SessionDataError


def is_unchanged(data, stored):
    """Whether a session that now holds *data* needs no save; what cannot be stored is a change."""
    try:
        return same_data(encode(data), stored)
    except SessionDataError:
        return False


TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=8)  # lone surrogates too
SCALARS = st.none() | st.booleans() | st.integers() | st.integers(-(2**70), 2**70) | st.floats() | TEXT
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(TEXT, inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.integers() | st.booleans() | st.none() | st.floats(), inner, max_size=2)
    ),
    max_leaves=12,
)
DATA = st.dictionaries(TEXT, VALUES, max_size=5)
BOUNDED = settings(max_examples=150)


def _meaning(data):
    """What the json module makes of *data*, so that equal means equal: types, signs and NaN included."""
    return repr(json.loads(json.dumps(data)))


@BOUNDED
@given(DATA)
def test_a_round_trip_means_what_json_means(data):
    """Big integers, NaN, -0.0, half surrogates, tuples and keys that are no strings included."""
    assert _meaning(data) == repr(decode(encode(data)))


@BOUNDED
@given(DATA)
def test_encoding_again_changes_nothing(data):
    """What came back is stored as the same value, and counts as unchanged."""
    once = encode(data)

    assert encode(decode(once)) == encode(decode(encode(decode(once))))
    assert is_unchanged(decode(once), once)
    assert is_unchanged(data, once)


@BOUNDED
@given(DATA, DATA)
def test_only_changed_keys_are_encoded(data, changes):
    """The same bytes come out where only the keys that changed are examined, whatever wrote the others."""
    base = encode(data)
    changed = {**decode(base), **changes}

    assert encode(changed) == encode(changed, base=base, changed=changes)


@BOUNDED
@given(DATA, DATA)
def test_unchanged_means_the_same_to_json(data, other):
    """No two values that json tells apart pass for one another."""
    if is_unchanged(other, encode(data)):
        assert _meaning(data) == _meaning(other)


@pytest.mark.parametrize(
    "value",
    [
        2**63,
        2**64,
        -(2**63) - 1,
        10**400,
        -0.0,
        5e-324,
        1.7976931348623157e308,
        math.inf,
        -math.inf,
        "\0",
        "\ud800",
        "\udfff\ud800",
        "\U0001f600",
        "</script>\u2028",
        {"\ud800": 1},
        {"": {"": {}}},
        {1: "one"},
        {"1": "text", 1: "number"},
        {True: 1, None: 2, 1.5: 3},
        [[], {}, (), ""],
        (1, (2,)),
        collections.OrderedDict(b=1, a=2),
        collections.defaultdict(list, a=[1]),
        collections.Counter("aab"),
    ],
    ids=repr,
)
def test_the_corners_of_json_come_back(value):
    """Each of them as json does it."""
    assert _meaning({"value": value}) == repr(decode(encode({"value": value})))


def test_nan_comes_back():
    """Also as a change from None, and as no change from itself."""
    stored = encode({"value": math.nan})

    assert math.isnan(decode(stored)["value"])
    assert is_unchanged({"value": math.nan}, stored)
    assert not is_unchanged({"value": math.nan}, encode({"value": None}))
    assert not is_unchanged({"value": None}, stored)


@dataclasses.dataclass
class _Point:
    x: int = 1


class _Color(enum.Enum):
    RED = "red"


class _Size(enum.StrEnum):
    BIG = "big"


class _Number(enum.IntEnum):
    ONE = 1


class _Same:
    def __eq__(self, other):
        return True

    __hash__ = None  # type: ignore[assignment]


NOT_JSON = {
    "object": object(),
    "bytes": b"bytes",
    "bytearray": bytearray(b"bytes"),
    "memoryview": memoryview(b"bytes"),
    "set": {1},
    "frozenset": frozenset([1]),
    "datetime": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    "date": dt.date(2026, 1, 1),
    "time": dt.time(1),
    "timedelta": dt.timedelta(1),
    "decimal": decimal.Decimal("1.5"),
    "uuid": uuid.UUID(int=1),
    "enum": _Color.RED,
    "dataclass": _Point(),
    "mappingproxy": types.MappingProxyType({"a": 1}),
    "deque": collections.deque([1]),
    "complex": 1j,
    "function": print,
    "generator": (i for i in ()),
    "equal to everything": _Same(),
    "tuple as key": {(1, 2): 3},
    "bytes as key": {b"a": 1},
    "date as key": {dt.date(2026, 1, 1): 1},
    "uuid as key": {uuid.UUID(int=1): 1},
}


@pytest.mark.parametrize("value", NOT_JSON.values(), ids=NOT_JSON)
@pytest.mark.parametrize("wrap", [lambda value: value, lambda value: [{"in": value}]], ids=["itself", "nested"])
def test_what_json_cannot_hold_is_refused_by_name(wrap, value):
    """Never silently another type: a date does not come back as a string."""
    with pytest.raises(TypeError):
        json.dumps(value)

    with pytest.raises(SessionDataError, match="'culprit'"):
        encode({"innocent": 1, "culprit": wrap(value)})


LOOKALIKES = {
    "date": ("2026-01-01", dt.date(2026, 1, 1)),
    "uuid": (str(uuid.UUID(int=1)), uuid.UUID(int=1)),
    "decimal": ("1.5", decimal.Decimal("1.5")),
    "bytes": ("Ynl0ZXM=", b"bytes"),
    "enum": ("red", _Color.RED),
    "set": ([1], {1}),
    "dataclass": ({"x": 1}, _Point()),
    "NaN": (None, math.nan),
    "infinity": (None, math.inf),
}


@pytest.mark.parametrize(("stored", "now"), LOOKALIKES.values(), ids=LOOKALIKES)
def test_a_value_in_the_place_of_its_lookalike_is_a_change(stored, now):
    """A date in the place of its own text is refused as it is saved, rather than passed over."""
    assert not is_unchanged({"value": now}, encode({"value": stored}))


@pytest.mark.parametrize("key", [(1, 2), b"key", object()], ids=["tuple", "bytes", "object"])
def test_a_key_that_json_cannot_hold_is_refused_by_name(key):
    """The message names the key itself."""
    with pytest.raises(SessionDataError) as refused:
        encode({"innocent": 1, key: 1})

    assert repr(key) in str(refused.value)


@pytest.mark.parametrize(
    "value",
    [_Size.BIG, _Number.ONE, type("Text", (str,), {})("x"), type("N", (int,), {})(3)],
    ids=["StrEnum", "IntEnum", "str", "int"],
)
def test_subclasses_of_text_and_numbers_are_stored_as_what_they_are(value):
    """As json does it."""
    assert _meaning({"value": value}) == repr(decode(encode({"value": value})))


class _Moody(dict):
    def __eq__(self, other):
        raise RuntimeError("not today")

    __hash__ = None


class _Closed(dict):
    def items(self):
        raise LookupError("closed")

    __iter__ = keys = items


@pytest.mark.parametrize("wrap", [lambda value: value, lambda value: [{"in": value}]], ids=["itself", "nested"])
def test_objects_that_cannot_be_compared_are_stored_as_json_reads_them(wrap):
    """A value's own methods may raise anything."""
    assert {"moody": wrap({"a": 1})} == decode(encode({"moody": wrap(_Moody(a=1))}))


@pytest.mark.parametrize("wrap", [lambda value: value, lambda value: [{"in": value}]], ids=["itself", "nested"])
def test_objects_that_cannot_be_read_are_refused_by_name(wrap):
    """As values that JSON cannot hold."""
    with pytest.raises(SessionDataError, match="'closed'"):
        encode({"closed": wrap(_Closed(a=float("nan")))})


def test_what_contains_itself_is_refused_by_name():
    """There is no end to it."""
    loop = []
    loop.append(loop)

    with pytest.raises(SessionDataError, match="'loop'"):
        encode({"loop": loop})


@pytest.mark.parametrize("depth", [50, 300, 700, 5_000, 200_000])
def test_deep_nesting_comes_back_or_is_refused(depth):
    """It never comes back as damaged, also where the stack is fuller than it was."""
    value = []
    for _ in range(depth):
        value = [value]

    def deeper(frames):
        return decode(stored) if frames == 0 else deeper(frames - 1)

    try:
        stored = encode({"deep": value})
    except SessionDataError:
        return  # the shallowest must not be: see the next test
    assert "deep" in deeper(250)


def test_reasonable_nesting_is_no_fault():
    """Fifty levels are more than any form has."""
    value = []
    for _ in range(50):
        value = [value]

    assert {"deep": value} == decode(encode({"deep": value}))


@pytest.mark.parametrize(
    "plaintext",
    [
        b"",
        b"\x01",
        b"\x02",
        b"\x01{",
        b"\x02{",
        b"\x01[]",
        b"\x01null",
        b"\x01\xff",
        b"\x02\xff",
        b"{}",
        b"\x03{}",
        b"\x00{}",
    ],
)
def test_bytes_that_the_codec_did_not_write_are_unreadable(plaintext):
    """No other error gets out, whatever is there."""
    with pytest.raises(Unreadable):
        decode(plaintext)


@BOUNDED
@given(st.binary(max_size=40))
def test_any_bytes_are_readable_or_unreadable(plaintext):
    """There is no third outcome."""
    with contextlib.suppress(Unreadable):
        assert isinstance(decode(plaintext), dict)


def test_not_comparable_data_is_changed():
    """What cannot be encoded any more counts as changed, whatever was stored."""
    for stored in ({"a": 1}, {"a": math.nan}):
        assert not is_unchanged({"a": object()}, encode(stored))


@pytest.mark.parametrize(
    ("one", "other"), [(1, True), (0, False), (1, 1.0), (0.0, -0.0), ("1", 1), ([], {}), ("", None), ([1], (1, 2))]
)
def test_values_that_python_considers_equal_are_distinguished(one, other):
    """1, 1.0 and True are equal to Python, and different in JSON."""
    assert not is_unchanged({"a": other}, encode({"a": one}))
