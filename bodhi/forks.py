"""What is open as the process forks belongs to the parent alone.

Two processes on one connection to a server read each other's answers. A child that opens a SQLite file of its parent
again shares what SQLite notes of the locks, but not the locks: the parent deletes the log under it.
"""

import os
from typing import Protocol
from weakref import WeakSet

REFUSAL = "it was open as this process was forked from another: open it in each process, after the fork"


class Forkable(Protocol):
    """Something that is opened and closed."""

    def _leave_to_parent(self) -> object:
        """Become closed, in a child process, without closing anything; return what must never be closed here."""


_open: WeakSet[Forkable] = WeakSet()
_parents: list[object] = []  # kept: what is garbage is closed


def note_opened(opened: Forkable) -> None:
    """Leave it to the parent if the process forks."""
    _open.add(opened)


def note_closed(closed: Forkable) -> None:
    """It may be forgotten."""
    _open.discard(closed)


def _leave_to_parent() -> None:
    _parents.extend(one._leave_to_parent() for one in _open)
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
