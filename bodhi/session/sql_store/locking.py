"""Exclusive changes of a session, each in a transaction."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bodhi.database import Executor
from bodhi.session.errors import SessionGone
from bodhi.session.records import NewSession, Save, SessionRecord, UserCap
from bodhi.session.sql_store.calls import SqlCalls, record_of, report_trimmed, turns_of


class LockedRow:
    """The row of a session, locked until its transaction ends."""

    def __init__(self, store: "Locking", transaction: Executor, record: SessionRecord, cap: UserCap | None) -> None:
        self.record = record
        self.trimmed = 0  # sessions ended by the cap
        self._store = store
        self._transaction = transaction
        self._cap = cap

    async def save(self, save: Save) -> None:
        """Store new data."""
        if not await self._store._save(self._transaction, save):
            raise SessionGone  # it expired between the two statements

    async def rotate(self, new: NewSession, *, renewed: bool) -> SessionRecord:
        """Rotate the row to the digest of *new*."""
        moved = new.moved(self.record, renewed=renewed)
        row = await self._transaction.maybe(
            "rotate_session",
            digest=self.record.digest,
            version=self.record.version,
            new_digest=moved.digest,
            data=moved.data,
            user_id=moved.user_id,
            ip=moved.device.ip,
            user_agent=moved.device.user_agent,
            idle_ms=new.idle_ms,
            created_at=moved.created_at,
            ends_at=moved.ends_at,
            max_age=moved.chosen_max_age,
            now=self._store._clock(),
        )
        if row is None:
            raise SessionGone
        self.trimmed = await self._store._trim_user(self._transaction, self._cap, keep=moved.digest)
        return record_of(row)

    async def delete(self) -> None:
        """Delete the row."""
        await self._transaction.maybe("delete_session", digest=self.record.digest, now=self._store._clock())


class Locking(SqlCalls):
    """Locks a session."""

    @asynccontextmanager
    async def locked(self, digest: bytes, *, cap: UserCap | None = None) -> AsyncIterator[LockedRow | None]:
        async with self._transaction(*turns_of(cap, digest)) as transaction:
            # Lock the user before the row: otherwise two logins of one user could deadlock.
            await self._lock_user(transaction, cap)
            row = await transaction.maybe("lock_session", digest=digest, now=self._clock())
            locked = LockedRow(self, transaction, record_of(row), cap) if row is not None else None
            yield locked
        if locked is not None:
            report_trimmed(cap, locked.trimmed)

    async def _save(self, executor: Executor, save: Save) -> bool:
        """Save if the version matches; return whether it did."""
        values = self._saving(save)
        if save.ages is None:
            return await executor.maybe("save_session", **values) is not None
        ages = {"idle_ms": save.ages.idle_ms, "ends_at": save.ages.ends_at, "max_age": save.ages.chosen_max_age}
        return await executor.maybe("save_session_ages", **values, **ages) is not None

    def _saving(self, save: Save) -> dict[str, object]:
        return {
            "digest": save.digest,
            "version": save.version,
            "data": save.data,
            "user_id": save.user_id,
            "now": self._clock(),
        }
