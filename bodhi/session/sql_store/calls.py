"""Shared parts of the store: database and clock, errors, turns, transactions, and records from rows."""

from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from contextlib import asynccontextmanager, contextmanager

from bodhi.database import Conflict, Database, DatabaseUnavailable, Executor, Row, RowMoved
from bodhi.session.errors import DigestTaken, SessionUnavailable, VersionConflict
from bodhi.session.handles import handle_of
from bodhi.session.records import Device, SessionListing, SessionRecord, StoredData, UserCap

Clock = Callable[[], int | None]


class SqlCalls:
    """Runs statements on a database, in transactions and turns.

    *clock* returns milliseconds since 1970, or None (the default) for the database's clock.
    """

    def __init__(self, database: Database, *, clock: Clock = lambda: None) -> None:
        self._database = database
        self._clock = clock

    @property
    def database(self) -> Database:
        """The database of the sessions."""
        return self._database

    @asynccontextmanager
    async def _transaction(self, *turns: Hashable) -> AsyncIterator[Executor]:
        with map_session_errors():
            try:
                async with (
                    self._database.turn(*turns) as left_seconds,
                    self._database.transaction(limit_seconds=left_seconds) as transaction,
                ):
                    yield transaction
            except RowMoved as error:
                raise VersionConflict from error

    async def _lock_user(self, transaction: Executor, cap: UserCap | None) -> None:
        if cap is not None:
            await transaction.maybe("lock_user", user_id=cap.user_id)

    async def _trim_user(self, transaction: Executor, cap: UserCap | None, *, keep: bytes) -> int:
        """End the user's oldest sessions beyond *cap*, but never the digest *keep*; return how many."""
        if cap is None:
            return 0
        values = {"user_id": cap.user_id, "keep": keep, "cap": cap.sessions, "now": self._clock()}
        return len(await transaction.many("trim_user", **values))


@contextmanager
def map_session_errors() -> Iterator[None]:
    """Raise session errors instead of database errors."""
    try:
        yield
    except DatabaseUnavailable as error:
        raise SessionUnavailable from error
    except Conflict as error:
        raise DigestTaken from error


def turns_of(cap: UserCap | None, digest: bytes | None) -> list[Hashable]:
    """Return the keys to take turns by, in locking order: the user, then the session by its handle."""
    user: list[Hashable] = [] if cap is None else [("user", cap.user_id)]
    return user if digest is None else [*user, handle_of(digest)]


def report_trimmed(cap: UserCap | None, trimmed: int) -> None:
    """Report how many sessions the cap ended, after the commit."""
    if cap is not None and cap.on_ended is not None:
        cap.on_ended(trimmed)


def record_of(row: Row | None) -> SessionRecord:
    """Return the session in a row."""
    assert row is not None  # a RETURNING clause returns a row or the statement fails
    # By position, as every statement returns a whole session in this order: by name takes twice as long.
    digest, data, user_id, version, created_at, last_seen_at, expires_at, ends_at, ip, user_agent, max_age, now = row
    device = Device(ip, user_agent)
    return SessionRecord(
        digest, data, user_id, version, created_at, last_seen_at, expires_at, ends_at, now, device, max_age
    )


def stored_data_of(row: Row) -> StoredData:
    """Return a session's data with the columns that it is bound to."""
    return StoredData(row["digest"], row["version"], row["data"], row["user_id"], row["created_at"], row["ends_at"])


def listing_of(row: Row) -> SessionListing:
    """Return the listing in a row."""
    return SessionListing(
        row["digest"],
        row["user_id"],
        row["created_at"],
        row["last_seen_at"],
        row["expires_at"],
        Device(row["ip"], row["user_agent"]),
    )
