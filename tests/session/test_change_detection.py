"""A session is compared with what is stored only where it can differ: nothing may slip through."""

import pytest

from bodhi.session.changes import StoredSession
from bodhi.session.codec import decode, encode
from bodhi.session.records import NOWHERE, SessionRecord
from bodhi.session.session import Session

DATA = {"text": "a", "number": 1, "list": [1, {"deep": []}], "object": {"key": "value"}}


def stored(data):
    """*data* as a request loads it."""
    plaintext = encode(data)
    return StoredSession(SessionRecord(b"d" * 32, b"", None, 1, 0, 0, 0, 0, 0, NOWHERE), plaintext, decode(plaintext))


@pytest.fixture
def session():
    """A session as it was loaded."""
    return Session(stored(DATA))


def saved(session):
    """The session after it was saved, as the manager goes on from it: with the request's own values."""
    change = session.take()
    session.was_stored(StoredSession(session.stored.record, change.plaintext, change.data), change)


def deep(session):
    """A value well inside."""
    return session["list"][1]["deep"]


CHANGES = {
    "set": lambda session: session.update(text="b"),
    "set to what is equal to Python": lambda session: session.update(number=True),
    "new": lambda session: session.setdefault("new", 1),
    "deleted": lambda session: session.pop("text"),
    "cleared": lambda session: session.clear(),
    "inside": lambda session: deep(session).append(1),
    "through values": lambda session: list(session.values())[2].append(1),
    "through items": lambda session: dict(session)["object"].update(key="other"),
    "through get": lambda session: session.get("object").clear(),
}
READS = {
    "text": lambda session: session["text"],
    "all": dict,
    "set to the same": lambda session: session.update(text="a"),
    "set to an equal list": lambda session: session.update(list=[1, {"deep": []}]),
    "changed and changed back": lambda session: deep(session).append(1) or deep(session).pop(),
    "asked about": lambda session: ("text" in session, len(session), list(session), bool(session)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_is_noticed_as_loaded_and_after_a_save(change, session):
    """Whatever way it was made, and once it is saved there is nothing left to save."""
    change(session)
    assert session.is_changed
    saved(session)
    assert session.is_changed is False


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_what_changes_nothing_is_not_saved(read, session):
    """Reading is no change, and neither is what leaves everything as it was."""
    read(session)

    assert not session.is_changed


def test_a_value_that_was_handed_out_before_a_save_counts_after_it(session):
    """A handler may hold on to what it was given."""
    held = deep(session)
    held.append(1)
    saved(session)
    assert not session.is_changed

    held.append(2)
    assert session.is_changed


def test_a_value_that_was_set_counts_after_a_save(session):
    """What a handler put in is still in its hands."""
    mine = [1]
    session["mine"] = mine
    saved(session)
    assert not session.is_changed

    mine.append(2)
    assert session.is_changed


def answered(change, *, is_merged):
    """What the manager answers to a save of *change*; *is_merged*: other requests had saved, too."""
    data = {**change.data, "theirs": 1} if is_merged else change.data
    plaintext = encode(data) if is_merged else change.plaintext
    return StoredSession(stored(DATA).record, plaintext, data)


@pytest.mark.parametrize("is_merged", [False, True])
def test_what_another_task_sets_during_a_save_counts_after_it(is_merged, session):
    """It was not in what was saved."""
    session["text"] = "saved"
    change = session.take()
    answer = answered(change, is_merged=is_merged)
    session["text"] = "meanwhile"
    session.was_stored(answer, change)

    assert "meanwhile" == session["text"]
    assert is_merged == ("theirs" in session)
    assert session.is_changed


@pytest.mark.parametrize("is_merged", [False, True])
def test_what_another_task_deletes_during_a_save_counts_after_it(is_merged, session):
    """It was still in what was saved."""
    session["text"] = "saved"
    change = session.take()
    answer = answered(change, is_merged=is_merged)
    del session["text"]
    session.was_stored(answer, change)

    assert "text" not in session
    assert session.is_changed
