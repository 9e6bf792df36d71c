"""Telling open websockets and streams that their session has ended, wherever it was ended.

The store says when some may have ended; beside that, the sessions that somebody waits for are looked at every
:data:`RECHECK_SECONDS`, since notifications may be lost and nobody notifies of expiry. While nobody waits nothing is
asked, and soon nothing runs.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from bodhi.session.handles import handle_of
from bodhi.session.store import ChangeNotification, SessionStore, require

RECHECK_SECONDS = 0.5
LINGER_SECONDS = 10.0  # after the last one left: connecting anew for each stream that comes and goes costs more
PAUSE_SECONDS = 0.02  # after each look: what is told meanwhile shares the next one
LARGEST_LOOK = 1000  # sessions in one query

log = logging.getLogger(__name__)


class Revocations:
    """Who waits for the end of which session, in this process."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store
        self._waiting: dict[bytes, set[asyncio.Future[None]]] = {}  # by digest
        self._handles: dict[str, bytes] = {}  # of the same digests
        self._due: set[bytes] = set()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def watched(self) -> int:
        """How many sessions somebody waits for."""
        return len(self._waiting)

    def require(self) -> ChangeNotification:
        """The store as one that can tell; raises :exc:`CapabilityMissing`."""
        return require(self._store, ChangeNotification)

    async def ended(self, digest: bytes) -> None:
        """Returns when the session stored under *digest* has ended; an outage of the database ends nothing."""
        self.require()
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(digest, set()).add(end)
        self._handles[handle_of(digest)] = digest
        self._look_at({digest})  # it may have ended before anybody waited
        if self._task is None:
            # Not in the request's context: its id and its spans are not those of whoever waits later.
            self._task = asyncio.get_running_loop().create_task(self._run(), context=Context())
        try:
            await end
        finally:
            self._leave(digest, end)

    def _leave(self, digest: bytes, end: asyncio.Future[None]) -> None:
        waiting = self._waiting[digest]
        waiting.discard(end)
        if not waiting:
            del self._waiting[digest], self._handles[handle_of(digest)]

    async def close(self) -> None:
        """Look at nothing any more; whoever still waits does so until cancelled."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _told(self, handle: str | None) -> None:
        """The session with this *handle* may have ended; None: any of them."""
        if handle is None:
            self._look_at(self._waiting)
        elif handle in self._handles:
            self._look_at({self._handles[handle]})

    def _look_at(self, digests: "set[bytes] | dict[bytes, set[asyncio.Future[None]]]") -> None:
        self._due.update(digests)
        self._wake.set()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        listening = loop.create_task(self.require().listen(self._told))
        try:
            recheck_at = loop.time() + RECHECK_SECONDS
            last_waited_at = loop.time()
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(recheck_at):
                        await self._wake.wait()
                if self._waiting:
                    last_waited_at = loop.time()
                elif loop.time() - last_waited_at >= LINGER_SECONDS:
                    self._task = None  # who comes from now on begins another one
                    return
                if loop.time() >= recheck_at:
                    self._due.update(self._waiting)
                    recheck_at = loop.time() + RECHECK_SECONDS
                self._wake.clear()
                due, self._due = [digest for digest in self._due if digest in self._waiting], set()
                for start in range(0, len(due), LARGEST_LOOK):
                    await self._look(due[start : start + LARGEST_LOOK])
                await asyncio.sleep(PAUSE_SECONDS)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _look(self, digests: list[bytes]) -> None:
        try:
            live = await self.require().live_among(digests)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next look is soon, and nothing ends by an outage
            log.debug("cannot see which sessions have ended: %s", type(error).__name__)
            return
        for digest in set(digests).difference(live):
            for end in self._waiting.get(digest, ()):
                if not end.done():
                    end.set_result(None)


class UntilRevoked:
    """A block that is left when its session ends: what is under way in it is cancelled, what follows it goes on."""

    def __init__(
        self, revoked: Callable[[], Coroutine[Any, Any, None]], socket: web.WebSocketResponse | None, code: int
    ) -> None:
        self.is_revoked = False
        self._revoked = revoked
        self._socket = socket
        self._code = code

    async def __aenter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None  # a coroutine runs in one
        self._task = task
        self._cancelling = task.cancelling()
        self._waiting = asyncio.get_running_loop().create_task(self._cancel_when_revoked())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if not self.is_revoked:
            self._waiting.cancel()
            return False
        # As asyncio.timeout does: somebody else may have cancelled the task too, and that goes on.
        is_ours = self._task.uncancel() <= self._cancelling
        if kind is not None and not (is_ours and issubclass(kind, asyncio.CancelledError)):
            return False
        if self._socket is not None and not self._socket.closed:
            # Without waiting for a client that does not read.
            await self._socket.close(code=self._code, message=b"the session has ended", drain=False)
        return True

    async def _cancel_when_revoked(self) -> None:
        await self._revoked()
        self.is_revoked = True
        self._task.cancel()
