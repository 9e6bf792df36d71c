"""What the application and the operator call: connect, count, list, revoke, clear, sweep, close."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Self, Unpack

from bodhi.database import BadDatabaseUrl, Database, Schema, dialect_of, open_database
from bodhi.options import flag, optional_seconds, refusal
from bodhi.session.cursors import cursor_of, end_of_page, end_of_user_page
from bodhi.session.endings import Reason, note_ended
from bodhi.session.errors import SessionUnavailable
from bodhi.session.handles import handle_of
from bodhi.session.legacy import adapt_store
from bodhi.session.manager import SessionManager
from bodhi.session.options import PolicyOptions, ServiceOptions, UrlOptions
from bodhi.session.owner import user_text
from bodhi.session.records import SessionListing, SessionRecord
from bodhi.session.sql_store import Clock, SqlSessionStore, open_store
from bodhi.session.storage import SessionStorage
from bodhi.session.store import AllSessions, Reencryption, SessionStore, UserSessions, require
from bodhi.session.sweeper import Sweeper
from bodhi.session.user_index import make_user_index

PAGE = 1000  # sessions in one query of a list


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


@dataclass(frozen=True, slots=True)
class SessionPage:
    """Some of the live sessions, and where the next page begins: None when there is none."""

    sessions: list[SessionInfo]
    after: str | None


class DefaultSessionService(SessionManager):
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
        database: Database | None = None,
        auto_migrate: bool = True,
        sweep_seconds: float | None = 300,
        **policy: Unpack[PolicyOptions],
    ) -> None:
        """A service on any *store*; *database* is what :meth:`open` connects and migrates for it.

        With *sweep_seconds* None expired sessions are deleted only when :meth:`sweep` is called. *policy* is
        :class:`SessionManager`'s.
        """
        self._given_store = store
        store = adapt_store(store)
        super().__init__(store, keys=keys, **policy)
        if database is not None and not hasattr(database, "transaction"):
            raise refusal("database", database, "None or a bodhi.database.Database")
        self._database = database
        self._auto_migrate = flag("auto_migrate", auto_migrate)
        self._sweep_seconds = optional_seconds("sweep_seconds", sweep_seconds, 0.001)
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
        **options: Unpack[ServiceOptions],
    ) -> Self:
        """A service on the database that *url* names, not opened yet.

        The options up to *synchronous* are those of :func:`bodhi.database.open_database`, the others the constructor's.
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
        if not callable(clock):
            raise refusal("clock", clock, "a function")
        return cls(open_store(database, clock=clock), database=database, keys=keys, **options)

    @classmethod
    async def connect(cls, url: str, *, keys: Sequence[str | bytes], **options: Unpack[UrlOptions]) -> Self:
        """A service on the database that *url* names, connected and migrated; the options are :meth:`from_url`'s."""
        return await cls.from_url(url, keys=keys, **options).open()

    @classmethod
    async def connect_sqlite(cls, url: str, *, keys: Sequence[str | bytes], **options: Unpack[UrlOptions]) -> Self:
        """:meth:`connect`, for a ``sqlite:`` URL only."""
        return await cls._connect_as("sqlite", url, keys=keys, **options)

    @classmethod
    async def connect_postgres(cls, url: str, *, keys: Sequence[str | bytes], **options: Unpack[UrlOptions]) -> Self:
        """:meth:`connect`, for a ``postgres://`` or ``postgresql://`` URL only."""
        return await cls._connect_as("postgres", url, keys=keys, **options)

    @classmethod
    async def _connect_as(
        cls, dialect: str, url: str, *, keys: Sequence[str | bytes], **options: Unpack[UrlOptions]
    ) -> Self:
        if dialect_of(url) != dialect:
            raise BadDatabaseUrl(f"this is no {dialect} URL")
        return await cls.connect(url, keys=keys, **options)

    async def open(self) -> Self:
        """Connect, migrate, and start touching and sweeping in the background; nothing when it is open."""
        if self._opened is not None:
            return self
        async with AsyncExitStack() as stack:
            if self._database is not None:
                database = await stack.enter_async_context(self._database)
                schema = Schema(database, "session")
                if self._auto_migrate:
                    await schema.migrate()
                    await make_user_index(database)
                else:
                    await schema.check()
            stack.push_async_callback(self.revocations.close)
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

    @property
    def is_open(self) -> bool:
        """Whether the service is connected and works in the background."""
        return self._opened is not None

    async def close(self) -> None:
        """Write what is noted and disconnect; nothing when it is closed."""
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.aclose()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @cached_property
    def storage(self) -> SessionStorage:
        """The storage for ``aiohttp_session.setup(app, service.storage)``."""
        return SessionStorage(self)

    def get_session_store(self) -> SessionStore:
        """The store beneath."""
        return self._given_store

    async def count_sessions(self) -> int:
        """How many live sessions there are."""
        return await require(self._store, AllSessions).count()

    async def count_sessions_for_user(self, user_id: object) -> int:
        """How many live sessions the user has."""
        return await require(self._store, UserSessions).count_user(user_text(user_id))

    async def get_session_ids_for_user(self, user_id: object) -> list[str]:
        """The handles of the user's live sessions, oldest first."""
        return [handle_of(listing.digest) async for listing in self._list_user(user_text(user_id))]

    async def list_sessions_for_user(self, user_id: object, *, current: str | None = None) -> list[SessionInfo]:
        """The user's live sessions, oldest first; *current* is the handle of the one that asks."""
        return [info_of(listing, current) async for listing in self._list_user(user_text(user_id))]

    async def _list_user(self, user_id: str) -> AsyncIterator[SessionListing]:
        store = require(self._store, UserSessions)
        page = await store.list_user_page(user_id, limit=PAGE)
        while page:
            for listing in page:
                yield listing
            if len(page) < PAGE:
                return
            after = (page[-1].created_at, page[-1].digest)
            page = await store.list_user_page(user_id, after=after, limit=PAGE)

    async def list_page(
        self, *, user_id: object = None, after: str | None = None, limit: int = 100, current: str | None = None
    ) -> SessionPage:
        """At most *limit* live sessions: the user's, oldest first, or without *user_id* everybody's in no order.

        *after* is that of the page before; a text that is none raises ValueError. The cost of a page does not depend
        on how many come before it.
        """
        if user_id is None:
            everybody = require(self._store, AllSessions)
            found = await everybody.list_page(after=end_of_page(after), limit=limit + 1)
        else:
            users = require(self._store, UserSessions)
            found = await users.list_user_page(user_text(user_id), after=end_of_user_page(after), limit=limit + 1)
        page = [info_of(listing, current) for listing in found[:limit]]
        if len(found) <= limit:
            return SessionPage(page, None)
        last = found[limit - 1]
        return SessionPage(page, cursor_of(handle_of(last.digest), None if user_id is None else last.created_at))

    async def dump_all_sessions(self) -> AsyncIterator[tuple[str, str | None]]:
        """The handle and user_id of every live session, streamed in constant memory."""
        store = require(self._store, AllSessions)
        page = await store.list_page(limit=PAGE)
        while page:
            for listing in page:
                yield handle_of(listing.digest), listing.user_id
            if len(page) < PAGE:
                return
            page = await store.list_page(after=page[-1].digest, limit=PAGE)

    # What ends sessions takes why, and by whom if not by their owner: for the log and the counters.

    async def revoke_session(
        self, handle: str, *, user_id: object = None, reason: Reason = "revoked", by: str | None = None
    ) -> bool:
        """End the session with this handle; with *user_id*, somebody else's reads as unknown. Whether it was live."""
        owner = None if user_id is None else user_text(user_id)
        revoked = await require(self._store, UserSessions).revoke(handle, user_id=owner)
        if revoked is not None:
            note_ended(self.counters, reason, user_id=revoked.user_id, by=by)
        return revoked is not None

    async def revoke_sessions(
        self, user_id: object, handles: Iterable[str], *, reason: Reason = "revoked", by: str | None = None
    ) -> int:
        """End those sessions of the user that have one of these handles; how many live ones there were."""
        owner = user_text(user_id)
        store = require(self._store, UserSessions)
        ended = 0
        try:
            for handle in handles:
                ended += await store.revoke(handle, user_id=owner) is not None
        finally:
            note_ended(self.counters, reason, ended, user_id=owner, by=by)
        return ended

    async def revoke_other_sessions(
        self, user_id: object, keep: str, *, reason: Reason = "revoked", by: str | None = None
    ) -> int:
        """End all sessions of the user but the one with the handle *keep*; how many."""
        owner = user_text(user_id)
        return await self._end(require(self._store, UserSessions).clear_user(owner, keep=keep), reason, owner, by)

    async def clear_sessions_for_user(
        self, user_id: object, *, reason: Reason = "cleared", by: str | None = None
    ) -> int:
        """End all sessions of the user; how many live ones there were."""
        owner = user_text(user_id)
        return await self._end(require(self._store, UserSessions).clear_user(owner), reason, owner, by)

    async def clear_all_sessions(self, *, reason: Reason = "cleared", by: str | None = None) -> int:
        """End every session; how many live ones there were."""
        return await self._end(require(self._store, AllSessions).clear_all(), reason, None, by)

    async def data_format(self) -> int:
        """The newest format of data that every node reads, and writes."""
        return await require(self._store, Reencryption).data_format()

    async def write_newest_format(self) -> bool:
        """Encrypt new sessions in the newest format from now on, on every node; False where that is so already.

        Nodes of version 0.1.0 set sessions in it aside: none may run any more. :meth:`rekey` does the others.
        """
        store = self._store
        return isinstance(store, SqlSessionStore) and await store.write_newest_format()

    async def sweep(self) -> int:
        """Delete the expired sessions; how many."""
        return await self._sweeper.sweep()

    async def flush(self) -> int:
        """Write the touches that are noted; how many sessions were extended."""
        return await self._touches.flush()

    async def _end(self, clearing: Awaitable[int], reason: Reason, user_id: str | None, by: str | None) -> int:
        ended = 0
        try:
            ended = await clearing
        except SessionUnavailable as error:
            ended = error.ended
            raise
        finally:
            note_ended(self.counters, reason, ended, user_id=user_id, by=by)
        return ended


def info_of(listing: SessionListing | SessionRecord, current: str | None) -> SessionInfo:
    """The session without what is not to be told; *current* is the handle of the one that asks."""
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
