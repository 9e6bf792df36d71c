"""The records that the service and a store exchange, and what becomes of one by another.

Times are milliseconds since 1970, UTC, by the database's clock. They are structs rather than dataclasses, since every
request makes some, and a frozen dataclass takes ten times as long to make.
"""

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace


class Record(Struct, frozen=True, gc=False):
    """An immutable value; :func:`msgspec.structs.replace` makes another. Its ``repr`` shows no data."""

    def __repr__(self) -> str:
        shown = (
            f"{name}={getattr(self, name)!r}"
            for name in self.__struct_fields__
            if name not in {"data", "plaintext", "seal"}
        )
        return f"{type(self).__name__}({', '.join(shown)})"


class Device(Record, frozen=True, gc=False):
    """Where a session was started: for the list that its user sees."""

    ip: str | None = None
    user_agent: str | None = None


NOWHERE = Device()


class Seal(Protocol):
    """Encrypts the data of a session that is being created or moved."""

    def __call__(self, created_at: int, ends_at: int, *, data_format: int = ...) -> bytes:
        """The encrypted data, which opens only in a row that has exactly these times.

        A store that serves nodes of an older version too names the newest *data_format* that all of them read.
        """


class SessionRecord(Record, frozen=True, gc=False):
    """One live session, as it is stored."""

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

    def is_live(self, now: int) -> bool:
        """Whether the session has not expired at *now*."""
        return self.expires_at > now


class NewSession(Record, frozen=True, gc=False):
    """What a store needs to create a session, or to move one to a new id."""

    digest: bytes  # SHA-256 of the session id, 32 bytes
    seal: Seal  # gives the data for the times that the store found; a store never looks inside
    user_id: str | None
    idle_ms: int
    lifetime_ms: int  # the absolute timeout, counted from the creation
    max_age_ms: int | None = None  # what the application allows at most, counted from now
    device: Device = NOWHERE

    @property
    def longest_ms(self) -> int:
        """How long the session lives at most if it starts now."""
        return self.lifetime_ms if self.max_age_ms is None else min(self.lifetime_ms, self.max_age_ms)

    def started(self, now: int) -> SessionRecord:
        """The record of the session if it starts at *now*."""
        ends_at = now + self.longest_ms
        return self._record(version=1, created_at=now, ends_at=ends_at, now=now)

    def moved(self, current: SessionRecord, *, renewed: bool) -> SessionRecord:
        """The record that takes the place of *current* at its ``now``; *renewed* starts the absolute timeout anew."""
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
        )


class UserCap(Record, frozen=True, gc=False):
    """How many live sessions a user may have: enforced as one of them logs in."""

    user_id: str
    sessions: int  # at least 1
    told: Callable[[int], object] | None = None  # how many others ended, once that is certain


class SessionListing(Record, frozen=True, gc=False):
    """One live session, as it is listed: no data."""

    digest: bytes
    user_id: str | None
    created_at: int
    last_seen_at: int
    expires_at: int
    device: Device


class End(Record, frozen=True, gc=False):
    """When a session ended, in milliseconds before now, and whether it lives on under another digest."""

    ago_ms: int
    moved: bool


class Revoked(Record, frozen=True, gc=False):
    """A session that was ended by its handle: whose it was, None for nobody's."""

    user_id: str | None


class NewExpiry(Record, frozen=True, gc=False):
    """New times for a session: it ends at ``ends_at``, or ``idle_ms`` after its last use."""

    idle_ms: int
    ends_at: int


class Save(Record, frozen=True, gc=False):
    """New data for a session, for as long as it still has this version."""

    digest: bytes
    version: int
    data: bytes
    user_id: str | None
    ages: NewExpiry | None = None  # None: times stay as they are

    def applied(self, current: SessionRecord) -> SessionRecord:
        """*current* as it is after this save."""
        ends_at, expires_at = current.ends_at, current.expires_at
        if self.ages is not None:
            ends_at = self.ages.ends_at
            expires_at = min(current.last_seen_at + self.ages.idle_ms, ends_at)
        return replace(
            current,
            version=current.version + 1,
            data=self.data,
            user_id=self.user_id,
            expires_at=expires_at,
            ends_at=ends_at,
        )


class Touch(Record, frozen=True, gc=False):
    """A session was in use at ``seen_at``."""

    digest: bytes
    seen_at: int
    idle_ms: int
    interval_ms: int  # the touch interval: written at most this often

    def applied(self, current: SessionRecord) -> SessionRecord | None:
        """*current* as it is after this touch; None where it was touched less than an interval before."""
        if current.last_seen_at > self.seen_at - self.interval_ms:
            return None
        expires_at = max(current.expires_at, min(self.seen_at + self.idle_ms, current.ends_at))
        return replace(current, last_seen_at=self.seen_at, expires_at=expires_at)


class StoredData(Record, frozen=True, gc=False):
    """One session's data on its way through a re-encryption, and what it is bound to."""

    digest: bytes
    version: int
    data: bytes
    user_id: str | None
    created_at: int
    ends_at: int
