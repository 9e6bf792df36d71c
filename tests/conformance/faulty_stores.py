"""Stores that do something in the wrong steps, as their authors often do at first."""

import asyncio
from collections.abc import Callable

from msgspec.structs import replace

from bodhi.session import DigestTaken
from bodhi.session.handles import handle_of
from bodhi.session.records import NewSession, Save, SessionRecord
from bodhi.session.sql_store import SqlSessionStore

PAGE = 10
Change = Callable[[SessionRecord], NewSession]


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


class RotationThatSealsForTheOldTimes(SqlSessionStore):
    """Encrypts for when the session began and ended before it moved."""

    async def rotate(self, digest, change: Change, **options):
        def sealed(current):
            new = change(current)
            data = new.seal(current.created_at, current.ends_at)
            return replace(new, seal=lambda *_, **__: data)

        return await super().rotate(digest, sealed, **options)


class CreateThatDeletesFirst(SqlSessionStore):
    """Ends the session that is to be replaced before the new one is stored."""

    async def create(self, new, *, replaces=None, must_replace=False, cap=None):
        if replaces is not None:
            await self.delete(replaces)
        return await super().create(new, cap=cap)


class CreateThatReplacesNothing(SqlSessionStore):
    """Does not mind that the session to be replaced is gone."""

    async def create(self, new, *, replaces=None, must_replace=False, cap=None):
        return await super().create(new, replaces=replaces, cap=cap)


class CapThatIsMadeRoomFor(LooksFirst):
    """Ends the oldest sessions so that there is a place, and logs in then."""

    async def create(self, new, *, cap=None, **options):
        if cap is not None:
            async with self.looking:
                others = [listing async for listing in self.list_user(cap.user_id)]
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

    async def update(self, digest, change):
        async with self.looking:
            current = await self.load(digest)
        return current is not None and await self.save(change(current))


class UpdateThatKeepsTheEmptied(SqlSessionStore):
    """Stores nothing rather than ending the session."""

    async def update(self, digest, change):
        return await super().update(digest, lambda row: change(row) or Save(digest, row.version, b"", row.user_id))


class RotationThatDeletesFirst(SqlSessionStore):
    """Deletes the old row and inserts the new one: where that fails, both are gone."""

    async def rotate(self, digest, change: Change, **options):
        current = await self.load(digest)
        if current is None or not await self.delete(digest):
            return None
        return await self.create(change(current))


class RotationThatInsertsFirst(SqlSessionStore):
    """Inserts the new row and deletes the old one, not in one transaction: whoever looks in between sees both."""

    looks = asyncio.Semaphore(0)

    async def count_user(self, user_id):
        counted = await super().count_user(user_id)
        self.looks.release()
        return counted

    async def rotate(self, digest, change: Change, **options):
        current = await self.load(digest)
        if current is None:
            return None
        moved = await self.create(change(current))
        self.looks = asyncio.Semaphore(0)
        for _ in range(2):  # the first may have begun before the insert
            await self.looks.acquire()
        await self.delete(digest)
        return moved


class RotationThatLeavesTheOldRow(SqlSessionStore):
    """Inserts the new row only: a stolen id goes on working."""

    async def rotate(self, digest, change: Change, **options):
        current = await self.load(digest)
        return None if current is None else await self.create(change(current))


class RotationThatRenews(SqlSessionStore):
    """Starts the absolute timeout anew whenever the session moves."""

    async def rotate(self, digest, change: Change, *, renewed, cap=None):
        return await super().rotate(digest, change, renewed=True, cap=cap)


class ClearOfOnePage(SqlSessionStore):
    """Ends the sessions on the first page of the user's list."""

    async def clear_user(self, user_id, *, keep=None):
        digests = [listing.digest async for listing in self.list_user(user_id)][:PAGE]
        return sum([await self.delete(digest) for digest in digests if handle_of(digest) != keep])


class ClearOfAList(SqlSessionStore):
    """Lists the user's sessions, and ends those then."""

    async def clear_user(self, user_id, *, keep=None):
        digests = [listing.digest async for listing in self.list_user(user_id)]
        for _ in range(10):  # time enough for a rotation
            await self.count()
        return sum([await self.delete(digest) for digest in digests if handle_of(digest) != keep])


class ListByOffset(SqlSessionStore):
    """Takes pages by their number rather than by a key."""

    async def list_all(self):
        offset = 0
        while page := [listing async for listing in super().list_all()][offset : offset + PAGE]:
            for listing in page:
                yield listing
            offset += PAGE
