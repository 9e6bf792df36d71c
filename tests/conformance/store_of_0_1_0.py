"""A store for the protocol of version 0.1.0, which must keep working: 23 methods, two with callables."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence

from msgspec.structs import replace

from bodhi.keyring import NEWEST_FORMAT
from bodhi.session import DigestTaken, SessionGone
from bodhi.session.handles import digests_of, handle_of
from bodhi.session.records import (
    NewSession,
    Revoked,
    Save,
    SessionListing,
    SessionRecord,
    StoredData,
    Touch,
    UserCap,
)
from bodhi.session.store import BEGINNING

PAGE = 10


class OldStore:
    """Sessions in the memory of one process. Nothing else runs between two awaits, and it has none."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._rows: dict[bytes, SessionRecord] = {}

    async def create(
        self,
        new: NewSession,
        *,
        replaces: bytes | None = None,
        must_replace: bool = False,
        cap: UserCap | None = None,
    ) -> SessionRecord:
        if must_replace and (replaces is None or await self.load(replaces) is None):
            raise SessionGone
        if new.digest in self._rows and new.digest != replaces:
            raise DigestTaken
        now = self._clock()
        longest = min(new.lifetime_ms, new.lifetime_ms if new.max_age_ms is None else new.max_age_ms)
        if replaces is not None:
            self._rows.pop(replaces, None)
        self._rows[new.digest] = SessionRecord(
            new.digest,
            new.seal(now, now + longest),
            new.user_id,
            version=1,
            created_at=now,
            last_seen_at=now,
            expires_at=now + min(new.idle_ms, longest),
            ends_at=now + longest,
            now=now,
            device=new.device,
        )
        self._trim(cap, keep=new.digest)
        return self._rows[new.digest]

    async def data_format(self) -> int:
        return NEWEST_FORMAT

    async def load(self, digest: bytes) -> SessionRecord | None:
        row = self._rows.get(digest)
        return replace(row, now=self._clock()) if row is not None and self._is_live(row) else None

    async def save(self, save: Save) -> bool:
        row = await self.load(save.digest)
        if row is None or row.version != save.version:
            return False
        row = replace(row, data=save.data, user_id=save.user_id, version=row.version + 1)
        if save.ages is not None:
            expires_at = min(row.last_seen_at + save.ages.idle_ms, save.ages.ends_at)
            row = replace(row, ends_at=save.ages.ends_at, expires_at=expires_at)
        self._rows[save.digest] = row
        return True

    async def update(self, digest: bytes, change: Callable[[SessionRecord], Save | None]) -> bool:
        row = await self.load(digest)
        if row is None:
            return False
        save = change(row)
        return await self.delete(digest) if save is None else await self.save(save)

    async def rotate(
        self,
        digest: bytes,
        change: Callable[[SessionRecord], NewSession],
        *,
        renewed: bool,
        cap: UserCap | None = None,
    ) -> SessionRecord | None:
        row = await self.load(digest)
        if row is None:
            return None
        new = change(row)
        moved = await self.create(new, replaces=digest)
        created_at = row.now if renewed else row.created_at
        ends_at = created_at + new.lifetime_ms if renewed or new.max_age_ms is not None else row.ends_at
        if new.max_age_ms is not None:
            ends_at = min(ends_at, row.now + new.max_age_ms)
        self._rows[new.digest] = replace(
            moved,
            data=new.seal(created_at, ends_at),
            version=row.version + 1,
            created_at=created_at,
            ends_at=ends_at,
            expires_at=min(row.now + new.idle_ms, ends_at),
        )
        self._trim(cap, keep=new.digest)
        return self._rows[new.digest]

    async def touch(self, touches: Sequence[Touch]) -> int:
        touched = 0
        for touch in touches:
            row = await self.load(touch.digest)
            if row is not None and row.last_seen_at <= touch.seen_at - touch.interval_ms:
                expires_at = max(row.expires_at, min(touch.seen_at + touch.idle_ms, row.ends_at))
                self._rows[row.digest] = replace(row, last_seen_at=touch.seen_at, expires_at=expires_at)
                touched += 1
        return touched

    async def delete(self, digest: bytes) -> bool:
        row = self._rows.pop(digest, None)
        return row is not None and self._is_live(row)

    async def revoke(self, handle: str, *, user_id: str | None = None) -> Revoked | None:
        low, high = digests_of(handle) or (b"", b"")
        for digest, row in self._rows.items():
            if low <= digest <= high and user_id in {None, row.user_id}:
                return Revoked(row.user_id) if await self.delete(digest) else None
        return None

    async def clear_user(self, user_id: str, *, keep: str | None = None) -> int:
        digests = [row.digest for row in self._rows.values() if row.user_id == user_id]
        return sum([await self.delete(digest) for digest in digests if handle_of(digest) != keep])

    async def clear_all(self) -> int:
        return sum([await self.delete(digest) for digest in list(self._rows)])

    async def count_user(self, user_id: str) -> int:
        return len([one async for one in self.list_user(user_id)])

    async def count(self) -> int:
        return len([one async for one in self.list_all()])

    async def list_user(self, user_id: str) -> AsyncIterator[SessionListing]:
        for row in sorted(self._live(), key=lambda row: row.created_at):
            if row.user_id == user_id:
                yield _listing(row)

    async def list_user_page(self, user_id: str, *, after=BEGINNING, limit: int) -> Sequence[SessionListing]:
        rows = sorted(self._live(), key=_begun)
        return [_listing(row) for row in rows if row.user_id == user_id and _begun(row) > after][:limit]

    async def list_page(self, *, after: bytes = b"", limit: int) -> Sequence[SessionListing]:
        return [_listing(row) for row in self._live() if row.digest > after][:limit]

    async def list_all(self) -> AsyncIterator[SessionListing]:
        for row in self._live():
            yield _listing(row)

    async def list_data(self) -> AsyncIterator[Sequence[StoredData]]:
        rows = self._live()
        for start in range(0, len(rows), PAGE):
            yield [_stored_data(row) for row in rows[start : start + PAGE]]

    async def some_data(self, most: int) -> Sequence[StoredData]:
        return [_stored_data(row) for row in self._live()][:most]

    async def live_among(self, digests: Sequence[bytes]) -> Collection[bytes]:
        return {row.digest for row in self._live()}.intersection(digests)

    async def listen(self, told: Callable[[str | None], None]) -> None:
        await asyncio.Event().wait()

    async def rekey(self, page: Sequence[StoredData]) -> int:
        rekeyed = 0
        for one in page:
            row = self._rows.get(one.digest)
            if row is not None and row.version == one.version:
                self._rows[one.digest] = replace(row, data=one.data)
                rekeyed += 1
        return rekeyed

    async def set_aside(self, record: SessionRecord, reason: str) -> bool:
        row = self._rows.get(record.digest)
        return row is not None and row.version == record.version and await self.delete(record.digest)

    async def sweep(self) -> int | None:
        expired = [row.digest for row in self._rows.values() if not self._is_live(row)][:PAGE]
        for digest in expired:
            del self._rows[digest]
        return len(expired)

    def _live(self) -> list[SessionRecord]:
        return sorted(filter(self._is_live, self._rows.values()), key=lambda row: row.digest)

    def _is_live(self, row: SessionRecord) -> bool:
        return row.expires_at > self._clock()

    def _trim(self, cap: UserCap | None, *, keep: bytes) -> None:
        if cap is not None:
            others = [row for row in self._live() if row.user_id == cap.user_id and row.digest != keep]
            for row in sorted(others, key=lambda row: row.created_at, reverse=True)[cap.sessions - 1 :]:
                del self._rows[row.digest]


def _begun(row: SessionRecord) -> tuple[int, bytes]:
    return row.created_at, row.digest


def _stored_data(row: SessionRecord) -> StoredData:
    return StoredData(row.digest, row.version, row.data, row.user_id, row.created_at, row.ends_at)


def _listing(row: SessionRecord) -> SessionListing:
    return SessionListing(row.digest, row.user_id, row.created_at, row.last_seen_at, row.expires_at, row.device)
