"""Stores with typical implementation faults."""

import asyncio
from contextlib import asynccontextmanager

from msgspec.structs import replace

from bodhi.session import DigestTaken, End, SessionGone
from bodhi.session.handles import handle_of
from bodhi.session.records import NewSession, Save
from bodhi.session.sql_store import SqlSessionStore

PAGE = 10


class Together:
    """A barrier that all concurrent calls pass before any continues."""

    def __init__(self) -> None:
        self._inside = 0
        self._all_through = asyncio.Event()

    async def __aenter__(self) -> None:
        self._inside += 1
        self._all_through.clear()

    async def __aexit__(self, *_: object) -> None:
        self._inside -= 1
        if not self._inside:
            self._all_through.set()
        await self._all_through.wait()


class LooksFirst(SqlSessionStore):
    """Checks first, then acts; concurrent calls all check before the first acts."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.looking = Together()


class OtherRow:
    """A row that delegates to the store's own."""

    def __init__(self, row, store):
        self.row = row
        self.store = store
        self.record = row.record

    async def save(self, save):
        await self.row.save(save)

    async def rotate(self, new, *, renewed):
        return await self.row.rotate(new, renewed=renewed)

    async def delete(self):
        await self.row.delete()


class WithOtherRow(SqlSessionStore):
    """Locks correctly, but yields a *Row*."""

    Row = OtherRow

    @asynccontextmanager
    async def locked(self, digest, **options):
        async with super().locked(digest, **options) as row:
            yield None if row is None else self.Row(row, self)


class UnlockedRow:
    """A loaded row without a lock."""

    def __init__(self, store, record):
        self.store = store
        self.record = record

    async def save(self, save):
        if not await self.store.save(save):
            raise SessionGone

    async def rotate(self, new, *, renewed):
        raise NotImplementedError

    async def delete(self):
        if not await self.store.delete(self.record.digest):
            raise SessionGone


class WithoutLock(SqlSessionStore):
    """Loads instead of locking."""

    Row = UnlockedRow

    @asynccontextmanager
    async def locked(self, digest, *, cap=None):
        record = await self.load(digest)
        yield None if record is None else self.Row(self, record)


class CreateThatLooksFirst(LooksFirst):
    """Checks that the digest is free before it inserts."""

    async def create(self, new, **options):
        async with self.looking:
            if await self.load(new.digest) is not None:
                raise DigestTaken
        return await super().create(new, **options)


class CreateThatSealsForTheTimeouts(SqlSessionStore):
    """Encrypts for the absolute timeout although max_age ends the session earlier."""

    async def create(self, new, **options):
        now = self._clock()
        data = new.seal(now, now + new.lifetime_ms)
        return await super().create(replace(new, seal=lambda *_, **__: data), **options)


class RotationThatSealsForTheOldTimes(WithOtherRow):
    """Encrypts for the times before the rotation."""

    class Row(OtherRow):
        async def rotate(self, new, *, renewed):
            data = new.seal(self.record.created_at, self.record.ends_at)
            return await super().rotate(replace(new, seal=lambda *_, **__: data), renewed=renewed)


class RotationOfWhatIsGone(WithoutLock):
    """Creates a session if there is none to rotate."""

    class Row(UnlockedRow):
        async def rotate(self, new, *, renewed):
            return await self.store.create(new)

    @asynccontextmanager
    async def locked(self, digest, *, cap=None):
        yield self.Row(self, await self.load(digest))


class CapThatIsMadeRoomFor(LooksFirst):
    """Ends the oldest sessions before it creates the new one."""

    async def create(self, new, *, cap=None, **options):
        if cap is not None:
            async with self.looking:
                others = await self.list_user_page(cap.user_id, limit=1000)
            for listing in others[: max(0, len(others) + 1 - cap.sessions)]:
                await self.delete(listing.digest)
        return await super().create(new, **options)


class LoadThatRemembers(SqlSessionStore):
    """Caches loaded sessions until they are saved or deleted, but not until they end otherwise."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self._remembered = {}

    async def load(self, digest):
        if digest not in self._remembered:
            self._remembered[digest] = await super().load(digest)
        return self._remembered[digest]

    async def save(self, save):
        self._remembered.pop(save.digest, None)
        return await super().save(save)

    async def delete(self, digest):
        self._remembered.pop(digest, None)
        return await super().delete(digest)


class SaveThatUpserts(SqlSessionStore):
    """Inserts the session if it is gone."""

    async def save(self, save):
        if await self.load(save.digest) is None:
            await self.create(NewSession(save.digest, lambda *_, **__: save.data, save.user_id, 1_000, 1_000))
            return True
        return await super().save(save)


class UpdateThatDoesNotLock(LooksFirst):
    """Loads, changes and saves without a lock."""

    @asynccontextmanager
    async def locked(self, digest, **_):
        async with self.looking:
            current = await self.load(digest)
        yield None if current is None else UnlockedRow(self, current)


class UpdateThatOverwrites(WithoutLock):
    """Overwrites a concurrent change, which it waits for: on a busy machine that may come late."""

    class Row(UnlockedRow):
        async def save(self, save):
            while (current := await self.store.load(save.digest)).version == save.version:
                await asyncio.sleep(0)
            await self.store.save(replace(save, version=current.version))


class UpdateThatKeepsTheEmptied(WithOtherRow):
    """Keeps the session instead of deleting it."""

    class Row(OtherRow):
        async def delete(self):
            await self.save(Save(self.record.digest, self.record.version, b"", self.record.user_id))


class RotationThatDeletesFirst(WithoutLock):
    """Deletes the old row before it inserts the new one: a failure loses both."""

    class Row(UnlockedRow):
        async def rotate(self, new, *, renewed):
            await self.delete()
            return await self.store.create(new)


class RotationThatInsertsFirst(WithoutLock):
    """Inserts the new row and deletes the old one in two transactions: both are visible in between."""

    looks = asyncio.Semaphore(0)

    async def count_user(self, user_id):
        counted = await super().count_user(user_id)
        self.looks.release()
        return counted

    class Row(UnlockedRow):
        async def rotate(self, new, *, renewed):
            moved = await self.store.create(new)
            self.store.looks = asyncio.Semaphore(0)
            for _ in range(2):  # the first may have begun before the insert
                await self.store.looks.acquire()
            await self.delete()
            return moved


class RotationThatLeavesTheOldRow(WithoutLock):
    """Keeps the old row: a stolen id remains valid."""

    class Row(UnlockedRow):
        async def rotate(self, new, *, renewed):
            return await self.store.create(new)


class RotationThatRenews(WithOtherRow):
    """Restarts the absolute timeout with every rotation."""

    class Row(OtherRow):
        async def rotate(self, new, *, renewed):
            return await super().rotate(new, renewed=True)


class CreateWithoutCap(SqlSessionStore):
    """Ignores the cap."""

    async def create(self, new, *, cap=None):
        return await super().create(new)


class RotationWithoutCap(SqlSessionStore):
    """Ignores the cap."""

    def locked(self, digest, *, cap=None):
        return super().locked(digest)


class ClearWithoutRevoke(SqlSessionStore):
    """Implements a capability partially."""

    revoke = None  # type: ignore[assignment]


class ClearOfSome(SqlSessionStore):
    """Ends only the first batch of all sessions."""

    async def clear_all(self):
        page = await self.list_page(limit=PAGE)
        return sum([await self.delete(listing.digest) for listing in page])


class ListenThatEnds(SqlSessionStore):
    """Returns at once instead of listening."""

    async def listen(self, told):
        return None


class SetAsideThatCopies(SqlSessionStore):
    """Copies the row to the quarantine instead of moving it."""

    async def set_aside(self, record, reason):
        current = await self.load(record.digest)
        return current is not None and current.version == record.version


class ClearOfOnePage(SqlSessionStore):
    """Ends only the sessions on the first page of the user's list."""

    async def clear_user(self, user_id, *, keep=None):
        digests = [listing.digest for listing in await self.list_user_page(user_id, limit=PAGE)]
        return sum([await self.delete(digest) for digest in digests if handle_of(digest) != keep])


class ClearOfAList(SqlSessionStore):
    """Ends the sessions of an earlier list."""

    async def clear_user(self, user_id, *, keep=None):
        digests = [listing.digest for listing in await self.list_user_page(user_id, limit=1000)]
        for _ in range(10):  # time enough for a rotation
            await self.count()
        return sum([await self.delete(digest) for digest in digests if handle_of(digest) != keep])


class ListByOffset(SqlSessionStore):
    """Uses offset pagination instead of a key."""

    offset = 0

    async def list_page(self, *, after=b"", limit):
        self.offset = self.offset + limit if after else 0
        everybody = await super().list_page(limit=1000)
        return everybody[self.offset : self.offset + limit]


class EndsOfWhatNeverWas(SqlSessionStore):
    """Takes every id that is not stored for one that has ended."""

    async def recent_end(self, digest):
        return await super().recent_end(digest) or (End(0, moved=False) if await self.load(digest) is None else None)
