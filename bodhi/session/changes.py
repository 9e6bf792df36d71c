"""Turn a request's changes into records for the store: merge, encode and encrypt them."""

import logging
from functools import partial
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from bodhi.keyring import NEWEST_FORMAT, Keyring
from bodhi.options import whole_max_age
from bodhi.session.codec import decode, encode
from bodhi.session.counters import SessionCounters
from bodhi.session.handles import digest_of, handle_of
from bodhi.session.merge import merge
from bodhi.session.owner import is_another, owner_of
from bodhi.session.records import Device, NewExpiry, NewSession, Record, Save, SessionRecord
from bodhi.session.sealing import format_of, open_data, seal_data

log = logging.getLogger(__name__)


class StoredSession(Struct, frozen=True):
    """A session as a request loaded it: the row and its decoded data."""

    record: SessionRecord
    plaintext: bytes
    data: dict[str, Any]  # may be modified by the caller

    def __repr__(self) -> str:
        return f"<StoredSession {self.handle}>"

    @property
    def handle(self) -> str:
        """The session's public identifier."""
        return handle_of(self.record.digest)


class Content(Record, frozen=True, gc=True):
    """Session data, encoded once: the same bytes are compared, encrypted and stored."""

    data: dict[str, Any]  # the caller's own
    plaintext: bytes
    user_id: str | None  # the value of the user_id column
    chosen_max_age: int | None = None  # see SessionRecord; None leaves the stored choice

    @classmethod
    def of(cls, data: dict[str, Any]) -> "Content":
        """Encode *data*; raise :exc:`SessionDataError` for values that cannot be stored."""
        return cls(data, encode(data), owner_of(data))


class Changes:
    """Converts between session data and records, with the keys and timeouts of a service."""

    def __init__(self, keyring: Keyring, counters: SessionCounters, *, idle_ms: int, lifetime_ms: int) -> None:
        self.keyring = keyring
        self._counters = counters
        self._idle_ms = idle_ms
        self._lifetime_ms = lifetime_ms
        self._has_warned_of_max_age = False

    def opened(self, record: SessionRecord) -> StoredSession:
        """Decrypt the session in *record*; raise :exc:`Unreadable` or :exc:`UnknownKey`."""
        plaintext = open_data(self.keyring, record)
        return StoredSession(record, plaintext, decode(plaintext))

    def new(self, session_id: str, content: Content, device: Device, max_age: float | None) -> NewSession:
        """Return a new session for *session_id*; *max_age* in seconds. The store selects the data format."""
        digest = digest_of(session_id)
        max_age = self._whole_max_age(max_age)
        max_age_ms = None if max_age is None else max_age * 1000

        def seal(created_at: int, ends_at: int, *, data_format: int = NEWEST_FORMAT) -> bytes:
            return seal_data(
                self.keyring,
                content.plaintext,
                digest,
                user_id=content.user_id,
                created_at=created_at,
                ends_at=ends_at,
                data_format=data_format,
            )

        return NewSession(
            digest,
            seal,
            content.user_id,
            self._idle_ms,
            self._lifetime_ms,
            max_age_ms,
            device,
            content.chosen_max_age,
        )

    def moved(self, new: NewSession, current: SessionRecord) -> NewSession:
        """Return *new*, encrypted in the format of *current*, which only ``rekey`` changes."""
        return replace(new, seal=partial(new.seal, data_format=format_of(current.data)))

    def rotated(self, new: NewSession, current: SessionRecord, *, renewed: bool) -> NewSession:
        """Return *new* as :meth:`moved`, with the ``max_age`` chosen for *current* unless it has one of its own.

        The stored choice counts anew only from a renewal; otherwise the session's end stays where it is. It does not
        pass to another user.
        """
        is_kept = not is_another(current.user_id, new.user_id)
        if new.chosen_max_age is None and current.chosen_max_age is not None and is_kept:
            max_age_ms = current.chosen_max_age * 1000 or None if renewed else None
            new = replace(new, chosen_max_age=current.chosen_max_age, max_age_ms=max_age_ms)
        return self.moved(new, current)

    def ages(self, current: SessionRecord, content: Content, max_age: float | None) -> NewExpiry:
        """Return times that end *current* *max_age* seconds from its ``now``; None means the timeouts only."""
        max_age = self._whole_max_age(max_age)
        longest = current.created_at + self._lifetime_ms
        ends_at = longest if max_age is None else min(longest, current.now + max_age * 1000)
        chosen = current.chosen_max_age if content.chosen_max_age is None else content.chosen_max_age
        return NewExpiry(self._idle_ms, ends_at, chosen)

    def _whole_max_age(self, max_age: float | None) -> int | None:
        """Return *max_age* in whole seconds; log, once, that it is beyond a timeout."""
        max_age = whole_max_age("max_age_seconds", max_age)
        if (
            max_age is not None
            and max_age * 1000 > min(self._idle_ms, self._lifetime_ms)
            and not self._has_warned_of_max_age
        ):
            self._has_warned_of_max_age = True
            log.warning(
                "max_age %d is beyond a timeout of the session service, which ends the session earlier: "
                "idle_seconds=%g lifetime_seconds=%g; see docs/reference/library.md",
                max_age,
                self._idle_ms / 1000,
                self._lifetime_ms / 1000,
            )
        return max_age

    def update(
        self, current: SessionRecord, content: Content, ages: NewExpiry | None = None
    ) -> tuple[Save, StoredSession]:
        """Return a save of *content* over *current*, in its format; and the session after it."""
        sealed = seal_data(
            self.keyring,
            content.plaintext,
            current.digest,
            user_id=content.user_id,
            created_at=current.created_at,
            ends_at=current.ends_at if ages is None else ages.ends_at,
            data_format=format_of(current.data),
        )
        save = Save(current.digest, current.version, sealed, content.user_id, ages)
        return save, StoredSession(save.applied(current), content.plaintext, content.data)

    def merged(self, session: StoredSession, content: Content, current: SessionRecord) -> Content:
        """Merge *content* with changes saved in *current* by other requests since *session* was loaded.

        Raises :exc:`Unreadable` or :exc:`UnknownKey`: data with forged columns is never re-encrypted.
        """
        theirs = decode(open_data(self.keyring, current))
        if current.version == session.record.version:
            return content
        self._counters.merges += 1
        both = merge(decode(session.plaintext), content.data, theirs)
        if both.overwritten:
            self._counters.overwrites += len(both.overwritten)
            log.info("session changes merged, the later value kept session=%s", session.handle)
        return replace(Content.of(both.data), chosen_max_age=content.chosen_max_age)
