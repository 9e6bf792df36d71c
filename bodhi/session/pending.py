"""What a request still has to write of its session: one value, decided in one place."""

from collections.abc import Mapping, Set
from enum import Enum, auto
from typing import Any

from bodhi.session.changes import Content, StoredSession
from bodhi.session.codec import same_data


class Pending(Enum):
    """What is still to be written."""

    NOTHING = auto()
    CREATE = auto()  # a new session; one that it replaces ends in the same transaction
    UPDATE = auto()  # the data, merged with what other requests saved; the row ends where nothing is left
    ROTATE = auto()  # the data, under a new id
    DELETE = auto()  # end the session, and begin none
    LOST = auto()  # it takes a cookie, and the response's headers are out


class Change(Content, frozen=True, gc=True):
    """What a request made of its session, and what it asked for."""

    dirty: Set[str] = frozenset()  # keys that were set or deleted
    max_age: int | None = None
    has_new_max_age: bool = False
    is_forced: bool = False  # by changed()
    is_invalidated: bool = False
    is_rotated: bool = False
    is_renewed: bool = False  # the absolute timeout is to start anew with the rotation

    @property
    def begins_by_itself(self) -> bool:
        """Whether a new session would begin only because something is stored: not by a login or on request."""
        return self.user_id is None and not self.is_rotated and not self.is_invalidated


def holds_nothing(data: Mapping[str, Any]) -> bool:
    """Whether nobody would miss *data*: empty lists, objects and texts, as a reader's default leaves them."""
    return not any(value or isinstance(value, int | float) for value in data.values())


def decide(loaded: StoredSession | None, change: Change, *, headers_sent: bool) -> Pending:
    """What *change* still needs, made by a request on the session that it *loaded*; None: it had none."""
    if loaded is None or change.is_invalidated:
        if change.data and not headers_sent:
            return Pending.CREATE
        if not holds_nothing(change.data) and not change.is_invalidated:
            return Pending.LOST
        is_asked = change.is_invalidated or change.is_forced or change.is_rotated
        return Pending.DELETE if is_asked else Pending.NOTHING
    if change.data and (change.is_rotated or change.user_id != loaded.record.user_id):
        return Pending.LOST if headers_sent else Pending.ROTATE
    is_asked = change.is_forced or change.is_rotated or change.has_new_max_age
    return Pending.UPDATE if is_asked or not same_data(change.plaintext, loaded.plaintext) else Pending.NOTHING
