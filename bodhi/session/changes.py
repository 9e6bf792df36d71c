"""What requests change, as what a store stores: merged with what others changed, encoded, encrypted."""

import logging
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from bodhi.keyring import NEWEST_FORMAT, Keyring
from bodhi.session.codec import decode, encode
from bodhi.session.counters import SessionCounters
from bodhi.session.errors import SessionError
from bodhi.session.handles import digest_of, handle_of
from bodhi.session.merge import merge
from bodhi.session.owner import owner_of
from bodhi.session.records import Device, NewExpiry, NewSession, Record, Save, SessionRecord
from bodhi.session.sealing import format_of, open_data, seal_data

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


class Content(Record, frozen=True, gc=True):
    """What a session holds, encoded once: the same bytes are compared, encrypted and stored."""

    data: dict[str, Any]  # the caller's own
    plaintext: bytes
    user_id: str | None  # whose session it is, as the column holds it

    @classmethod
    def of(cls, data: dict[str, Any]) -> "Content":
        """*data*, encoded; raises :exc:`SessionDataError` for what cannot be stored."""
        return cls(data, encode(data), owner_of(data))


class Changes:
    """Makes records of data and data of records, by the keys and the timeouts of one service."""

    def __init__(self, keyring: Keyring, counters: SessionCounters, *, idle_ms: int, lifetime_ms: int) -> None:
        self.keyring = keyring
        self._counters = counters
        self._idle_ms = idle_ms
        self._lifetime_ms = lifetime_ms

    def opened(self, record: SessionRecord) -> OpenSession:
        """The session in *record*; raises :exc:`Unreadable` or :exc:`UnknownKey`."""
        plaintext = open_data(self.keyring, record)
        return OpenSession(record, plaintext, decode(plaintext))

    def new(
        self,
        session_id: str,
        content: Content,
        device: Device,
        max_age: int | None,
        newest_format: int = NEWEST_FORMAT,
    ) -> NewSession:
        """A session for *session_id*; *max_age* in seconds. Unless the store says otherwise, in *newest_format*."""
        digest = digest_of(session_id)
        max_age_ms = None if max_age is None else max_age * 1000

        def seal(created_at: int, ends_at: int, *, data_format: int = newest_format) -> bytes:
            return seal_data(
                self.keyring,
                content.plaintext,
                digest,
                user_id=content.user_id,
                created_at=created_at,
                ends_at=ends_at,
                data_format=data_format,
            )

        return NewSession(digest, seal, content.user_id, self._idle_ms, self._lifetime_ms, max_age_ms, device)

    def ages(self, current: SessionRecord, max_age: int | None) -> NewExpiry:
        """Times that end *current* *max_age* seconds from its ``now``; with None the timeouts alone decide."""
        longest = current.created_at + self._lifetime_ms
        return NewExpiry(self._idle_ms, longest if max_age is None else min(longest, current.now + max_age * 1000))

    def save(self, current: SessionRecord, content: Content, ages: NewExpiry | None = None) -> Save:
        """A save of *content* over *current*, in the format of what is there: ``rekey`` alone changes that."""
        sealed = seal_data(
            self.keyring,
            content.plaintext,
            current.digest,
            user_id=content.user_id,
            created_at=current.created_at,
            ends_at=current.ends_at if ages is None else ages.ends_at,
            data_format=format_of(current.data),
        )
        return Save(current.digest, current.version, sealed, content.user_id, ages)

    def merged(self, session: OpenSession, content: Content, current: SessionRecord) -> Content:
        """*content*, with what other requests saved in *current* since *session* was loaded.

        Raises :exc:`Unreadable` or :exc:`UnknownKey`: nothing is encrypted anew for columns that somebody forged.
        """
        theirs = decode(open_data(self.keyring, current))
        if current.version == session.record.version:
            return content
        self._counters.merges += 1
        both = merge(decode(session.plaintext), content.data, theirs)
        if both.overwritten:
            self._counters.overwrites += len(both.overwritten)
            log.info("session %s: two requests changed the same keys, the later won", session.handle)
        return Content.of(both.data)


def saved_record(current: SessionRecord, save: Save) -> SessionRecord:
    """*current* as it is after *save*."""
    ends_at = current.ends_at
    expires_at = current.expires_at
    if save.ages is not None:
        ends_at = save.ages.ends_at
        expires_at = min(current.last_seen_at + save.ages.idle_ms, ends_at)
    return replace(
        current,
        version=save.version + 1,
        data=save.data,
        user_id=save.user_id,
        expires_at=expires_at,
        ends_at=ends_at,
    )


class Update:
    """A change of *session* to *content*, made on whatever the session is by then.

    With *ages* the session then ends *max_age* seconds from the save, within the timeouts.
    """

    def __init__(
        self, changes: Changes, session: OpenSession, content: Content, *, ages: bool, max_age: int | None
    ) -> None:
        self._changes = changes
        self._session = session
        self._given = self.content = (
            content  # as it is saved: the caller's own objects wherever they are what is stored
        )
        self._ages = ages
        self._max_age = max_age
        self.record: SessionRecord | None = None  # as it is after the save; None where nothing is left

    def __call__(self, current: SessionRecord) -> Save | None:
        """What to save over *current*; None where nothing is left in the session."""
        self.record = None
        self.content = self._changes.merged(self._session, self._given, current)
        if not self.content.data:
            return None
        ages = self._changes.ages(current, self._max_age) if self._ages else None
        save = self._changes.save(current, self.content, ages)
        self.record = saved_record(current, save)
        return save


class Rotation:
    """A move of *session*, changed to *content*, to the id *session_id*."""

    def __init__(
        self,
        changes: Changes,
        session: OpenSession,
        content: Content,
        *,
        session_id: str,
        device: Device | None,
        max_age: int | None,
    ) -> None:
        self._changes = changes
        self._session = session
        self._given = self.content = content
        self._session_id = session_id
        self._device = device
        self._max_age = max_age

    def __call__(self, current: SessionRecord) -> NewSession:
        """What takes the place of *current*."""
        self.content = self._changes.merged(self._session, self._given, current)
        return self._changes.new(
            self._session_id,
            self.content,
            self._device or current.device,
            self._max_age,
            newest_format=format_of(current.data),
        )


class NothingToSave(Exception):
    """An atomic change left the data as it was: its transaction ends without a write."""


class AtomicChange(Generic[Answer]):
    """A change of whatever is stored, made while nobody else can change it."""

    def __init__(
        self, changes: Changes, change: Callable[[dict[str, Any], int], Answer], max_age: int | None = None
    ) -> None:
        """With *max_age* the session then ends so many seconds from now, within the timeouts."""
        self._changes = changes
        self._change = change
        self._max_age = max_age
        self.session: OpenSession  # as it is after the change
        self.answer: Answer

    def __call__(self, current: SessionRecord) -> Save:
        """What to save over *current*; raises :exc:`NothingToSave`."""
        session = self._changes.opened(current)
        self.answer = self._change(session.data, current.now)
        content = Content.of(session.data)
        if content.plaintext == session.plaintext and not self._max_age:
            self.session = session
            raise NothingToSave
        if not content.data or content.user_id != current.user_id:
            raise SessionError("an atomic change neither empties a session nor makes it somebody else's")
        ages = self._changes.ages(current, self._max_age) if self._max_age else None
        save = self._changes.save(current, content, ages)
        self.session = OpenSession(saved_record(current, save), content.plaintext, content.data)
        return save
