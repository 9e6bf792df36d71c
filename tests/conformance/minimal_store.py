"""The smallest session store: a dict, for one process."""

from contextlib import asynccontextmanager

from msgspec.structs import replace

from bodhi.session import DigestTaken, VersionConflict

BATCH = 10


class MinimalStore:
    """Sessions in a dict."""

    def __init__(self, clock):
        self.clock = clock
        self.rows = {}

    async def create(self, new):
        if new.digest in self.rows:
            raise DigestTaken
        self.rows[new.digest] = record = new.started(self.clock())
        return record

    async def load(self, digest):
        now = self.clock()
        record = self.rows.get(digest)
        return replace(record, now=now) if record is not None and record.is_live(now) else None

    async def save(self, save):
        record = await self.load(save.digest)
        if record is None or record.version != save.version:
            return False
        self.rows[save.digest] = save.applied(record)
        return True

    @asynccontextmanager
    async def locked(self, digest):
        record = await self.load(digest)
        yield None if record is None else LockedRow(self, record)

    async def touch(self, touches):
        touched = 0
        for touch in touches:
            record = await self.load(touch.digest)
            if record is not None and (later := touch.applied(record)) is not None:
                self.rows[touch.digest] = later
                touched += 1
        return touched

    async def delete(self, digest):
        record = self.rows.pop(digest, None)
        return record is not None and record.is_live(self.clock())

    async def sweep(self):
        expired = [digest for digest, record in self.rows.items() if not record.is_live(self.clock())][:BATCH]
        for digest in expired:
            del self.rows[digest]
        return len(expired)


class LockedRow:
    """Compares versions instead of locking, and raises after a concurrent change."""

    def __init__(self, store, record):
        self.store = store
        self.record = record

    async def save(self, save):
        if not await self.store.save(save):
            raise VersionConflict

    async def rotate(self, new, *, renewed):
        if new.digest in self.store.rows:
            raise DigestTaken
        await self.delete()
        self.store.rows[new.digest] = record = new.moved(self.record, renewed=renewed)
        return record

    async def delete(self):
        record = await self.store.load(self.record.digest)
        if record is None or record.version != self.record.version:
            raise VersionConflict
        del self.store.rows[self.record.digest]
