"""Upkeep during service: data formats, re-encryption, unreadable rows, expired rows, and change notification."""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from time import monotonic

from bodhi.database import Database
from bodhi.keyring import NEWEST_FORMAT
from bodhi.session.records import End, SessionRecord, StoredData
from bodhi.session.sealing import written_format
from bodhi.session.sql_store.calls import Clock, SqlCalls, map_session_errors, stored_data_of, turns_of
from bodhi.session.store import retry_conflicts

SET_ASIDE_MS = 30 * 86_400_000  # how long unreadable rows are kept for inspection
SWEEP_SECONDS = 0.01  # target time of a sweep batch, which on SQLite may block a save this long
SMALLEST_SWEEP = 20
ENDED_MS = 600_000  # how long ends are remembered: a request may be under way for minutes
MOST_ENDED = 100_000
PAGE = 1000
ENDED_CHANNEL = "bodhi_session_ended"  # as named in the statements that end sessions


class Upkeep(SqlCalls):
    """Sweeping, and the capabilities for stored data."""

    sweep_batch = 1000  # at most

    def __init__(self, database: Database, *, clock: Clock = lambda: None) -> None:
        super().__init__(database, clock=clock)
        self._sweep_batch = SMALLEST_SWEEP

    @retry_conflicts
    async def sweep(self) -> int | None:
        began = monotonic()
        async with self._transaction() as transaction:
            lock = await transaction.maybe("lock_sweep")
            if not (lock and lock["mine"]):
                return None
            await transaction.count("sweep_set_aside", keep_ms=SET_ASIDE_MS, now=self._clock())
            # Larger batches, because a sweep that finds no session to delete does this only once.
            await transaction.count("sweep_copied", batch=self.sweep_batch * 5, now=self._clock())
            await transaction.count(
                "sweep_ended", keep_ms=ENDED_MS, most=MOST_ENDED, batch=self.sweep_batch * 5, now=self._clock()
            )
            batch = min(self._sweep_batch, self.sweep_batch)
            swept = await transaction.count("sweep_sessions", batch=batch, now=self._clock())
        # A slow disk or waiting saves reduce the size of the next batch.
        fitting = round(batch * SWEEP_SECONDS / (monotonic() - began))
        self._sweep_batch = max(SMALLEST_SWEEP, min(fitting, 2 * batch))
        return swept

    @retry_conflicts
    async def set_aside(self, record: SessionRecord, reason: str) -> bool:
        async with self._transaction(*turns_of(None, record.digest)) as transaction:
            copied = await transaction.count(
                "set_aside_session", digest=record.digest, version=record.version, reason=reason, now=self._clock()
            )
            if not copied:
                return False
            return await transaction.maybe("remove_unreadable", digest=record.digest) is not None

    async def recent_end(self, digest: bytes) -> End | None:
        with map_session_errors():
            row = await self._database.maybe("recent_end", digest=digest, now=self._clock())
        return End(row["ago_ms"], moved=bool(row["moved"])) if row else None

    async def data_format(self) -> int:
        with map_session_errors():
            row = await self._database.maybe("read_beginning", now=self._clock())
        return written_format(row["data_format"] if row else None)

    async def write_newest_format(self) -> bool:
        """Use the newest format on every node from now on; return whether an older one was used before."""
        with map_session_errors():
            return bool(await self._database.count("write_data_format", data_format=NEWEST_FORMAT))

    async def list_data(self) -> AsyncIterator[Sequence[StoredData]]:
        after = b""
        while True:
            with map_session_errors():
                rows = await self._database.many("list_data", after=after, batch=PAGE, now=self._clock())
            if rows:
                yield [stored_data_of(row) for row in rows]
            if len(rows) < PAGE:
                return
            after = rows[-1]["digest"]

    async def some_data(self, most: int) -> Sequence[StoredData]:
        with map_session_errors():
            rows = await self._database.many("sample_data", most=most, now=self._clock())
        return [stored_data_of(row) for row in rows]

    async def rekey(self, page: Sequence[StoredData]) -> int:
        if not page:
            return 0
        with map_session_errors():
            values = [{"digest": one.digest, "version": one.version, "data": one.data} for one in page]
            return len(await self._database.each("rekey_session", values))

    async def live_among(self, digests: Sequence[bytes]) -> Collection[bytes]:
        with map_session_errors():
            rows = await self._database.many("live_among", digests=b"".join(digests), now=self._clock())
        return {row["digest"] for row in rows}

    async def listen(self, notify: Callable[[str | None], None]) -> None:
        # The payload is a handle, or empty if several sessions ended.
        await self._database.listen(ENDED_CHANNEL, lambda payload: notify(payload or None))
