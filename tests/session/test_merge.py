"""Three-way merge by top-level key."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bodhi.session.codec import encode
from bodhi.session.merge import merge

VALUES = st.sampled_from([0, 1, 1.0, True, None, "1", [], [1], {}, {"a": 1}, float("nan")])
DATA = st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=4)
BOUNDED = settings(max_examples=300)
ABSENT = object()


def _same(one, other):
    return (one is ABSENT) == (other is ABSENT) and (one is ABSENT or encode({"": one}) == encode({"": other}))


@BOUNDED
@given(DATA, DATA, DATA)
def test_merge_takes_each_key_from_the_side_that_changed_it(base, mine, theirs):
    """Mine where I changed it, theirs where I did not; overwritten is what both changed."""
    merged = merge(base, mine, theirs)

    overwritten = []
    for key in {*base, *mine, *theirs}:
        was, my, their = base.get(key, ABSENT), mine.get(key, ABSENT), theirs.get(key, ABSENT)
        expected = their if _same(was, my) else my
        assert _same(expected, merged.data.get(key, ABSENT)), key
        if not _same(was, my) and not _same(was, their):
            overwritten.append(key)
    assert sorted(overwritten) == sorted(merged.overwritten)
    assert set(merged.data) <= {*base, *mine, *theirs}


@BOUNDED
@given(DATA, DATA)
def test_merge_without_other_changes_keeps_my_data(base, mine):
    """Where the others changed nothing, the outcome is what I made of it."""
    merged = merge(base, mine, copy.deepcopy(base))

    assert encode(dict(sorted(mine.items()))) == encode(dict(sorted(merged.data.items())))
    assert () == merged.overwritten


@BOUNDED
@given(DATA, DATA)
def test_a_request_without_changes_takes_theirs(base, theirs):
    """Nothing is undone by a request that changed nothing."""
    merged = merge(base, copy.deepcopy(base), theirs)

    assert encode(dict(sorted(theirs.items()))) == encode(dict(sorted(merged.data.items())))
    assert () == merged.overwritten


@pytest.mark.parametrize(
    ("base", "mine", "theirs", "expected", "overwritten"),
    [
        ({}, {"a": 1}, {"b": 2}, {"a": 1, "b": 2}, ()),
        ({"a": 1}, {"a": 2}, {"a": 3}, {"a": 2}, ("a",)),
        ({"a": 1}, {}, {"a": 3}, {}, ("a",)),
        ({"a": 1}, {"a": 2}, {}, {"a": 2}, ("a",)),
        ({"a": 1}, {}, {}, {}, ("a",)),
        ({"a": 1}, {"a": 1}, {}, {}, ()),
        ({"a": 1}, {}, {"a": 1}, {}, ()),
        ({"a": 1}, {"a": True}, {"a": 1}, {"a": True}, ()),
        ({"a": 1}, {"a": 1}, {"a": 1.0}, {"a": 1.0}, ()),
        ({"a": [1]}, {"a": [1, 2]}, {"a": [1], "b": 1}, {"a": [1, 2], "b": 1}, ()),
        ({}, {"a": 1}, {"a": 1}, {"a": 1}, ("a",)),
    ],
)
def test_merge_of_one_key(base, mine, theirs, expected, overwritten):
    """Case by case; 1, 1.0 and True are different values."""
    merged = merge(base, mine, theirs)

    assert repr(sorted(expected.items())) == repr(sorted(merged.data.items()))
    assert overwritten == merged.overwritten


def test_merge_keeps_the_identity_of_unchanged_values():
    """A handler that keeps a reference into its session goes on changing the session."""
    cart = ["apple"]

    merged = merge({"cart": ["apple"]}, {"cart": cart}, {"cart": ["apple"], "theirs": 1})

    assert merged.data["cart"] is cart


@BOUNDED
@given(DATA, DATA, DATA)
def test_no_input_is_changed(base, mine, theirs):
    """The three stay as they were: a merge may be made again."""
    before = [repr(data) for data in (base, mine, theirs)]

    merge(base, mine, theirs)

    assert before == [repr(data) for data in (base, mine, theirs)]
