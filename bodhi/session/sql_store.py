"""Sessions in one SQL database: records in, records out. The statements are in ``sql/<dialect>/session.sql``."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from time import monotonic

from msgspec.structs import asdict

from bodhi.database import Batcher, Conflict, Database, DatabaseUnavailable, Executor, Row
from bodhi.keyring import NEWEST_FORMAT
from bodhi.session.errors import DigestTaken, SessionGone, SessionUnavailable
from bodhi.session.handles import digests_of, handle_of
from bodhi.session.records import (
    Device,
    NewSession,
    Revoked,
    Save,
    SessionListing,
    SessionRecord,
    StoredData,
    Touch,
    UserCap,
)
from bodhi.session.sealing import written_format
from bodhi.session.store import BEGINNING

SET_ASIDE_MS = 30 * 86_400_000  # how long unreadable rows are kept for a look at them
SWEEP_SECONDS = 0.01  # how long one batch of a sweep is to take: on SQLite so long may it hold up a save
SMALLEST_SWEEP = 20
PAGE = 1000
ENDED_CHANNEL = "bodhi_session_ended"  # as the statements that end sessions name it

Clock = Callable[[], int | None]


class SqlSessionStore:
    """A :class:`SessionStore` on a :class:`~bodhi.database.Database`.

    *clock* gives the time in milliseconds since 1970, or None for the database's own clock, which is the rule.
    """

    max_in_flight = 2  # queries that load; calls that arrive meanwhile share the next one
    saves_in_flight = 2
    max_batch = 64
    sweep_batch = 1000  # at most
    clear_batch = 10_000  # a tenth of a second

    def __init__(self, database: Database, *, clock: Clock = lambda: None) -> None:
        self._database = database
        self._clock = clock
        self._sweep_batch = SMALLEST_SWEEP
        self._loads: Batcher[bytes, Row] = Batcher(
            self._load_row,
            self._load_rows,
            max_in_flight=self.max_in_flight,
            max_batch=self.max_batch,
            shared=True,
            limit_seconds=database.limit_seconds,
        )
        self._saves: Batcher[Save, Row] = Batcher(
            self._save_row,
            self._save_rows,
            max_in_flight=self.saves_in_flight,
            max_batch=self.max_batch,
            shared=False,
            limit_seconds=database.limit_seconds,
        )

    @property
    def database(self) -> Database:
        """Where the sessions are."""
        return self._database

    async def create(
        self,
        new: NewSession,
        *,
        replaces: bytes | None = None,
        must_replace: bool = False,
        cap: UserCap | None = None,
    ) -> SessionRecord:
        if replaces is None and cap is None:
            with map_session_errors():
                return await self._insert(self._database, new)
        async with self._transaction(*_turns(cap, replaces)) as transaction:
            await self._lock_user(transaction, cap)
            if replaces is not None:
                ended = await transaction.maybe("delete_session", digest=replaces, now=self._clock())
                if must_replace and not (ended and ended["live"]):
                    raise SessionGone
            record = await self._insert(transaction, new)
            trimmed = await self._trim_user(transaction, cap, keep=record.digest)
        _notify_trimmed(cap, trimmed)
        return record

    async def _insert(self, executor: Executor, new: NewSession) -> SessionRecord:
        # The data is encrypted for the times of the session, and the database's clock gives them.
        beginning = await executor.maybe("read_beginning", now=self._clock())
        assert beginning is not None
        created_at = beginning["now"]
        longest_ms = new.lifetime_ms if new.max_age_ms is None else min(new.lifetime_ms, new.max_age_ms)
        data_format = written_format(beginning["data_format"])
        row = await executor.maybe(
            "create_session",
            digest=new.digest,
            data=new.seal(created_at, created_at + longest_ms, data_format=data_format),
            user_id=new.user_id,
            ip=new.device.ip,
            user_agent=new.device.user_agent,
            idle_ms=new.idle_ms,
            longest_ms=longest_ms,
            now=created_at,
        )
        return _record(row)

    async def data_format(self) -> int:
        with map_session_errors():
            row = await self._database.maybe("read_beginning", now=self._clock())
        return written_format(row["data_format"] if row else None)

    async def write_newest_format(self) -> bool:
        """Let every node write the newest format from now on; whether an older one was written before."""
        with map_session_errors():
            return bool(await self._database.count("write_data_format", data_format=NEWEST_FORMAT))

    async def load(self, digest: bytes) -> SessionRecord | None:
        try:  # what map_session_errors does, without the cost of a context manager
            row = await self._loads(digest, digest)
        except DatabaseUnavailable as error:
            raise SessionUnavailable from error
        return _record(row) if row is not None else None

    def _load_row(self, digest: bytes) -> Awaitable[Row | None]:
        return self._database.maybe("load_session", digest=digest, now=self._clock())

    async def _load_rows(self, digests: Sequence[bytes]) -> Mapping[bytes, Row]:
        now = self._clock()
        rows = await self._database.each("load_session", [{"digest": digest, "now": now} for digest in digests])
        return {row["digest"]: row for row in rows}

    async def save(self, save: Save) -> bool:
        try:
            if save.ages is not None:
                async with self._database.turn(*_turns(None, save.digest)):
                    return await self._save(self._database, save)
            return await self._saves(save.digest, save) is not None
        except DatabaseUnavailable as error:
            raise SessionUnavailable from error

    def _save_row(self, save: Save) -> Awaitable[Row | None]:
        return self._database.maybe("save_session", **self._saving(save))

    async def _save_rows(self, saves: Sequence[Save]) -> Mapping[bytes, Row]:
        rows = await self._database.each("save_session", [self._saving(save) for save in saves])
        return {row["digest"]: row for row in rows}

    async def _save(self, executor: Executor, save: Save) -> bool:
        values = self._saving(save)
        if save.ages is None:
            return await executor.maybe("save_session", **values) is not None
        times = {"idle_ms": save.ages.idle_ms, "ends_at": save.ages.ends_at}
        return await executor.maybe("save_session_ages", **values, **times) is not None

    async def update(self, digest: bytes, change: Callable[[SessionRecord], Save | None]) -> bool:
        async with self._transaction(*_turns(None, digest)) as transaction:
            row = await transaction.maybe("lock_session", digest=digest, now=self._clock())
            if row is None:
                return False
            save = change(_record(row))
            if save is None:
                return await transaction.maybe("delete_session", digest=digest, now=self._clock()) is not None
            return await self._save(transaction, save)

    async def rotate(
        self,
        digest: bytes,
        change: Callable[[SessionRecord], NewSession],
        *,
        renewed: bool,
        cap: UserCap | None = None,
    ) -> SessionRecord | None:
        async with self._transaction(*_turns(cap, digest)) as transaction:
            # The user's lock before the row's: in another order two logins of one user could wait for each other.
            await self._lock_user(transaction, cap)
            locked = await transaction.maybe("lock_session", digest=digest, now=self._clock())
            if locked is None:
                return None
            current = _record(locked)
            new = change(current)
            times = _rotated_times(current, new, renewed=renewed)
            row = await transaction.maybe(
                "rotate_session",
                digest=digest,
                version=current.version,
                new_digest=new.digest,
                data=new.seal(**times),
                user_id=new.user_id,
                ip=new.device.ip,
                user_agent=new.device.user_agent,
                idle_ms=new.idle_ms,
                now=self._clock(),
                **times,
            )
            if row is None:
                return None  # it expired between the two statements
            trimmed = await self._trim_user(transaction, cap, keep=new.digest)
        _notify_trimmed(cap, trimmed)
        return _record(row)

    async def touch(self, touches: Sequence[Touch]) -> int:
        # By digest, so that two processes lock the same rows in the same order.
        ordered = sorted(touches, key=lambda touch: touch.digest)
        with map_session_errors():
            rows = await self._database.each(
                "touch_session", [{**asdict(one), "now": self._clock()} for one in ordered]
            )
        return len(rows)

    # What ends sessions takes turns with its like alone: it is not to wait until everybody has changed the session.

    async def delete(self, digest: bytes) -> bool:
        with map_session_errors():
            async with self._database.turn(("end", handle_of(digest))):
                row = await self._database.maybe("delete_session", digest=digest, now=self._clock())
        return bool(row and row["live"])

    async def revoke(self, handle: str, *, user_id: str | None = None) -> Revoked | None:
        digests = digests_of(handle)
        if digests is None:
            return None
        low, high = digests
        values = {"low": low, "high": high, "user_id": user_id, "now": self._clock()}
        with map_session_errors():
            async with self._database.turn(("end", handle)):
                rows = await self._database.many("revoke_session", **values)
        return next((Revoked(row["user_id"]) for row in rows if row["live"]), None)

    async def clear_user(self, user_id: str, *, keep: str | None = None) -> int:
        low, high = _kept(keep)
        with map_session_errors():
            async with self._database.turn(("end of user", user_id)):
                return await self._clear("clear_user", user_id=user_id, keep_low=low, keep_high=high)

    async def clear_all(self) -> int:
        live: int = await self._clear("clear_some")
        with _counted(live):
            rows = await self._database.many("clear_all", now=self._clock())
        live += sum(row["live"] for row in rows)
        return live

    async def _clear(self, statement: str, **values: object) -> int:
        # In batches, since one DELETE of everything would hold up every save meanwhile.
        live: int = 0
        while True:
            with _counted(live):
                rows = await self._database.many(statement, **values, batch=self.clear_batch, now=self._clock())
            live += sum(row["live"] for row in rows)
            if sum(row["ended"] for row in rows) < self.clear_batch:
                return live

    async def count_user(self, user_id: str) -> int:
        with map_session_errors():
            row = await self._database.maybe("count_user", user_id=user_id, now=self._clock())
        return int(row["sessions"]) if row else 0

    async def count(self) -> int:
        with map_session_errors():
            row = await self._database.maybe("count_sessions", now=self._clock())
        return int(row["sessions"]) if row else 0

    async def list_user(self, user_id: str) -> AsyncIterator[SessionListing]:
        after = BEGINNING
        while True:
            page = await self.list_user_page(user_id, after=after, limit=PAGE)
            for listing in page:
                yield listing
            if len(page) < PAGE:
                return
            after = (page[-1].created_at, page[-1].digest)

    async def list_user_page(
        self, user_id: str, *, after: tuple[int, bytes] = BEGINNING, limit: int
    ) -> Sequence[SessionListing]:
        created_at, digest = after
        with map_session_errors():
            rows = await self._database.many(
                "list_user",
                user_id=user_id,
                after_created_at=created_at,
                after_digest=digest,
                batch=limit,
                now=self._clock(),
            )
        return [_listing(row) for row in rows]

    async def list_page(self, *, after: bytes = b"", limit: int) -> Sequence[SessionListing]:
        with map_session_errors():
            rows = await self._database.many("list_sessions", after=after, batch=limit, now=self._clock())
        return [_listing(row) for row in rows]

    async def list_all(self) -> AsyncIterator[SessionListing]:
        async for rows in self._pages("list_sessions"):
            for row in rows:
                yield _listing(row)

    async def list_data(self) -> AsyncIterator[Sequence[StoredData]]:
        async for rows in self._pages("list_data"):
            yield [_stored_data(row) for row in rows]

    async def some_data(self, most: int) -> Sequence[StoredData]:
        with map_session_errors():
            rows = await self._database.many("sample_data", most=most, now=self._clock())
        return [_stored_data(row) for row in rows]

    async def _pages(self, statement: str) -> AsyncIterator[Sequence[Row]]:
        after = b""
        while True:
            with map_session_errors():
                rows = await self._database.many(statement, after=after, batch=PAGE, now=self._clock())
            if rows:
                yield rows
            if len(rows) < PAGE:
                return
            after = rows[-1]["digest"]

    async def live_among(self, digests: Sequence[bytes]) -> Collection[bytes]:
        with map_session_errors():
            rows = await self._database.many("live_among", digests=b"".join(digests), now=self._clock())
        return {row["digest"] for row in rows}

    async def listen(self, told: Callable[[str | None], None]) -> None:
        # The payload is a handle, or nothing where several ended.
        await self._database.listen(ENDED_CHANNEL, lambda payload: told(payload or None))

    async def rekey(self, page: Sequence[StoredData]) -> int:
        if not page:
            return 0
        with map_session_errors():
            values = [{"digest": one.digest, "version": one.version, "data": one.data} for one in page]
            return len(await self._database.each("rekey_session", values))

    async def set_aside(self, record: SessionRecord, reason: str) -> bool:
        async with self._transaction(*_turns(None, record.digest)) as transaction:
            copied = await transaction.count(
                "set_aside_session", digest=record.digest, version=record.version, reason=reason, now=self._clock()
            )
            if not copied:
                return False
            return await transaction.maybe("delete_session", digest=record.digest, now=self._clock()) is not None

    async def sweep(self) -> int | None:
        began = monotonic()
        async with self._transaction() as transaction:
            lock = await transaction.maybe("lock_sweep")
            if not (lock and lock["mine"]):
                return None
            await transaction.count("sweep_set_aside", keep_ms=SET_ASIDE_MS, now=self._clock())
            # More at once, since a sweep that finds no session to delete does it only once.
            await transaction.count("sweep_copied", batch=self.sweep_batch * 5, now=self._clock())
            batch = min(self._sweep_batch, self.sweep_batch)
            swept = await transaction.count("sweep_sessions", batch=batch, now=self._clock())
        # A slow disk, and saves that wait for their turn, make the next batch smaller.
        fitting = round(batch * SWEEP_SECONDS / (monotonic() - began))
        self._sweep_batch = max(SMALLEST_SWEEP, min(fitting, 2 * batch))
        return swept

    @asynccontextmanager
    async def _transaction(self, *turns: Hashable) -> AsyncIterator[Executor]:
        with map_session_errors():
            async with (
                self._database.turn(*turns) as left_seconds,
                self._database.transaction(limit_seconds=left_seconds) as transaction,
            ):
                yield transaction

    async def _lock_user(self, transaction: Executor, cap: UserCap | None) -> None:
        if cap is not None:
            await transaction.maybe("lock_user", user_id=cap.user_id)

    async def _trim_user(self, transaction: Executor, cap: UserCap | None, *, keep: bytes) -> int:
        if cap is None:
            return 0
        values = {"user_id": cap.user_id, "keep": keep, "cap": cap.sessions, "now": self._clock()}
        return len(await transaction.many("trim_user", **values))

    def _saving(self, save: Save) -> dict[str, object]:
        return {
            "digest": save.digest,
            "version": save.version,
            "data": save.data,
            "user_id": save.user_id,
            "now": self._clock(),
        }


class SqliteSessionStore(SqlSessionStore):
    """Sessions in a SQLite file. Its one writer makes saves that wait for it share a transaction."""

    saves_in_flight = 1
    sweep_batch = 250
    clear_batch = 100


class PostgresSessionStore(SqlSessionStore):
    """Sessions in a PostgreSQL database."""


def open_store(database: Database, *, clock: Clock = lambda: None) -> SqlSessionStore:
    """The store for *database*."""
    kind = SqliteSessionStore if database.dialect == "sqlite" else PostgresSessionStore
    return kind(database, clock=clock)


@contextmanager
def map_session_errors() -> Iterator[None]:
    """Raise the session's errors in place of the database's."""
    try:
        yield
    except DatabaseUnavailable as error:
        raise SessionUnavailable from error
    except Conflict as error:
        raise DigestTaken from error


@contextmanager
def _counted(ended: int) -> Iterator[None]:
    """Errors say that *ended* live sessions have ended all the same."""
    try:
        with map_session_errors():
            yield
    except SessionUnavailable as error:
        error.ended = ended
        raise


def _turns(cap: UserCap | None, digest: bytes | None) -> list[Hashable]:
    """What to take turns by, in the order in which the statements lock: the user, then the session by its handle."""
    user: list[Hashable] = [] if cap is None else [("user", cap.user_id)]
    return user if digest is None else [*user, handle_of(digest)]


def _notify_trimmed(cap: UserCap | None, trimmed: int) -> None:
    if cap is not None and cap.told is not None:
        cap.told(trimmed)


def _rotated_times(current: SessionRecord, new: NewSession, *, renewed: bool) -> dict[str, int]:
    """When the session began, and when it ends by the absolute timeout, after it moved to a new id."""
    created_at = current.now if renewed else current.created_at
    if new.max_age_ms is not None:
        ends_at = min(created_at + new.lifetime_ms, current.now + new.max_age_ms)
    else:
        ends_at = created_at + new.lifetime_ms if renewed else current.ends_at
    return {"created_at": created_at, "ends_at": ends_at}


def _kept(handle: str | None) -> tuple[bytes, bytes] | tuple[None, None]:
    if handle is None:
        return None, None
    digests = digests_of(handle)
    if digests is None:  # to keep nothing instead would end the very session that was to stay
        raise ValueError("the session to keep is named by its handle")
    return digests


def _record(row: Row | None) -> SessionRecord:
    assert row is not None  # a RETURNING clause answers or the statement fails
    # In the one order that every statement with a whole session in its answer has: by name takes twice as long.
    digest, data, user_id, version, created_at, last_seen_at, expires_at, ends_at, ip, user_agent, now = row
    device = Device(ip, user_agent)
    return SessionRecord(digest, data, user_id, version, created_at, last_seen_at, expires_at, ends_at, now, device)


def _stored_data(row: Row) -> StoredData:
    return StoredData(row["digest"], row["version"], row["data"], row["user_id"], row["created_at"], row["ends_at"])


def _listing(row: Row) -> SessionListing:
    return SessionListing(
        row["digest"],
        row["user_id"],
        row["created_at"],
        row["last_seen_at"],
        row["expires_at"],
        Device(row["ip"], row["user_agent"]),
    )
