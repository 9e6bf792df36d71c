"""The minimal store with all capabilities."""

import asyncio
from contextlib import asynccontextmanager

from minimal_store import LockedRow, MinimalStore  # type: ignore[import-not-found]
from msgspec.structs import replace

from bodhi.session import (
    BEGINNING,
    NEWEST_FORMAT,
    End,
    Revoked,
    SessionListing,
    StoredData,
    UserActivity,
    digests_of,
    handle_of,
)

PAGE = 10


class CapableStore(MinimalStore):  # type: ignore[misc]
    """Sessions in a dict: by user, all of them, encrypted anew, watched, set aside and remembered."""

    def __init__(self, clock):
        super().__init__(clock)
        self.ended = {}

    # UserSessions

    async def create(self, new, *, cap=None):
        record = await super().create(new)
        self.trim(cap, keep=new.digest)
        return record

    @asynccontextmanager
    async def locked(self, digest, *, cap=None):
        record = await self.load(digest)
        yield None if record is None else CappedRow(self, record, cap)

    def trim(self, cap, *, keep):
        if cap is None:
            return
        others = [record for record in self.live(cap.user_id) if record.digest != keep]
        ended = sorted(others, key=started, reverse=True)[cap.sessions - 1 :]
        for record in ended:
            del self.rows[record.digest]
            self.ended[record.digest] = self.clock(), False
        if cap.on_ended is not None:
            cap.on_ended(len(ended))

    async def count_user(self, user_id):
        return len(self.live(user_id))

    async def list_user_page(self, user_id, *, after=BEGINNING, limit):
        records = sorted(self.live(user_id), key=started)
        return [listing(record) for record in records if started(record) > after][:limit]

    async def revoke(self, handle, *, user_id=None):
        low, high = digests_of(handle) or (b"", b"")
        for digest, record in self.rows.items():
            if low <= digest <= high and user_id in {None, record.user_id}:
                return Revoked(record.user_id) if await self.delete(digest) else None
        return None

    async def clear_user(self, user_id, *, keep=None):
        digests = [digest for digest, record in self.rows.items() if record.user_id == user_id]
        return sum([await self.delete(digest) for digest in digests if handle_of(digest) != keep])

    # AllSessions

    async def count(self):
        return len(self.live())

    async def list_page(self, *, after=b"", limit):
        return [listing(record) for record in self.live() if record.digest > after][:limit]

    async def clear_all(self):
        return sum([await self.delete(digest) for digest in list(self.rows)])

    # SessionOverview

    async def user_activity(self, user_ids):
        live = {user_id: self.live(user_id) for user_id in user_ids}
        return {
            user_id: UserActivity(len(records), max(one.last_seen_at for one in records))
            for user_id, records in live.items()
            if records
        }

    async def list_page_before(self, before, *, limit):
        return [listing(record) for record in reversed(self.live()) if record.digest < before][:limit]

    # Reencryption

    async def data_format(self):
        return NEWEST_FORMAT

    async def list_data(self):
        records = self.live()
        for start in range(0, len(records), PAGE):
            yield [stored_data(record) for record in records[start : start + PAGE]]

    async def some_data(self, most):
        return [stored_data(record) for record in self.live()][:most]

    async def rekey(self, page):
        rekeyed = 0
        for stored in page:
            record = self.rows.get(stored.digest)
            if record is not None and record.version == stored.version:
                self.rows[stored.digest] = replace(record, data=stored.data)
                rekeyed += 1
        return rekeyed

    # ChangeNotification

    async def live_among(self, digests):
        return {record.digest for record in self.live()}.intersection(digests)

    async def listen(self, told):
        await asyncio.Event().wait()

    # Quarantine

    async def set_aside(self, record, reason):
        stored = self.rows.get(record.digest)
        return stored is not None and stored.version == record.version and bool(self.rows.pop(record.digest))

    # RecentEnds

    async def recent_end(self, digest):
        if digest not in self.ended:
            return None
        ended_at, moved = self.ended[digest]
        return End(self.clock() - ended_at, moved=moved)

    async def delete(self, digest):
        was_live = await super().delete(digest)
        if was_live:
            self.ended[digest] = self.clock(), False
        return was_live

    async def sweep(self):
        expired = [digest for digest, record in self.rows.items() if not record.is_live(self.clock())][:PAGE]
        for digest in expired:
            del self.rows[digest]
        return len(expired)

    def live(self, user_id=None):
        records = [record for record in self.rows.values() if record.is_live(self.clock())]
        return sorted(
            (record for record in records if user_id in {None, record.user_id}), key=lambda record: record.digest
        )


class CappedRow(LockedRow):  # type: ignore[misc]
    """A row whose user has a cap."""

    def __init__(self, store, record, cap):
        super().__init__(store, record)
        self.cap = cap

    async def rotate(self, new, *, renewed):
        record = await super().rotate(new, renewed=renewed)
        self.store.ended[self.record.digest] = self.store.clock(), True
        self.store.trim(self.cap, keep=new.digest)
        return record

    async def delete(self):
        await super().delete()
        self.store.ended[self.record.digest] = self.store.clock(), False


def started(record):
    """Return the sort key of a user's list."""
    return record.created_at, record.digest


def stored_data(record):
    """Return the data that re-encryption needs."""
    return StoredData(record.digest, record.version, record.data, record.user_id, record.created_at, record.ends_at)


def listing(record):
    """Return the listing of a record."""
    return SessionListing(
        record.digest, record.user_id, record.created_at, record.last_seen_at, record.expires_at, record.device
    )
