"""Notify open WebSockets and streams of the end of their session on any node.

The store notifies of ended sessions; in addition, watched sessions are checked every
:data:`RECHECK_SECONDS`, because notifications may be lost, and expiry causes none. Without waiters there are no
queries, and soon no task.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from bodhi.background import start
from bodhi.session.handles import handle_of
from bodhi.session.store import ChangeNotification, SessionStore, require

RECHECK_SECONDS = 0.5
LINGER_SECONDS = 10.0  # after the last waiter: reconnecting for each stream would cost more
PAUSE_SECONDS = 0.02  # after each check: notifications that arrive meanwhile share the next one
LARGEST_LOOK = 1000  # sessions in one query

log = logging.getLogger(__name__)


class Revocations:
    """The waiters for the end of sessions in this process."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store
        self._waiting: dict[bytes, set[asyncio.Future[None]]] = {}  # by digest
        self._handles: dict[str, bytes] = {}  # of the same digests
        self._due: set[bytes] = set()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def watched(self) -> int:
        """The number of watched sessions."""
        return len(self._waiting)

    def require(self) -> ChangeNotification:
        """Return the store as a :class:`ChangeNotification`; raise :exc:`CapabilityMissing`."""
        return require(self._store, ChangeNotification)

    async def ended(self, digest: bytes) -> None:
        """Return when the session under *digest* has ended. A database outage does not count as an end."""
        self.require()
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(digest, set()).add(end)
        self._handles[handle_of(digest)] = digest
        self._look_at({digest})  # it may have ended before the wait
        if self._task is None:
            self._task = start(self._run, "watching for sessions that end")
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
        """Stop watching; remaining waiters wait until cancelled."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _notify(self, handle: str | None) -> None:
        """Handle a notification: the session with this *handle*, or with None any session, may have ended."""
        if handle is None:
            self._look_at(self._waiting)
        elif handle in self._handles:
            self._look_at({self._handles[handle]})

    def _look_at(self, digests: "set[bytes] | dict[bytes, set[asyncio.Future[None]]]") -> None:
        self._due.update(digests)
        self._wake.set()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()  # an event belongs to the loop in which it was waited for
        self._due.update(self._waiting)
        self._wake.set()
        listening = start(partial(self.require().listen, self._notify), "listening for sessions that end")
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
                    self._task = None  # later waiters start another task
                    return
                if loop.time() >= recheck_at:
                    self._due.update(self._waiting)
                    recheck_at = loop.time() + RECHECK_SECONDS
                self._wake.clear()
                due, self._due = [digest for digest in self._due if digest in self._waiting], set()
                for first in range(0, len(due), LARGEST_LOOK):
                    await self._look(due[first : first + LARGEST_LOOK])
                await asyncio.sleep(PAUSE_SECONDS)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _look(self, digests: list[bytes]) -> None:
        try:
            live = await self.require().live_among(digests)
        except Exception as error:  # noqa: BLE001 - the next check is soon, and an outage must end no session
            log.debug("cannot see which sessions have ended: %s", type(error).__name__)
            return
        for digest in set(digests).difference(live):
            for end in self._waiting.get(digest, ()):
                if not end.done():
                    end.set_result(None)


class UntilRevoked:
    """A block that is cancelled when its session ends; the code after it continues."""

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
        # Like asyncio.timeout: a cancellation from elsewhere must propagate.
        is_ours = self._task.uncancel() <= self._cancelling
        if kind is not None and not (is_ours and issubclass(kind, asyncio.CancelledError)):
            return False
        if self._socket is not None and not self._socket.closed:
            # Do not wait for a client that does not read.
            await self._socket.close(code=self._code, message=b"the session has ended", drain=False)
        return True

    async def _cancel_when_revoked(self) -> None:
        await self._revoked()
        self.is_revoked = True
        self._task.cancel()
