"""The policy of sessions: ids, times, encryption, merging; what the application and the operator call."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from bodhi.database import BadDatabaseUrl, Database, Schema, dialect_of, open_database
from bodhi.session.changes import Changes, Moving, OpenSession, Saving
from bodhi.session.codec import encode
from bodhi.session.cookie import CookiePolicy
from bodhi.session.counters import SessionCounters
from bodhi.session.errors import DigestTaken, SessionError, SessionGone, SessionUnavailable, UnknownKey, Unreadable
from bodhi.session.handles import digest_of, handle_of, is_session_id, new_session_id
from bodhi.session.keyring import Keyring
from bodhi.session.owner import owner_of
from bodhi.session.records import NOWHERE, Device, SessionListing, SessionRecord, StoredData, UserCap
from bodhi.session.sql_store import Clock, open_store
from bodhi.session.store import SessionStore
from bodhi.session.sweeper import Sweeper
from bodhi.session.touches import Touches

if TYPE_CHECKING:
    from bodhi.session.storage import SessionStorage

ID_ATTEMPTS = 3  # a second collision of 256 random bits means a broken generator

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """One session as its user or an operator may see it: nothing in it authenticates."""

    handle: str
    user_id: str | None
    created_at: datetime  # UTC, as the two below
    last_seen_at: datetime
    expires_at: datetime
    ip: str | None
    user_agent: str | None
    is_current: bool


class DefaultSessionService:
    """Sessions in the database that a URL names.

    ``await DefaultSessionService.connect(url, keys=[...])`` gives one that works, to be closed; a service from
    :meth:`from_url` is opened by ``async with``. Every method raises :exc:`SessionUnavailable` when the
    database does not answer within its limit.
    """

    def __init__(
        self,
        store: SessionStore,
        *,
        keys: Sequence[str | bytes],
        idle_seconds: int = 86_400,
        lifetime_seconds: int = 1_209_600,
        touch_seconds: int = 60,
        sweep_seconds: float | None = 300,
        max_per_user: int | None = None,
        cookie: CookiePolicy | None = None,
        database: Database | None = None,
        auto_migrate: bool = True,
    ) -> None:
        """A service on any *store*; *database* is what :meth:`open` connects and migrates for it.

        With *sweep_seconds* None expired sessions are deleted only when :meth:`sweep` is called.
        """
        self._store = store
        self._sweep_seconds = sweep_seconds
        self._max_per_user = max_per_user
        self.cookie = cookie or CookiePolicy()
        self._database = database
        self._auto_migrate = auto_migrate
        self.counters = SessionCounters()
        idle_ms = idle_seconds * 1000
        self._changes = Changes(Keyring(keys), self.counters, idle_ms=idle_ms, lifetime_ms=lifetime_seconds * 1000)
        self._touches = Touches(store, self.counters, idle_ms=idle_ms, interval_ms=touch_seconds * 1000)
        self._sweeper = Sweeper(store, self.counters)
        self._opened: AsyncExitStack | None = None

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        keys: Sequence[str | bytes],
        pool_size: int = 10,
        limit_seconds: float = 5.0,
        statement_cache_size: int = 100,
        schema: str | None = None,
        readers: int = 2,
        synchronous: str = "full",
        clock: Clock = lambda: None,
        **policy: Any,
    ) -> Self:
        """A service on the database that *url* names, not opened yet.

        The options up to *synchronous* are those of :func:`bodhi.database.open_database`, *policy* the constructor's.
        """
        database = open_database(
            url,
            pool_size=pool_size,
            limit_seconds=limit_seconds,
            statement_cache_size=statement_cache_size,
            schema=schema,
            readers=readers,
            synchronous=synchronous,
        )
        return cls(open_store(database, clock=clock), keys=keys, database=database, **policy)

    @classmethod
    async def connect(cls, url: str, *, keys: Sequence[str | bytes], **options: Any) -> Self:
        """A service on the database that *url* names, connected and migrated; the options are :meth:`from_url`'s."""
        return await cls.from_url(url, keys=keys, **options).open()

    @classmethod
    async def connect_sqlite(cls, url: str, *, keys: Sequence[str | bytes], **options: Any) -> Self:
        """:meth:`connect`, for a ``sqlite:`` URL only."""
        return await cls._connect_as("sqlite", url, keys=keys, **options)

    @classmethod
    async def connect_postgres(cls, url: str, *, keys: Sequence[str | bytes], **options: Any) -> Self:
        """:meth:`connect`, for a ``postgres://`` or ``postgresql://`` URL only."""
        return await cls._connect_as("postgres", url, keys=keys, **options)

    @classmethod
    async def _connect_as(cls, dialect: str, url: str, **options: Any) -> Self:
        if dialect_of(url) != dialect:
            raise BadDatabaseUrl(f"this is no {dialect} URL")
        return await cls.connect(url, **options)

    async def open(self) -> Self:
        """Connect, migrate, and start touching and sweeping in the background; nothing when it is open."""
        if self._opened is not None:
            return self
        async with AsyncExitStack() as stack:
            if self._database is not None:
                database = await stack.enter_async_context(self._database)
                schema = Schema(database, "session")
                await (schema.migrate() if self._auto_migrate else schema.check())
            stack.push_async_callback(self._touches.flush)
            self._start(stack, self._touches.run())
            if self._sweep_seconds is not None:
                self._start(stack, self._sweeper.run(self._sweep_seconds))
            self._opened = stack.pop_all()
        return self

    @staticmethod
    def _start(stack: AsyncExitStack, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)

        async def stop() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        stack.push_async_callback(stop)

    async def close(self) -> None:
        """Write what is noted and disconnect; nothing when it is closed."""
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.aclose()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # What requests call, through the storage.

    @cached_property
    def storage(self) -> "SessionStorage":
        """The storage for ``aiohttp_session.setup(app, service.storage)``."""
        from bodhi.session.storage import SessionStorage

        return SessionStorage(self)

    async def load(self, session_id: str) -> OpenSession | None:
        """The live session with this id, or None; a malformed id costs no query.

        Unreadable data is set aside and reads as None; data under an unknown key reads as None and stays.
        """
        if not is_session_id(session_id):
            return None
        self.counters.loads += 1
        record = await self._store.load(digest_of(session_id))
        if record is None:
            return None
        session = await self._opened_record(record)
        if session is not None:
            self._touches.note(record)
        return session

    async def create(
        self,
        data: dict[str, Any],
        *,
        device: Device = NOWHERE,
        max_age_seconds: int | None = None,
        replaces: bytes | None = None,
    ) -> tuple[str, OpenSession]:
        """A new session and the id for its cookie; *replaces* is the digest of the session that it ends."""
        plaintext = encode(data)
        owner = owner_of(data)
        for _ in range(ID_ATTEMPTS):
            session_id = new_session_id()
            new = self._changes.new(session_id, plaintext, owner, device, max_age_seconds)
            try:
                record = await self._store.create(new, replaces=replaces, cap=self._cap(owner))
            except DigestTaken:
                log.error("a new session id was taken already: is the random generator broken?")
                continue
            self.counters.creations += 1
            return session_id, OpenSession(record, plaintext, data)
        raise SessionError("no unused session id was found")

    async def save(
        self,
        session: OpenSession,
        data: dict[str, Any],
        *,
        ages: bool = False,
        max_age_seconds: int | None = None,
    ) -> OpenSession | None:
        """Store *data*, merged with what other requests saved since *session* was loaded.

        None where nothing is left in the session: then its row is deleted. With *ages* the session ends
        *max_age_seconds* from now, within the timeouts. Raises :exc:`SessionGone` when the session has ended meanwhile.
        """
        change = Saving(self._changes, session, data, self._changes.ages(max_age_seconds) if ages else None)
        save = change(session.record) if data else None
        if save is None or not await self._store.save(save):
            try:
                updated = await self._store.update(session.record.digest, change)
            except (Unreadable, UnknownKey) as error:
                log.warning("session %s cannot be saved: %s", session.handle, error)
                updated = False
            if not updated:
                self.counters.blocked_saves += 1
                log.info("session %s ended while a request changed it: the change is dropped", session.handle)
                raise SessionGone
            save = change.save
        if save is None:
            self.counters.deletions += 1
            return None
        self.counters.saves += 1
        record = replace(session.record, version=save.version + 1, data=save.data, user_id=save.user_id)
        return OpenSession(record, change.plaintext, change.data)

    async def rotate(
        self,
        session: OpenSession,
        data: dict[str, Any],
        *,
        renewed: bool = False,
        device: Device | None = None,
        max_age_seconds: int | None = None,
    ) -> tuple[str, OpenSession]:
        """Save *data* under a new id and end the old one, in one transaction; the new id comes back.

        With *renewed* (a login) the absolute timeout starts anew. Raises :exc:`SessionGone` when the session has ended.
        """
        for _ in range(ID_ATTEMPTS):
            session_id = new_session_id()
            move = Moving(self._changes, session, data, session_id=session_id, device=device, max_age=max_age_seconds)
            try:
                record = await self._store.rotate(
                    session.record.digest, move, renewed=renewed, cap=self._cap(owner_of(data))
                )
            except DigestTaken:
                log.error("a new session id was taken already: is the random generator broken?")
                continue
            except (Unreadable, UnknownKey) as error:
                raise SessionGone from error
            if record is None:
                raise SessionGone
            self.counters.rotations += 1
            return session_id, OpenSession(record, move.plaintext, move.data)
        raise SessionError("no unused session id was found")

    async def delete(self, digest: bytes) -> bool:
        """End the session stored under *digest*; whether there was a live one."""
        self.counters.deletions += 1
        return await self._store.delete(digest)

    # What operators and users call.

    def get_session_store(self) -> SessionStore:
        """The store beneath."""
        return self._store

    async def count_sessions(self) -> int:
        """How many live sessions there are."""
        return await self._store.count()

    async def count_sessions_for_user(self, user_id: str) -> int:
        """How many live sessions the user has."""
        return await self._store.count_user(user_id)

    async def get_session_ids_for_user(self, user_id: str) -> list[str]:
        """The handles of the user's live sessions, oldest first."""
        return [handle_of(listing.digest) async for listing in self._store.list_user(user_id)]

    async def list_sessions_for_user(self, user_id: str, *, current: str | None = None) -> list[SessionInfo]:
        """The user's live sessions, oldest first; *current* is the handle of the one that asks."""
        return [_info(listing, current) async for listing in self._store.list_user(user_id)]

    async def dump_all_sessions(self) -> AsyncIterator[tuple[str, str | None]]:
        """The handle and user_id of every live session, streamed in constant memory."""
        async for listing in self._store.list_all():
            yield handle_of(listing.digest), listing.user_id

    async def revoke_session(self, handle: str, *, user_id: str | None = None) -> bool:
        """End the session with this handle; with *user_id*, somebody else's reads as unknown. Whether it was live."""
        revoked = await self._store.revoke(handle, user_id=user_id)
        self.counters.deletions += revoked
        return revoked

    async def revoke_other_sessions(self, user_id: str, keep: str) -> int:
        """End all sessions of the user but the one with the handle *keep*; how many."""
        return self._ended(await self._store.clear_user(user_id, keep=keep))

    async def clear_sessions_for_user(self, user_id: str) -> int:
        """End all sessions of the user; how many live ones there were."""
        return self._ended(await self._store.clear_user(user_id))

    async def clear_all_sessions(self) -> int:
        """End every session; how many live ones there were."""
        return self._ended(await self._store.clear_all())

    async def sweep(self) -> int:
        """Delete the expired sessions; how many."""
        return await self._sweeper.sweep()

    async def flush(self) -> int:
        """Write the touches that are noted; how many sessions were extended."""
        return await self._touches.flush()

    async def rekey(self) -> AsyncIterator[tuple[int, int]]:
        """Re-encrypt with the newest key what an older one encrypted, while requests go on.

        After each page: how many sessions were re-encrypted and how many seen so far. What a request saves meanwhile
        is encrypted with the newest key anyway; what no key opens stays as it is.
        """
        rekeyed = seen = 0
        async for page in self._store.list_data():
            seen += len(page)
            rekeyed += await self._store.rekey([new for old in page if (new := self._rekeyed(old)) is not None])
            yield rekeyed, seen

    def _rekeyed(self, stored: StoredData) -> StoredData | None:
        if self._changes.keyring.is_newest(stored.data):
            return None
        try:
            plaintext = self._changes.keyring.open(stored.data, stored.digest)
        except (Unreadable, UnknownKey) as error:
            log.warning("session %s keeps its key: %s", handle_of(stored.digest), error)
            return None
        return replace(stored, data=self._changes.keyring.seal(plaintext, stored.digest))

    # Helpers.

    async def _opened_record(self, record: SessionRecord) -> OpenSession | None:
        try:
            return self._changes.opened(record)
        except UnknownKey as error:
            self.counters.unknown_keys += 1
            log.warning("session %s reads as absent and is kept: %s", handle_of(record.digest), error)
        except Unreadable as error:
            self.counters.unreadable += 1
            log.warning("session %s is set aside: %s", handle_of(record.digest), error)
            try:
                await self._store.set_aside(record, str(error))
            except SessionUnavailable:
                log.warning("session %s could not be set aside yet", handle_of(record.digest))
        return None

    def _cap(self, owner: str | None) -> UserCap | None:
        return UserCap(owner, self._max_per_user) if owner is not None and self._max_per_user else None

    def _ended(self, sessions: int) -> int:
        self.counters.deletions += sessions
        return sessions


def _info(listing: SessionListing, current: str | None) -> SessionInfo:
    handle = handle_of(listing.digest)
    return SessionInfo(
        handle,
        listing.user_id,
        _utc(listing.created_at),
        _utc(listing.last_seen_at),
        _utc(listing.expires_at),
        listing.device.ip,
        listing.device.user_agent,
        is_current=handle == current,
    )


def _utc(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
