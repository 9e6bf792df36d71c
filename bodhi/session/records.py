"""The records exchanged by the service and a store, and their transitions.

Times are milliseconds since 1970, UTC, by the database's clock. Records are structs, not dataclasses: every
request creates some, and creating a frozen dataclass takes ten times as long.
"""

import math
from collections.abc import Callable
from typing import Protocol
from warnings import warn

from msgspec import Struct
from msgspec.structs import replace


class Record(Struct, frozen=True, gc=False):
    """An immutable value; use :func:`msgspec.structs.replace` for changes. Its ``repr`` shows no data."""

    def __repr__(self) -> str:
        shown = (
            f"{name}={getattr(self, name)!r}"
            for name in self.__struct_fields__
            if name not in {"data", "plaintext", "seal"}
        )
        return f"{type(self).__name__}({', '.join(shown)})"


class Device(Record, frozen=True, gc=False):
    """The client that started a session, for the user's session list."""

    ip: str | None = None
    user_agent: str | None = None


NOWHERE = Device()


class Seal(Protocol):
    """Encrypts the data of a session being created or rotated."""

    def __call__(self, created_at: int, ends_at: int, *, data_format: int = ...) -> bytes:
        """Return the encrypted data, which decrypts only in a row with exactly these times.

        A store shared with nodes of an older version passes the newest *data_format* that all nodes can read.
        """


class SessionRecord(Record, frozen=True, gc=False):
    """A live session as stored."""

    digest: bytes
    data: bytes
    user_id: str | None
    version: int
    created_at: int
    last_seen_at: int
    expires_at: int
    ends_at: int
    now: int  # the database's clock when the record was read
    device: Device
    # Session.max_age as the application chose it for this session: 0 for None, and None if it chose nothing.
    chosen_max_age: int | None = None

    def max_age(self, default: int | None) -> int | None:
        """Return the ``max_age`` that holds for the session, in seconds; *default* is the application's."""
        return default if self.chosen_max_age is None else self.chosen_max_age or None

    def cookie_seconds(self, default: int | None) -> int | None:
        """Return the Max-Age of its cookie, up to the session's end; None for a cookie that ends with the browser."""
        if self.ends_at <= self.now:
            return 0
        max_age = self.max_age(default)
        return None if max_age is None else min(max_age, math.ceil((self.ends_at - self.now) / 1000))

    def is_live(self, now: int) -> bool:
        """Return whether the session has not expired at *now*."""
        return self.expires_at > now


class NewSession(Record, frozen=True, gc=False):
    """The data to create a session, or to rotate one to a new id."""

    digest: bytes  # SHA-256 of the session id, 32 bytes
    seal: Seal  # returns the data for the times chosen by the store, to which the data is opaque
    user_id: str | None
    idle_ms: int
    lifetime_ms: int  # the absolute timeout, counted from the creation
    max_age_ms: int | None = None  # the application's limit, counted from now
    device: Device = NOWHERE
    chosen_max_age: int | None = None  # to store with the session, see SessionRecord

    @property
    def longest_ms(self) -> int:
        """The maximum lifetime of the session if it starts now."""
        return self.lifetime_ms if self.max_age_ms is None else min(self.lifetime_ms, self.max_age_ms)

    def started(self, now: int) -> SessionRecord:
        """Return the record of the session if it starts at *now*."""
        ends_at = now + self.longest_ms
        return self._record(version=1, created_at=now, ends_at=ends_at, now=now)

    def moved(self, current: SessionRecord, *, renewed: bool) -> SessionRecord:
        """Return the record that replaces *current* at its ``now``; *renewed* restarts the absolute timeout."""
        created_at = current.now if renewed else current.created_at
        if self.max_age_ms is not None:
            ends_at = min(created_at + self.lifetime_ms, current.now + self.max_age_ms)
        else:
            ends_at = created_at + self.lifetime_ms if renewed else current.ends_at
        return self._record(version=current.version + 1, created_at=created_at, ends_at=ends_at, now=current.now)

    def _record(self, *, version: int, created_at: int, ends_at: int, now: int) -> SessionRecord:
        return SessionRecord(
            self.digest,
            self.seal(created_at, ends_at),
            self.user_id,
            version,
            created_at=created_at,
            last_seen_at=now,
            expires_at=min(now + self.idle_ms, ends_at),
            ends_at=ends_at,
            now=now,
            device=self.device,
            chosen_max_age=self.chosen_max_age,
        )


class UserCap(Record, frozen=True, gc=False):
    """The maximum number of a user's live sessions, enforced at login."""

    user_id: str
    sessions: int  # at least 1
    on_ended: Callable[[int], object] | None = None  # called after the commit with the number of sessions ended

    @property
    def told(self) -> Callable[[int], object] | None:
        """The deprecated name of ``on_ended``."""
        warn("told of a UserCap is deprecated: use on_ended", DeprecationWarning, stacklevel=2)
        return self.on_ended


class SessionListing(Record, frozen=True, gc=False):
    """A live session in a list, without data."""

    digest: bytes
    user_id: str | None
    created_at: int
    last_seen_at: int
    expires_at: int
    device: Device


class UserActivity(Record, frozen=True, gc=False):
    """The number of a user's live sessions, and when one of them was last used."""

    sessions: int
    last_seen_at: int


class End(Record, frozen=True, gc=False):
    """When a session ended, in milliseconds before now, and whether it lives on under another digest."""

    ago_ms: int
    moved: bool


class Revoked(Record, frozen=True, gc=False):
    """A session ended by its handle: its user, or None."""

    user_id: str | None


class NewExpiry(Record, frozen=True, gc=False):
    """New times of a session: it ends at ``ends_at``, or ``idle_ms`` after its last use."""

    idle_ms: int
    ends_at: int
    chosen_max_age: int | None = None  # to store with the session, see SessionRecord


class Save(Record, frozen=True, gc=False):
    """New data for a session, stored only if it still has this version."""

    digest: bytes
    version: int
    data: bytes
    user_id: str | None
    ages: NewExpiry | None = None  # None: times are unchanged

    def applied(self, current: SessionRecord) -> SessionRecord:
        """Return *current* after this save."""
        ends_at, expires_at, chosen_max_age = current.ends_at, current.expires_at, current.chosen_max_age
        if self.ages is not None:
            ends_at = self.ages.ends_at
            expires_at = min(current.last_seen_at + self.ages.idle_ms, ends_at)
            chosen_max_age = self.ages.chosen_max_age
        return replace(
            current,
            version=current.version + 1,
            data=self.data,
            user_id=self.user_id,
            expires_at=expires_at,
            ends_at=ends_at,
            chosen_max_age=chosen_max_age,
        )


class Touch(Record, frozen=True, gc=False):
    """The use of a session at ``seen_at``."""

    digest: bytes
    seen_at: int
    idle_ms: int
    interval_ms: int  # the touch interval: the minimum time between writes

    def applied(self, current: SessionRecord) -> SessionRecord | None:
        """Return *current* after this touch; None within an interval of the last one."""
        if current.last_seen_at > self.seen_at - self.interval_ms:
            return None
        expires_at = max(current.expires_at, min(self.seen_at + self.idle_ms, current.ends_at))
        return replace(current, last_seen_at=self.seen_at, expires_at=expires_at)


class StoredData(Record, frozen=True, gc=False):
    """A session's data during re-encryption, with the columns that it is bound to."""

    digest: bytes
    version: int
    data: bytes
    user_id: str | None
    created_at: int
    ends_at: int
