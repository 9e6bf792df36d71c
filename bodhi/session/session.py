"""The session as a handler sees it: aiohttp-session's, with its faults mended."""

from collections.abc import Callable
from time import time
from typing import TYPE_CHECKING, Any, TypeVar

import aiohttp_session
from aiohttp import WSCloseCode, web

from bodhi.session.changes import OpenSession
from bodhi.session.codec import decode, is_unchanged
from bodhi.session.merge import merge
from bodhi.session.records import Record
from bodhi.session.revocation import UntilRevoked

if TYPE_CHECKING:
    from bodhi.session.request_session import RequestSession

Answer = TypeVar("Answer")

_CONSTANT = frozenset((str, int, float, bool, type(None)))  # of what JSON knows


class Session(aiohttp_session.Session):
    """A dict of JSON values that outlives the request.

    It differs from aiohttp-session's own: changes inside nested values count; ``created`` stays where it
    was; ``identity`` is the public handle, never the id; ``repr`` shows no data; :meth:`save` and :meth:`rotate` exist.
    """

    # How long its row lives at most, as it is begun; unlike max_age, the cookie says nothing of it.
    row_seconds: int | None = None

    def __init__(
        self,
        stored: OpenSession | None,
        *,
        max_age: int | None = None,
        visit: "Callable[[], RequestSession | None] | None" = None,
        was_loaded: bool = False,
    ) -> None:
        """*visit* refers to the visit that ``save()`` goes through, weakly."""
        # Not super().__init__: what else it prepares for every request is never used here.
        self._max_age = max_age
        self.stored = stored
        # It ended while the request ran, or its change was lost: nothing of it is saved any more.
        self.is_dropped = False
        self.is_invalidated = False
        self.wants_rotation = False
        self.wants_renewal = False
        self.was_loaded = was_loaded  # a row was looked for, rather than to be replaced
        self.stored_max_age = max_age
        self._forced = False
        self._may_differ = False  # from what is stored
        self._is_lent = False  # somebody holds a value of it that can change by itself
        self._visit = visit
        self._mapping = stored.data if stored is not None else {}
        self._created = stored.record.created_at // 1000 if stored is not None else int(time())

    def __repr__(self) -> str:
        state = "dropped" if self.is_dropped else "new" if self.new else "changed" if self.is_changed else "unchanged"
        return f"<Session {self.identity or '-'} {state}>"

    @property
    def identity(self) -> str | None:
        """The session's handle, or None before it is stored."""
        return self.stored.handle if self.stored else None

    @property
    def new(self) -> bool:
        """Whether the session is not stored yet."""
        return self.stored is None

    @property
    def is_changed(self) -> bool:
        """Whether there is anything to save."""
        if self._forced or self.is_invalidated or self.wants_rotation:
            return True
        if self.stored is None:
            return bool(self._mapping)
        if self.max_age != self.stored_max_age:
            return True
        return self._may_differ and not is_unchanged(self._mapping, self.stored.plaintext)

    def is_due(self) -> bool:
        """Whether there is anything to keep, or to lose."""
        return not self.is_dropped and self.is_changed

    @property
    def _changed(self) -> bool:
        # aiohttp-session's middleware asks this, and its Session sets it on every assignment.
        return self.is_changed

    @_changed.setter
    def _changed(self, value: bool) -> None:
        """Setting says nothing that comparing the data does not find out."""

    def __getitem__(self, key: str) -> Any:
        value = self._mapping[key]
        # Whoever was given a text or a number cannot change the session with it: most requests are not compared.
        if type(value) not in _CONSTANT:
            self._may_differ = self._is_lent = True
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        self._may_differ = True
        if type(value) not in _CONSTANT:
            self._is_lent = True
        self._mapping[key] = value

    def __delitem__(self, key: str) -> None:
        self._may_differ = True
        del self._mapping[key]

    def changed(self) -> None:
        """Save the session even if its data is as it was."""
        self._forced = True

    def invalidate(self) -> None:
        """End the session: its row and its cookie. What is stored afterwards begins a new one."""
        self._mapping = {}
        self.is_invalidated = True

    def rotate(self, *, renewed: bool = False) -> None:
        """Move the session to a new id as it is saved: call it whenever the visitor's privileges change.

        With *renewed* the absolute timeout starts anew: the visitor logged in again. A change of ``user_id`` does all
        that by itself.
        """
        self.wants_rotation = True
        self.wants_renewal |= renewed

    def set_new_identity(self, identity: object) -> None:
        """Refused: ids are made by bodhi alone."""
        raise RuntimeError("bodhi makes session ids by itself; call session.rotate() for a new one")

    async def save(self) -> None:
        """Save now, during a stream or before something that must not lose the change.

        Raises :exc:`~bodhi.session.errors.SessionNotSaved` when that needs a cookie and the headers are out.
        """
        await self._visit_for("save").keep(self)

    async def atomically(
        self, change: Callable[[dict[str, Any], int], Answer], *, max_age_seconds: int | None = None
    ) -> Answer:
        """What *change* answers on the data as it is stored now, with no other request in between.

        For what only one of several requests may have: *change* is given the stored data, to change in place, and the
        database's time in milliseconds. It is saved at once; changes that this request has not saved yet stay to be
        saved. Raises :exc:`~bodhi.session.errors.SessionGone` when the session is not stored, or has ended.
        """
        return await self._visit_for("atomically").atomically(self, change, max_age_seconds)

    async def revoked(self) -> None:
        """Returns when the session has ended, here or on another node, within a second: for websockets and streams.

        However it ended: logout, revocation, expiry, the cap of a user's sessions, a login that moved it to a new id
        (unless this very request did). What is not stored reads as ended. An outage of the database ends no session.
        """
        await self._visit_for("revoked").revoked(self)

    def until_revoked(
        self, socket: web.WebSocketResponse | None = None, *, code: int = WSCloseCode.POLICY_VIOLATION
    ) -> UntilRevoked:
        """``async with session.until_revoked(socket):`` leaves its block when the session has ended, as above.

        What is under way in the block is cancelled; the code after it goes on, and ``is_revoked`` of what ``as`` names
        says why. *socket* is closed with *code*, 1008 unless told otherwise.
        """
        self._visit_for("until_revoked")  # or nobody would hear why nothing is ever revoked
        return UntilRevoked(self.revoked, socket, code)

    def _visit_for(self, call: str) -> "RequestSession":
        if self._visit is None or (visit := self._visit()) is None:
            raise RuntimeError(
                f"session.{call}() works in a request where bodhi.session.setup(app, service) was called"
            )
        return visit

    def adopt(self, stored: OpenSession) -> None:
        """Go on from *stored*, which is newer than what this request loaded; its own changes stay to be saved."""
        if self.stored is not None:
            # Decoded anew: several requests may go on from the same one, and nested values are not to be shared.
            self._mapping = merge(decode(self.stored.plaintext), self._mapping, decode(stored.plaintext)).data
            self._may_differ = True
            self.stored = stored

    def taken(self) -> "PendingChange":
        """What there is to save now; what changes from here on counts as changed after it."""
        taken = PendingChange(
            dict(self._mapping),
            is_invalidated=self.is_invalidated,
            wants_rotation=self.wants_rotation,
            wants_renewal=self.wants_renewal,
            is_forced=self._forced,
        )
        self.is_invalidated = self.wants_rotation = self.wants_renewal = self._forced = False
        return taken

    def put_back(self, taken: "PendingChange") -> None:
        """*taken* could not be saved: it stays to be saved."""
        self.is_invalidated |= taken.is_invalidated
        self.wants_rotation |= taken.wants_rotation
        self.wants_renewal |= taken.wants_renewal
        self._forced |= taken.is_forced

    def was_stored(self, stored: OpenSession | None, taken: "PendingChange") -> None:
        """Go on from *stored*, which *taken* became; None: the session has no row any more."""
        self.stored = stored
        self.stored_max_age = self.max_age
        self.was_loaded = True
        mapping = stored.data if stored is not None else {}
        self._may_differ = self._is_lent
        for key in {**taken.data, **self._mapping}:  # what another task of the handler changed meanwhile
            if key not in self._mapping:
                mapping.pop(key, None)
                self._may_differ = True
            elif key not in taken.data or self._mapping[key] is not taken.data[key]:
                mapping[key] = self._mapping[key]
                self._may_differ = True
        self._mapping = mapping
        if stored is not None:
            self._created = stored.record.created_at // 1000


class PendingChange(Record, frozen=True, gc=True):
    """What a session is to be saved with."""

    data: dict[str, Any]  # the values themselves, no copies
    is_invalidated: bool
    wants_rotation: bool
    wants_renewal: bool
    is_forced: bool
