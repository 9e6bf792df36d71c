"""The values that pass between the service and a store.

Times are milliseconds since 1970, UTC, by the database's clock.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Device:
    """Where a session was begun: for the list that its user sees."""

    ip: str | None = None
    user_agent: str | None = None


NOWHERE = Device()


@dataclass(frozen=True, slots=True)
class NewSession:
    """What a store needs to create a session, or to move one to a new id."""

    digest: bytes  # SHA-256 of the session id, 32 bytes
    data: bytes = field(repr=False)  # encrypted; a store never looks inside
    user_id: str | None
    idle_ms: int
    lifetime_ms: int  # the absolute timeout, counted from the creation
    max_age_ms: int | None = None  # what the application allows at most, counted from now
    device: Device = NOWHERE


@dataclass(frozen=True, slots=True)
class UserCap:
    """How many live sessions a user may have: enforced as one of them logs in."""

    user_id: str
    sessions: int  # at least 1


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """One live session, as it is stored."""

    digest: bytes
    data: bytes = field(repr=False)
    user_id: str | None
    version: int
    created_at: int
    last_seen_at: int
    expires_at: int
    ends_at: int
    now: int  # the database's clock when the record was read
    device: Device


@dataclass(frozen=True, slots=True)
class SessionListing:
    """One live session, as it is listed: no data."""

    digest: bytes
    user_id: str | None
    created_at: int
    last_seen_at: int
    expires_at: int
    device: Device


@dataclass(frozen=True, slots=True)
class Save:
    """New data for a session, for as long as it still has this version."""

    digest: bytes
    version: int
    data: bytes = field(repr=False)
    user_id: str | None
    ages: "Ages | None" = None  # None: times stay as they are


@dataclass(frozen=True, slots=True)
class Ages:
    """New times for a session: it ends ``max_age_ms`` from now, but never later than the two timeouts say."""

    idle_ms: int
    lifetime_ms: int
    max_age_ms: int


@dataclass(frozen=True, slots=True)
class Touch:
    """A session was in use at ``seen_at``."""

    digest: bytes
    seen_at: int
    idle_ms: int
    interval_ms: int  # the touch interval: written at most this often


@dataclass(frozen=True, slots=True)
class StoredData:
    """One session's data on its way through a re-encryption."""

    digest: bytes
    version: int
    data: bytes = field(repr=False)
