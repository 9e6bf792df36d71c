"""What requests change, as what a store stores: merged with what others changed, encoded, encrypted."""

import logging
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from bodhi.keyring import Keyring
from bodhi.session.codec import decode, encode
from bodhi.session.counters import SessionCounters
from bodhi.session.errors import SessionError
from bodhi.session.handles import digest_of, handle_of
from bodhi.session.merge import merge
from bodhi.session.owner import owner_of
from bodhi.session.records import Ages, Device, NewSession, Save, SessionRecord

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


class OpenSession(Struct, frozen=True):
    """A stored session as a request holds it: the row, and its data as it was stored then."""

    record: SessionRecord
    plaintext: bytes
    data: dict[str, Any]  # the caller's to change

    def __repr__(self) -> str:
        return f"<OpenSession {self.handle}>"

    @property
    def handle(self) -> str:
        """The session's public name."""
        return handle_of(self.record.digest)


class Changes:
    """Makes records of data and data of records, by the keys and the timeouts of one service."""

    def __init__(self, keyring: Keyring, counters: SessionCounters, *, idle_ms: int, lifetime_ms: int) -> None:
        self.keyring = keyring
        self._counters = counters
        self._idle_ms = idle_ms
        self._lifetime_ms = lifetime_ms

    def opened(self, record: SessionRecord) -> OpenSession:
        """The session in *record*; raises :exc:`Unreadable` or :exc:`UnknownKey`."""
        plaintext = self.keyring.open(record.data, record.digest)
        return OpenSession(record, plaintext, decode(plaintext))

    def new(
        self, session_id: str, plaintext: bytes, owner: str | None, device: Device, max_age: int | None
    ) -> NewSession:
        """A session for *session_id*; *max_age* in seconds."""
        digest = digest_of(session_id)
        max_age_ms = None if max_age is None else max_age * 1000
        sealed = self.keyring.seal(plaintext, digest)
        return NewSession(digest, sealed, owner, self._idle_ms, self._lifetime_ms, max_age_ms, device)

    def ages(self, max_age: int | None) -> Ages:
        """The times of a session that ends *max_age* seconds from now; with None the timeouts alone decide."""
        return Ages(self._idle_ms, self._lifetime_ms, self._lifetime_ms if max_age is None else max_age * 1000)

    def merged(self, session: OpenSession, data: dict[str, Any], current: SessionRecord) -> dict[str, Any]:
        """*data*, with what other requests saved in *current* since *session* was loaded."""
        if current.version == session.record.version:
            return data
        self._counters.merges += 1
        theirs = decode(self.keyring.open(current.data, current.digest))
        both = merge(decode(session.plaintext), data, theirs)
        if both.overwritten:
            self._counters.overwrites += len(both.overwritten)
            log.info("session %s: two requests changed the same keys, the later won", session.handle)
        return both.data


class Saving:
    """A change of *session* to *data*, made on whatever the session is by then."""

    def __init__(self, changes: Changes, session: OpenSession, data: dict[str, Any], ages: Ages | None) -> None:
        self._changes = changes
        self._session = session
        self.data = data  # as it is saved: the caller's own objects wherever they are what is stored
        self._given = data
        self._ages = ages
        self.save: Save | None = None
        self.plaintext = b""

    def __call__(self, current: SessionRecord) -> Save | None:
        """What to save over *current*; None where nothing is left in the session."""
        self.save = None
        self.data = self._changes.merged(self._session, self._given, current)
        if self.data:
            self.plaintext = encode(self.data)
            sealed = self._changes.keyring.seal(self.plaintext, current.digest)
            self.save = Save(current.digest, current.version, sealed, owner_of(self.data), self._ages)
        return self.save


class Moving:
    """A move of *session*, changed to *data*, to the id *session_id*."""

    def __init__(
        self,
        changes: Changes,
        session: OpenSession,
        data: dict[str, Any],
        *,
        session_id: str,
        device: Device | None,
        max_age: int | None,
    ) -> None:
        self._changes = changes
        self._session = session
        self.data = data
        self._given = data
        self._session_id = session_id
        self._device = device
        self._max_age = max_age
        self.plaintext = b""

    def __call__(self, current: SessionRecord) -> NewSession:
        """What takes the place of *current*."""
        self.data = self._changes.merged(self._session, self._given, current)
        self.plaintext = encode(self.data)
        device = self._device or current.device
        return self._changes.new(self._session_id, self.plaintext, owner_of(self.data), device, self._max_age)


class NothingToSave(Exception):
    """An atomic change left the data as it was: its transaction ends without a write."""


class Atomic(Generic[Answer]):
    """A change of whatever is stored, made while nobody else can change it."""

    def __init__(
        self, changes: Changes, change: Callable[[dict[str, Any], int], Answer], ages: Ages | None = None
    ) -> None:
        self._changes = changes
        self._change = change
        self._ages = ages
        self.session: OpenSession  # as it is after the change
        self.answer: Answer

    def __call__(self, current: SessionRecord) -> Save:
        """What to save over *current*; raises :exc:`NothingToSave`."""
        session = self._changes.opened(current)
        data = session.data
        self.answer = self._change(data, current.now)
        plaintext = encode(data)
        if plaintext == session.plaintext and self._ages is None:
            self.session = session
            raise NothingToSave
        if not data or owner_of(data) != current.user_id:
            raise SessionError("an atomic change neither empties a session nor makes it somebody else's")
        sealed = self._changes.keyring.seal(plaintext, current.digest)
        self.session = OpenSession(replace(current, version=current.version + 1, data=sealed), plaintext, data)
        return Save(current.digest, current.version, sealed, current.user_id, self._ages)
