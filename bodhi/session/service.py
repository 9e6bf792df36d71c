"""The session service, which an application opens, calls and closes."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import cached_property, partial
from typing import Self, Unpack
from weakref import finalize

from bodhi.background import running
from bodhi.database import BadDatabaseUrl, Database, Schema, dialect_of, open_database
from bodhi.database.schema import refusing_to_open
from bodhi.forks import note_closed, note_opened
from bodhi.options import flag, optional_seconds, refusal
from bodhi.session.administration import SessionAdministration
from bodhi.session.legacy import adapt_store
from bodhi.session.manager import SessionManager
from bodhi.session.options import PolicyOptions, ServiceOptions, UrlOptions
from bodhi.session.reencryption import SessionReencryption
from bodhi.session.sql_store import Clock, open_store
from bodhi.session.storage import SessionStorage
from bodhi.session.store import SessionStore
from bodhi.session.sweeper import Sweeper
from bodhi.session.user_index import make_user_index

FORGOTTEN = "the session service on %s was never closed: use `async with`, or `await service.close()`"
ENDED_LOOP = (
    "the session service on %s was opened in an event loop that has ended: uses of sessions are not written, so they "
    "end at the idle timeout; open it in the loop that serves, or leave it to setup()"
)

log = logging.getLogger(__name__)


class DefaultSessionService(SessionManager, SessionAdministration, SessionReencryption):
    """Sessions in the database that a URL names.

    ``await DefaultSessionService.connect(url, keys=[...])`` returns an open one, to be closed; a service from
    :meth:`from_url` is opened by ``async with``. Every method raises :exc:`SessionUnavailable` when the
    database does not answer within its time limit.
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
        """Create a service on any *store*; :meth:`open` connects and migrates *database* for it.

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
        """Return a service on the database of *url*, not opened.

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
        """Return an open service on the database of *url*; the options are those of :meth:`from_url`."""
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
        """Connect, migrate, and start background tasks; does nothing if open."""
        if self._opened is not None:
            if self._loop.is_closed():
                log.error(ENDED_LOOP, self._address)
            return self
        async with AsyncExitStack() as stack:
            if self._database is not None:
                database = await stack.enter_async_context(self._database)
                schema = Schema(database, "session")
                with refusing_to_open(database):
                    if self._auto_migrate:
                        await schema.migrate()
                        await make_user_index(database)
                    else:
                        await schema.check()
            stack.push_async_callback(self.revocations.close)
            stack.push_async_callback(self._touches.flush)
            await stack.enter_async_context(running(self._touches.run, "writing when sessions were last used"))
            if self._sweep_seconds is not None:
                sweep = partial(self._sweeper.run, self._sweep_seconds)
                await stack.enter_async_context(running(sweep, "sweeping expired sessions"))
            self._forgotten = finalize(self, log.warning, FORGOTTEN, self._address)
            stack.callback(self._forgotten.detach)
            self._loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
            self._opened = stack.pop_all()
        note_opened(self)
        return self

    @property
    def _address(self) -> str:
        return self._database.address if self._database is not None else "a store of your own"

    @property
    def is_open(self) -> bool:
        """Whether the service is connected and its background tasks run."""
        return self._opened is not None

    async def close(self) -> None:
        """Write pending touches and disconnect; does nothing if closed."""
        opened, self._opened = self._opened, None
        if opened is not None:
            note_closed(self)
            await opened.aclose()

    def _leave_to_parent(self) -> object:
        """Become closed, in a child process: see :mod:`bodhi.forks`."""
        self._forgotten.detach()
        opened, self._opened = self._opened, None
        return opened

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @cached_property
    def storage(self) -> SessionStorage:
        """The storage for ``aiohttp_session.setup(app, service.storage)``."""
        return SessionStorage(self)

    def get_session_store(self) -> SessionStore:
        """Return the underlying store."""
        return self._given_store

    async def sweep(self) -> int:
        """Delete the expired sessions; return how many."""
        return await self._sweeper.sweep()

    async def flush(self) -> int:
        """Write pending touches; return how many sessions were extended."""
        return await self._touches.flush()
