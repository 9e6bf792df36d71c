"""Create, load, save, touch and delete a session. Concurrent loads and saves share round trips."""

from collections.abc import Awaitable, Mapping, Sequence

from msgspec.structs import asdict

from bodhi.database import Batcher, Database, DatabaseUnavailable, Executor, Row
from bodhi.database.batching import MAX_WAIT_SECONDS
from bodhi.session.errors import SessionUnavailable
from bodhi.session.handles import handle_of
from bodhi.session.legacy import DeprecatedMethods
from bodhi.session.records import NewSession, Save, SessionRecord, Touch, UserCap
from bodhi.session.sealing import written_format
from bodhi.session.sql_store.calls import Clock, map_session_errors, record_of, report_trimmed, turns_of
from bodhi.session.sql_store.listing import ManySessions
from bodhi.session.sql_store.locking import Locking
from bodhi.session.sql_store.upkeep import Upkeep
from bodhi.session.store import retry_conflicts


class SqlSessionStore(Locking, ManySessions, Upkeep, DeprecatedMethods):
    """A :class:`~bodhi.session.SessionStore` with every capability, on a :class:`~bodhi.database.Database`.

    *clock* returns milliseconds since 1970, or None (the default) for the database's clock.
    """

    max_in_flight = 2  # concurrent load queries; calls that arrive meanwhile share the next one
    saves_in_flight = 2
    max_batch = 64
    max_wait_seconds = MAX_WAIT_SECONDS

    def __init__(self, database: Database, *, clock: Clock = lambda: None) -> None:
        super().__init__(database, clock=clock)
        self._loads: Batcher[bytes, Row] = Batcher(
            self._load_row,
            self._load_rows,
            max_in_flight=self.max_in_flight,
            max_batch=self.max_batch,
            shared=True,
            limit_seconds=database.limit_seconds,
            max_wait_seconds=self.max_wait_seconds,
        )
        self._saves: Batcher[Save, Row] = Batcher(
            self._save_row,
            self._save_rows,
            max_in_flight=self.saves_in_flight,
            max_batch=self.max_batch,
            shared=False,
            limit_seconds=database.limit_seconds,
            max_wait_seconds=self.max_wait_seconds,
        )

    async def create(self, new: NewSession, *, cap: UserCap | None = None) -> SessionRecord:
        if cap is None:
            with map_session_errors():
                return await self._insert(self._database, new)
        return await self._insert_capped(new, cap)

    @retry_conflicts
    async def _insert_capped(self, new: NewSession, cap: UserCap) -> SessionRecord:
        async with self._transaction(*turns_of(cap, None)) as transaction:
            await self._lock_user(transaction, cap)
            record = await self._insert(transaction, new)
            trimmed = await self._trim_user(transaction, cap, keep=record.digest)
        report_trimmed(cap, trimmed)
        return record

    async def _insert(self, executor: Executor, new: NewSession) -> SessionRecord:
        # The data is encrypted for the session's times, which come from the database's clock.
        beginning = await executor.maybe("read_beginning", now=self._clock())
        assert beginning is not None
        now, data_format = beginning["now"], written_format(beginning["data_format"])
        row = await executor.maybe(
            "create_session",
            digest=new.digest,
            data=new.seal(now, now + new.longest_ms, data_format=data_format),
            user_id=new.user_id,
            ip=new.device.ip,
            user_agent=new.device.user_agent,
            idle_ms=new.idle_ms,
            longest_ms=new.longest_ms,
            max_age=new.chosen_max_age,
            now=now,
        )
        return record_of(row)

    async def load(self, digest: bytes) -> SessionRecord | None:
        try:  # like map_session_errors, without the cost of a context manager
            row = await self._loads(digest, digest)
        except DatabaseUnavailable as error:
            raise SessionUnavailable from error
        return record_of(row) if row is not None else None

    def _load_row(self, digest: bytes) -> Awaitable[Row | None]:
        return self._database.maybe("load_session", digest=digest, now=self._clock())

    async def _load_rows(self, digests: Sequence[bytes]) -> Mapping[bytes, Row]:
        now = self._clock()
        rows = await self._database.each("load_session", [{"digest": digest, "now": now} for digest in digests])
        return {row["digest"]: row for row in rows}

    async def save(self, save: Save) -> bool:
        try:
            if save.ages is not None:
                async with self._database.turn(*turns_of(None, save.digest)):
                    return await self._save(self._database, save)
            return await self._saves(save.digest, save) is not None
        except DatabaseUnavailable as error:
            raise SessionUnavailable from error

    def _save_row(self, save: Save) -> Awaitable[Row | None]:
        return self._database.maybe(
            "save_session",
            digest=save.digest,
            version=save.version,
            data=save.data,
            user_id=save.user_id,
            now=self._clock(),
        )

    async def _save_rows(self, saves: Sequence[Save]) -> Mapping[bytes, Row]:
        rows = await self._database.each("save_session", [self._saving(save) for save in saves])
        return {row["digest"]: row for row in rows}

    async def touch(self, touches: Sequence[Touch]) -> int:
        # Sorted by digest, so that processes lock rows in the same order.
        ordered = sorted(touches, key=lambda touch: touch.digest)
        with map_session_errors():
            rows = await self._database.each(
                "touch_session", [{**asdict(one), "now": self._clock()} for one in ordered]
            )
        return len(rows)

    async def delete(self, digest: bytes) -> bool:
        # Take turns only with other ends of this session: a deletion must not queue behind all its changes.
        with map_session_errors():
            async with self._database.turn(("end", handle_of(digest))):
                row = await self._database.maybe("delete_session", digest=digest, now=self._clock())
        return bool(row and row["live"])
