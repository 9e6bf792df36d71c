"""What a request still has to write of its session, for what it loaded and what it did: the whole table."""

import pytest

from bodhi.session.changes import StoredSession
from bodhi.session.codec import decode, encode
from bodhi.session.pending import Change, Pending, decide
from bodhi.session.records import NOWHERE, SessionRecord

CART = {"cart": [1]}
FULL = {"cart": [1, 2]}
ALICE = {"cart": [1], "user_id": "alice"}


def loaded(data):
    """A stored session with *data*, as a request loads it."""
    record = SessionRecord(b"d" * 32, b"", data.get("user_id"), 1, 0, 0, 0, 0, 0, NOWHERE)
    return StoredSession(record, encode(data), decode(encode(data)))


# What was loaded (None: nothing), what the session holds now, what was asked for beside that, and what is to be
# written: before the response's headers are sent, and after.
TABLE = {
    "nobody stored anything": (None, {}, "", Pending.NOTHING, Pending.NOTHING),
    "something is stored for the first time": (None, CART, "", Pending.CREATE, Pending.LOST),
    "an empty list and an empty text are stored for the first time": (
        None,
        {"flash": [], "next": "", "cart": {}, "who": None},
        "",
        Pending.CREATE,
        Pending.NOTHING,
    ),
    "a number is stored for the first time": (None, {"visits": 0}, "", Pending.CREATE, Pending.LOST),
    "a choice is stored for the first time": (None, {"newsletter": False}, "", Pending.CREATE, Pending.LOST),
    "a login without a session before": (None, ALICE, "", Pending.CREATE, Pending.LOST),
    "an empty one gets a max_age": (None, {}, "chosen_max_age", Pending.NOTHING, Pending.NOTHING),
    "an empty one is to be saved": (None, {}, "is_forced", Pending.DELETE, Pending.DELETE),
    "an empty one is to be rotated": (None, {}, "is_rotated", Pending.DELETE, Pending.DELETE),
    "a logout without a session": (None, {}, "is_invalidated", Pending.DELETE, Pending.DELETE),
    "the session is read": (CART, CART, "", Pending.NOTHING, Pending.NOTHING),
    "it is read by its user": (ALICE, ALICE, "", Pending.NOTHING, Pending.NOTHING),
    "a list becomes an equal tuple": (CART, {"cart": (1,)}, "", Pending.NOTHING, Pending.NOTHING),
    "its data changes": (CART, FULL, "", Pending.UPDATE, Pending.UPDATE),
    "1 becomes True": (CART, {"cart": [True]}, "", Pending.UPDATE, Pending.UPDATE),
    "its data changes while the user stays": (ALICE, {**ALICE, "a": 1}, "", Pending.UPDATE, Pending.UPDATE),
    "it is to be saved as it is": (CART, CART, "is_forced", Pending.UPDATE, Pending.UPDATE),
    "it gets another max_age": (CART, CART, "chosen_max_age", Pending.UPDATE, Pending.UPDATE),
    "it is emptied": (CART, {}, "", Pending.UPDATE, Pending.UPDATE),
    "it is emptied and to be rotated": (CART, {}, "is_rotated", Pending.UPDATE, Pending.UPDATE),
    "it is rotated": (CART, CART, "is_rotated", Pending.ROTATE, Pending.LOST),
    "its visitor logs in": (CART, ALICE, "", Pending.ROTATE, Pending.LOST),
    "another user logs in": (ALICE, {**CART, "user_id": "bob"}, "", Pending.ROTATE, Pending.LOST),
    "its user is forgotten": (ALICE, CART, "", Pending.ROTATE, Pending.LOST),
    "a logout": (ALICE, {}, "is_invalidated", Pending.DELETE, Pending.DELETE),
    # The session ends even where nothing can take its place any more.
    "a logout and a greeting": (ALICE, {"flash": "bye"}, "is_invalidated", Pending.CREATE, Pending.DELETE),
    "a logout and the same again": (ALICE, ALICE, "is_invalidated", Pending.CREATE, Pending.DELETE),
}


@pytest.mark.parametrize(("stored", "data", "asked", "before", "after"), TABLE.values(), ids=TABLE)
def test_decision_table(stored, data, asked, before, after):
    """One value says what is to be written, and whether it still can be."""
    change = Change(data, encode(data), data.get("user_id"), **({asked: True} if asked else {}))
    session = None if stored is None else loaded(stored)

    assert before == decide(session, change, headers_sent=False)
    assert after == decide(session, change, headers_sent=True)


def test_a_change_shows_no_data():
    """Its repr may be logged."""
    assert "secret" not in repr(Change({"a": "secret"}, encode({"a": "secret"}), None))
