"""The session as seen by handlers: aiohttp-session's, with its faults corrected."""

from collections.abc import Callable
from time import time
from typing import Any, Protocol, TypeVar

import aiohttp_session
from aiohttp import WSCloseCode, web

from bodhi.options import whole_max_age
from bodhi.session.changes import StoredSession
from bodhi.session.codec import decode, encode
from bodhi.session.errors import SessionDataError
from bodhi.session.merge import merge
from bodhi.session.owner import is_another, owner_of
from bodhi.session.pending import Change, Pending, decide
from bodhi.session.records import SessionRecord
from bodhi.session.revocation import UntilRevoked

Answer = TypeVar("Answer")

_CONSTANT = frozenset((str, int, float, bool, type(None)))  # JSON types


class Backend(Protocol):
    """The asynchronous operations of a session on its storage."""

    async def commit(self, session: "Session", /) -> None:
        """Save the changes."""

    async def atomically(
        self, session: "Session", change: Callable[[dict[str, Any], int], Answer], max_age_seconds: int | None, /
    ) -> Answer:
        """Change the stored data; see :meth:`Session.atomically`."""

    async def revoked(self, session: "Session", /) -> None:
        """Return when the session has ended."""

    def require_revocation(self) -> None:
        """Raise :exc:`~bodhi.session.errors.CapabilityMissing` if ends of sessions are not reported."""


class Session(aiohttp_session.Session):
    """A dict of JSON values that outlives the request.

    It differs from aiohttp-session's own: changes inside nested values count; ``created`` stays where it
    was; ``identity`` is the public handle, never the id; ``repr`` shows no data; :meth:`save` and :meth:`rotate` exist.
    """

    # The maximum lifetime of its row at creation; unlike max_age, it does not affect the cookie.
    row_seconds: int | None = None

    def __init__(
        self,
        stored: StoredSession | None,
        *,
        max_age: int | None = None,
        backend: Callable[[], Backend | None] | None = None,
        replaces: bool = False,
    ) -> None:
        """*max_age* holds where none was chosen for the session; *backend* is a weak reference.

        With *replaces* the session replaces the request's current one.
        """
        # Without super().__init__, whose other per-request work is not needed here.
        self.stored = stored
        self.replaces = replaces
        self._default_max_age = max_age
        self._backend = backend
        # None of these is a default of the class: up to Python 3.11, that makes each use take five times as long.
        self.is_touched = False  # it may need saving; otherwise the comparison is skipped
        self.is_dropped = False  # it ended while the request ran, or its change was lost: nothing more of it is saved
        self.is_invalidated = False
        self._max_age: int | None = None
        self._sets_max_age = False
        self._is_forced = False
        self._is_rotated = False
        self._is_renewed = False
        self._dirty: set[str] = set()  # keys set or deleted since the load or last save
        self._lent: frozenset[str] = frozenset()  # keys whose mutable values were handed out
        if stored is None:
            self._mapping: dict[str, Any] = {}
            self._created = int(time())
        else:
            self._mapping = stored.data
            self._created = stored.record.created_at // 1000

    def __repr__(self) -> str:
        state = "dropped" if self.is_dropped else "new" if self.new else "changed" if self.is_changed else "unchanged"
        return f"<Session {self.identity or '-'} {state}>"

    @property
    def identity(self) -> str | None:
        """The session's handle, or None before it is stored."""
        return self.stored.handle if self.stored else None

    @property
    def new(self) -> bool:
        """Whether the session is not yet stored."""
        return self.stored is None

    @property
    def is_changed(self) -> bool:
        """Whether there are changes to save."""
        if not self.is_touched:
            return False
        try:
            return decide(self.stored, self._change(), headers_sent=False) is not Pending.NOTHING
        except SessionDataError:
            return True

    @property
    def _changed(self) -> bool:
        # Read by aiohttp-session's middleware, and set by its Session on every assignment.
        return self.is_changed

    @_changed.setter
    def _changed(self, value: bool) -> None:
        """Ignore the assignment: changes are found by comparing the data."""

    @property
    def max_age(self) -> int | None:
        """Seconds until the session ends, from the save that sets it; the cookie gets a Max-Age.

        A value that was set, None too, stays with the stored session until another is set.
        """
        if self._sets_max_age:
            return self._max_age
        record = self._continued_record
        return self._default_max_age if record is None else record.max_age(self._default_max_age)

    @max_age.setter
    def max_age(self, seconds: float | None) -> None:
        self._max_age = whole_max_age("max_age", seconds)
        self.is_touched = self._sets_max_age = True

    def __getitem__(self, key: str) -> Any:
        value = self._mapping[key]
        # Immutable values cannot change the session, so most requests need no comparison.
        if type(value) not in _CONSTANT:
            self._lend(key)
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        self.is_touched = True
        self._dirty.add(key)
        if type(value) not in _CONSTANT:
            self._lend(key)
        self._mapping[key] = value

    def __delitem__(self, key: str) -> None:
        del self._mapping[key]
        self.is_touched = True
        self._dirty.add(key)

    def _lend(self, key: str) -> None:
        self.is_touched = True
        if key not in self._lent:
            self._lent |= {key}

    def changed(self) -> None:
        """Save the session even if its data is unchanged."""
        self.is_touched = self._is_forced = True

    def invalidate(self) -> None:
        """End the session: delete its row and cookie. Data stored afterwards starts a new one."""
        self._mapping = {}
        self.is_touched = self.is_invalidated = True

    def rotate(self, *, renewed: bool = False) -> None:
        """Rotate the session to a new id when it is saved: call it whenever the user's privileges change.

        With *renewed* the absolute timeout restarts, as after a new login. A change of ``user_id`` does all
        that automatically.
        """
        self.is_touched = self._is_rotated = True
        self._is_renewed |= renewed

    def set_new_identity(self, identity: object) -> None:
        """Not supported: only bodhi creates ids."""
        raise RuntimeError("bodhi generates session ids; call session.rotate() for a new one")

    async def save(self) -> None:
        """Save now, during a stream or before something that must not lose the change.

        Raises :exc:`~bodhi.session.errors.SessionNotSaved` when that needs a cookie and the headers are out.
        """
        await self._backend_for("save").commit(self)

    async def atomically(
        self, change: Callable[[dict[str, Any], int], Answer], *, max_age_seconds: int | None = None
    ) -> Answer:
        """Run *change* exclusively on the stored data, and return its result.

        For data that only one of several requests may take: *change* gets the stored data, to modify in place, and the
        database's time in milliseconds. It is saved at once; pending changes of this request are saved
        later. Raises :exc:`~bodhi.session.errors.SessionGone` if the session is not stored, or has ended.
        """
        return await self._backend_for("atomically").atomically(self, change, max_age_seconds)

    async def revoked(self) -> None:
        """Return within a second after the session ended, here or on another node: for WebSockets and streams.

        Ends are logout, revocation, expiry, the cap on a user's sessions, and a login that rotated it
        (unless by this request). An unstored session counts as ended. A database outage ends no session.
        """
        await self._backend_for("revoked").revoked(self)

    def until_revoked(
        self, socket: web.WebSocketResponse | None = None, *, code: int = WSCloseCode.POLICY_VIOLATION
    ) -> UntilRevoked:
        """``async with session.until_revoked(socket):`` cancels its block when the session ends, as above.

        The code after the block continues; the object bound by ``as`` has ``is_revoked``
        for the reason. *socket* is closed with *code*, 1008 by default.
        """
        # Raise here: otherwise missing revocation would go unnoticed.
        self._backend_for("until_revoked").require_revocation()
        return UntilRevoked(self.revoked, socket, code)

    def _backend_for(self, call: str) -> Backend:
        if self._backend is None:
            raise RuntimeError(
                f"session.{call}() works in a request where bodhi.session.setup(app, service) was called"
            )
        backend = self._backend()
        if backend is None:
            raise RuntimeError(
                f"session.{call}() comes too late, since the request is over: call it before the handler returns, "
                "or keep the request as long"
            )
        return backend

    def adopt(self, stored: StoredSession) -> None:
        """Continue from *stored*, which is newer than the loaded session; pending changes are kept."""
        if self.stored is not None:
            # Decode again: requests that continue from the same one must not share nested values.
            self._mapping = merge(decode(self.stored.plaintext), self._mapping, decode(stored.plaintext)).data
            self.stored = stored

    def take(self) -> Change:
        """Return the changes to save; later changes count as made after this save.

        Raises :exc:`SessionDataError` for a value that cannot be stored.
        """
        change = self._change()
        self.is_touched = bool(self._lent)
        self.is_invalidated = self._is_forced = self._is_rotated = self._is_renewed = self._sets_max_age = False
        self._dirty = set()
        return change

    def put_back(self, change: Change) -> None:
        """Restore *change*, which could not be saved, as pending."""
        self.is_touched = True
        self._dirty |= change.dirty
        self.is_invalidated |= change.is_invalidated
        self._is_forced |= change.is_forced
        self._is_rotated |= change.is_rotated
        self._is_renewed |= change.is_renewed
        self._sets_max_age |= change.has_new_max_age

    def was_stored(self, stored: StoredSession | None, change: Change) -> None:
        """Continue from *stored*, the result of *change*; None if the session has no row any more."""
        self.stored = stored
        self.replaces = False
        if stored is not None:
            self._created = stored.record.created_at // 1000
            if stored.plaintext is not change.plaintext:
                self._rebase(stored.data)  # other requests had saved, too

    def _rebase(self, data: dict[str, Any]) -> None:
        """Continue from *data*, with changes made meanwhile by another task of the handler."""
        for key in self._dirty:
            if key in self._mapping:
                data[key] = self._mapping[key]
            else:
                data.pop(key, None)
        self._mapping = data

    @property
    def _continued_record(self) -> SessionRecord | None:
        if self.stored is None or self.is_invalidated:
            return None
        record = self.stored.record
        # What a user chose for the session does not pass to another user.
        has_chosen = record.chosen_max_age is not None
        return None if has_chosen and is_another(record.user_id, owner_of(self._mapping)) else record

    def _change(self) -> Change:
        base = self.stored.plaintext if self.stored is not None else b""
        chosen_max_age, max_age = self._max_ages()
        return Change(
            self._mapping,
            encode(self._mapping, base=base, changed=self._dirty | self._lent),
            owner_of(self._mapping),
            chosen_max_age,
            self._dirty,
            max_age,
            self._is_forced,
            self.is_invalidated,
            self._is_rotated,
            self._is_renewed,
        )

    def _max_ages(self) -> tuple[int | None, int | None]:
        """Return the choice to store, as in SessionRecord, None if it is not new; and seconds from this save, or None.

        A stored choice has counted from the save that set it.
        """
        if not self._sets_max_age:
            record = self._continued_record
            return None, self._default_max_age if record is None or record.chosen_max_age is None else None
        if self._max_age is not None:
            return self._max_age, self._max_age
        record = self._continued_record
        return None if record is not None and record.chosen_max_age == 0 else 0, None
