"""The pending write of a request's session, decided in one place."""

from collections.abc import Mapping, Set
from enum import Enum, auto
from typing import Any

from bodhi.session.changes import Content, StoredSession
from bodhi.session.codec import same_data


class Pending(Enum):
    """The kind of pending write."""

    NOTHING = auto()
    CREATE = auto()  # create a session; a replaced one ends in the same transaction
    UPDATE = auto()  # save the data, merged with other requests' saves; delete the row if nothing is left
    ROTATE = auto()  # save the data under a new id
    DELETE = auto()  # end the session without a new one
    LOST = auto()  # a cookie would be needed, but the headers have been sent


class Change(Content, frozen=True, gc=True):
    """A request's changes of its session, and its requests for it."""

    dirty: Set[str] = frozenset()  # keys set or deleted
    max_age: int | None = None  # seconds from this save to the session's end; None keeps its end
    is_forced: bool = False  # by changed()
    is_invalidated: bool = False
    is_rotated: bool = False
    is_renewed: bool = False  # the rotation restarts the absolute timeout

    @property
    def has_new_max_age(self) -> bool:
        """Whether the request set ``max_age``."""
        return self.chosen_max_age is not None

    @property
    def begins_by_itself(self) -> bool:
        """Whether a new session would begin only because something is stored: not by a login or on request."""
        return self.user_id is None and not self.is_rotated and not self.is_invalidated


def holds_nothing(data: Mapping[str, Any]) -> bool:
    """Return whether *data* has no content: only empty lists, objects and strings, such as defaults of reads."""
    return not any(value or isinstance(value, int | float) for value in data.values())


def decide(loaded: StoredSession | None, change: Change, *, headers_sent: bool) -> Pending:
    """Return the pending write for *change* on the session that was *loaded*, or None without one."""
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
