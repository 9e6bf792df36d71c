"""Stores that do something in the wrong steps, as their authors often do at first."""

import asyncio
from contextlib import asynccontextmanager

from msgspec.structs import replace

from bodhi.session import DigestTaken, End, SessionGone
from bodhi.session.handles import handle_of
from bodhi.session.records import NewSession, Save
from bodhi.session.sql_store import SqlSessionStore

PAGE = 10


class Together:
    """A stretch that calls enter at the same time, and that none of them leaves before all have been through."""

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
    """Looks, and acts then: calls at once have all looked before the first acts."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.looking = Together()


class OtherRow:
    """A row that does what the store's own does."""

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
    """Locks as it should, but what is locked is a *Row*."""

    Row = OtherRow

    @asynccontextmanager
    async def locked(self, digest, **options):
        async with super().locked(digest, **options) as row:
            yield None if row is None else self.Row(row, self)


class UnlockedRow:
    """A row that was loaded, and that nobody holds."""

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
    """Loads where it should lock."""

    Row = UnlockedRow

    @asynccontextmanager
    async def locked(self, digest, *, cap=None):
        record = await self.load(digest)
        yield None if record is None else self.Row(self, record)


class CreateThatLooksFirst(LooksFirst):
    """Asks whether the digest is free, and inserts then."""

    async def create(self, new, **options):
        async with self.looking:
            if await self.load(new.digest) is not None:
                raise DigestTaken
        return await super().create(new, **options)


class CreateThatSealsForTheTimeouts(SqlSessionStore):
    """Encrypts for the absolute timeout where max_age ends the session earlier."""

    async def create(self, new, **options):
        now = self._clock()
        data = new.seal(now, now + new.lifetime_ms)
        return await super().create(replace(new, seal=lambda *_, **__: data), **options)


class RotationThatSealsForTheOldTimes(WithOtherRow):
    """Encrypts for when the session began and ended before it moved."""

    class Row(OtherRow):
        async def rotate(self, new, *, renewed):
            data = new.seal(self.record.created_at, self.record.ends_at)
            return await super().rotate(replace(new, seal=lambda *_, **__: data), renewed=renewed)


class RotationOfWhatIsGone(WithoutLock):
    """Begins a session where there is none to move."""

    class Row(UnlockedRow):
        async def rotate(self, new, *, renewed):
            return await self.store.create(new)

    @asynccontextmanager
    async def locked(self, digest, *, cap=None):
        yield self.Row(self, await self.load(digest))


class CapThatIsMadeRoomFor(LooksFirst):
    """Ends the oldest sessions so that there is a place, and logs in then."""

    async def create(self, new, *, cap=None, **options):
        if cap is not None:
            async with self.looking:
                others = await self.list_user_page(cap.user_id, limit=1000)
            for listing in others[: max(0, len(others) + 1 - cap.sessions)]:
                await self.delete(listing.digest)
        return await super().create(new, **options)


class LoadThatRemembers(SqlSessionStore):
    """Keeps what was loaded until it is saved or deleted, but forgets about the other ways to end."""

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
    """Stores the session anew where it is gone."""

    async def save(self, save):
        if await self.load(save.digest) is None:
            await self.create(NewSession(save.digest, lambda *_, **__: save.data, save.user_id, 1_000, 1_000))
            return True
        return await super().save(save)


class UpdateThatDoesNotLock(LooksFirst):
    """Loads, changes and saves, with others in between."""

    @asynccontextmanager
    async def locked(self, digest, **_):
        async with self.looking:
            current = await self.load(digest)
        yield None if current is None else UnlockedRow(self, current)


class UpdateThatOverwrites(WithoutLock):
    """Saves over whatever is there by then."""

    class Row(UnlockedRow):
        async def save(self, save):
            current = await self.store.load(save.digest)
            await self.store.save(replace(save, version=current.version))


class UpdateThatKeepsTheEmptied(WithOtherRow):
    """Stores nothing rather than ending the session."""

    class Row(OtherRow):
        async def delete(self):
            await self.save(Save(self.record.digest, self.record.version, b"", self.record.user_id))


class RotationThatDeletesFirst(WithoutLock):
    """Deletes the old row and inserts the new one: where that fails, both are gone."""

    class Row(UnlockedRow):
        async def rotate(self, new, *, renewed):
            await self.delete()
            return await self.store.create(new)


class RotationThatInsertsFirst(WithoutLock):
    """Inserts the new row and deletes the old one, not in one transaction: whoever looks in between sees both."""

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
    """Inserts the new row only: a stolen id goes on working."""

    class Row(UnlockedRow):
        async def rotate(self, new, *, renewed):
            return await self.store.create(new)


class RotationThatRenews(WithOtherRow):
    """Starts the absolute timeout anew whenever the session moves."""

    class Row(OtherRow):
        async def rotate(self, new, *, renewed):
            return await super().rotate(new, renewed=True)


class CreateWithoutCap(SqlSessionStore):
    """Takes the cap, and does not mind it."""

    async def create(self, new, *, cap=None):
        return await super().create(new)


class RotationWithoutCap(SqlSessionStore):
    """Takes the cap, and does not mind it."""

    def locked(self, digest, *, cap=None):
        return super().locked(digest)


class ClearWithoutRevoke(SqlSessionStore):
    """Has some methods of a capability."""

    revoke = None  # type: ignore[assignment]


class ClearOfSome(SqlSessionStore):
    """Ends a batch of all sessions."""

    async def clear_all(self):
        page = await self.list_page(limit=PAGE)
        return sum([await self.delete(listing.digest) for listing in page])


class ListenThatEnds(SqlSessionStore):
    """Has nothing to listen to, and says so by returning."""

    async def listen(self, told):
        return None


class SetAsideThatCopies(SqlSessionStore):
    """Keeps the row for inspection, and where it was."""

    async def set_aside(self, record, reason):
        current = await self.load(record.digest)
        return current is not None and current.version == record.version


class ClearOfOnePage(SqlSessionStore):
    """Ends the sessions on the first page of the user's list."""

    async def clear_user(self, user_id, *, keep=None):
        digests = [listing.digest for listing in await self.list_user_page(user_id, limit=PAGE)]
        return sum([await self.delete(digest) for digest in digests if handle_of(digest) != keep])


class ClearOfAList(SqlSessionStore):
    """Lists the user's sessions, and ends those then."""

    async def clear_user(self, user_id, *, keep=None):
        digests = [listing.digest for listing in await self.list_user_page(user_id, limit=1000)]
        for _ in range(10):  # time enough for a rotation
            await self.count()
        return sum([await self.delete(digest) for digest in digests if handle_of(digest) != keep])


class ListByOffset(SqlSessionStore):
    """Takes pages by their number rather than by a key."""

    offset = 0

    async def list_page(self, *, after=b"", limit):
        self.offset = self.offset + limit if after else 0
        everybody = await super().list_page(limit=1000)
        return everybody[self.offset : self.offset + limit]


class EndsOfWhatNeverWas(SqlSessionStore):
    """Takes every id that is not stored for one that has ended."""

    async def recent_end(self, digest):
        return await super().recent_end(digest) or (End(0, moved=False) if await self.load(digest) is None else None)
