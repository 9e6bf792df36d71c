"""One request's dealings with its session: load it, keep what changed, tell the browser.

Keeping and telling are apart, since ``session.save()`` keeps before there is a response to tell.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar
from weakref import ref

import aiohttp_session
from aiohttp import hdrs, web

from bodhi.session.changes import OpenSession
from bodhi.session.cookie import claims_https
from bodhi.session.errors import SessionGone, SessionNotSaved, SessionUnavailable
from bodhi.session.handles import digest_of, is_session_id
from bodhi.session.manager import SessionManager
from bodhi.session.owner import owner_of
from bodhi.session.records import Device, SessionRecord
from bodhi.session.responses import SessionGoneResponse, SessionUnavailableResponse, keep_from_caches
from bodhi.session.session import PendingChange, Session

LONGEST_USER_AGENT = 512

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


class RequestSession(aiohttp_session.AbstractStorage):
    """What aiohttp-session calls a storage, for one request: so it knows the request also in ``new_session()``."""

    def __init__(
        self,
        keeper: SessionManager,
        request: web.Request,
        *,
        remote: str | None,
        max_age: int | None,
        supports_save: bool,
    ) -> None:
        """*remote* is the client's address.

        *saves_at_once* allows ``session.save()``: it needs somebody who tells the browser before the headers.
        """
        # Not super().__init__: what it prepares for every request is never used here.
        self._keeper = keeper
        # Not the request itself, which holds this visit: such a cycle would keep both, with the session's data, until
        # the garbage collector comes by, and make it come by often.
        self._headers = request.headers
        self._request = ref(request)
        self._remote = remote
        self._max_age = max_age
        self.session: Session | None = None  # what was asked for; not in the request, which a middleware may clone
        self._found: SessionRecord | None = None  # its row, not opened
        self._knows_row = False  # or that there is none
        self.has_looked = False  # for the row: the response depends on who asks
        self._session_id: str | None = None  # what the browser holds, or will after this response
        self._live_digest: bytes | None = None  # the row that this request has seen live
        self._set_cookie: str | None = None  # a header that the response still has to carry
        self._for_sessions = ref(self) if supports_save else None
        self.is_finished = False  # the handler has returned, and its change was kept
        self.headers_are_out = False
        self._keeping: asyncio.Lock | None = None

    async def load_session(self, request: web.Request) -> Session:
        """The visitor's session, or a new one; raises :exc:`SessionUnavailable`, never a new one in its place."""
        if (loaded := self.session) is not None:
            return loaded
        found = await self.find()
        stored = await self._keeper.open_found(found) if found is not None else None
        if (loaded := self.session) is not None:
            return loaded  # two tasks of one handler asked at once: they share the first answer
        self.session = Session(stored, max_age=self._max_age, visit=self._for_sessions, was_loaded=True)
        self._live_digest = stored.record.digest if stored else None
        return self.session

    async def find(self) -> SessionRecord | None:
        """The row of the visitor's session as it was loaded, or None; for who may know already what is in it.

        It is loaded once, and is what is opened when somebody asks for the session itself.
        """
        if self._knows_row:
            return self._found
        self.has_looked = True
        session_id = self._cookie_value()
        try:
            found = await self._keeper.find(session_id) if session_id is not None else None
        except SessionUnavailable as error:
            self._keeper.counters.unavailable += 1
            raise SessionUnavailableResponse from error
        self._found, self._knows_row = found, True
        self._live_digest = found.digest if found is not None else None
        return found

    def note_use(self, record: SessionRecord) -> None:
        """The visitor uses the session in *record*, though nobody opened it."""
        self._keeper.note_use(record)

    async def new_session(self) -> Session:
        """A new session that takes the place of the visitor's present one when it is saved."""
        self.session = Session(None, max_age=self._max_age, visit=self._for_sessions)
        return self.session

    async def save_session(
        self, request: web.Request, response: web.StreamResponse, session: aiohttp_session.Session
    ) -> None:
        """Save the session and tell the browser what that needs."""
        if not isinstance(session, Session):
            raise TypeError(f"this storage keeps its own sessions, not {type(session).__name__}")
        await self.keep(session)
        self.tell(response)

    def tell(self, response: web.StreamResponse) -> None:
        """Put into the headers what the browser and the caches between have to know."""
        if self._set_cookie is not None:
            response.headers.add(hdrs.SET_COOKIE, self._set_cookie)
            self._set_cookie = None
        keep_from_caches(response)

    def lose(self, why: str) -> None:
        """Say loudly that a change is not kept."""
        session = self.session
        if session is not None and session.is_due():
            self._keeper.counters.lost_changes += 1
            log.warning("a change of session %s is lost: %s", session.identity or "(new)", why)
            session.is_dropped = True  # nothing later may keep half of it

    async def keep(self, session: Session) -> None:
        """Store what changed, at once. Of a session that has ended meanwhile nothing is stored, and nobody is told."""
        if not session.is_due():
            return
        self._keeping = self._keeping or asyncio.Lock()
        contended = self._keeping.locked()
        async with self._keeping:  # another task of the handler may be saving: what it left to save comes after it
            if contended and not session.is_due():
                return
            taken = session.taken()
            try:
                await self._keep(session, taken)
            except BaseException as error:
                session.put_back(taken)
                if isinstance(error, SessionUnavailable):
                    self._keeper.counters.unavailable += 1
                    # A stream fails as a stream: no second response can be written into it.
                    if not self.headers_are_out:
                        raise SessionUnavailableResponse from error
                raise

    async def atomically(
        self, session: Session, change: Callable[[dict[str, Any], int], Answer], max_age_seconds: int | None
    ) -> Answer:
        """What *change* answers on the session's row as it is now; see :meth:`Session.atomically`."""
        if session.stored is None:
            raise SessionGone
        try:
            stored, answer = await self._keeper.atomically(
                session.stored.record.digest, change, max_age_seconds=max_age_seconds
            )
        except SessionUnavailable as error:
            self._keeper.counters.unavailable += 1
            raise SessionUnavailableResponse from error
        session.adopt(stored)
        return answer

    async def revoked(self, session: Session) -> None:
        """Returns when the session has ended; see :meth:`Session.revoked`."""
        while (stored := session.stored) is not None:
            await self._keeper.revocations.ended(stored.record.digest)
            async with self._keeping or nullcontext():  # this request itself may just have moved it to another id
                if session.stored is None or session.stored.record.digest == stored.record.digest:
                    return

    async def _keep(self, session: Session, taken: PendingChange) -> None:
        if session.stored is None or taken.is_invalidated:
            if taken.data and not self.headers_are_out:
                await self._begin(session, taken)
            elif taken.data:
                await self._end_late(session, taken)
            else:
                await self._end(session, taken)
        elif taken.data and (taken.wants_rotation or owner_of(taken.data) != session.stored.record.user_id):
            await self._rotate(session, session.stored, taken)
        else:
            await self._save(session, session.stored, taken)

    async def _end(self, session: Session, taken: PendingChange) -> None:
        if taken.is_invalidated:
            self._set_cookie = None  # an id that this request made goes to nobody, even if its row cannot be deleted
        digest = self._replaced_digest(session)
        if digest is not None:
            owner = session.stored.record.user_id if session.stored is not None else None
            await self._keeper.delete(digest, user_id=owner)
        if self._cookie_value() is None:
            self._session_id = self._set_cookie = None  # the browser never heard of it
        elif taken.is_invalidated:
            self._forget()
        session.was_stored(None, taken)

    async def _end_late(self, session: Session, taken: PendingChange) -> None:
        if taken.is_invalidated:
            await self._end(session, taken)
        self._need_headers()

    async def _begin(self, session: Session, taken: PendingChange) -> None:
        replaces = self._replaced_digest(session)
        with self._failing_closed(session):
            session_id, stored = await self._keeper.create(
                taken.data,
                device=self._device(),
                max_age_seconds=session.max_age if session.row_seconds is None else session.row_seconds,
                replaces=replaces,
                # What was read from a session that has ended since may be in this one: it would live on in it.
                must_replace=replaces is not None and replaces == self._live_digest,
            )
        self._was_issued(session_id, session, stored, taken)

    async def _rotate(self, session: Session, stored: OpenSession, taken: PendingChange) -> None:
        self._need_headers()
        owner = owner_of(taken.data)
        with self._failing_closed(session):
            session_id, rotated = await self._keeper.rotate(
                stored,
                taken.data,
                renewed=taken.wants_renewal or (owner is not None and owner != stored.record.user_id),
                device=self._device(),
                max_age_seconds=session.max_age,
            )
        self._was_issued(session_id, session, rotated, taken)

    async def _save(self, session: Session, stored: OpenSession, taken: PendingChange) -> None:
        # aiohttp-session's max_age counts from the last save, for the cookie and for the row.
        ages = session.max_age is not None or session.max_age != session.stored_max_age
        try:
            saved = await self._keeper.save(stored, taken.data, ages=ages, max_age_seconds=session.max_age)
        except SessionGone:
            session.is_dropped = True
            return
        if saved is None:
            self._forget()
        elif ages and (session_id := self._session_id or self._cookie_value()) is not None:
            self._remember(session_id, session)
        session.was_stored(saved, taken)

    def _was_issued(self, session_id: str, session: Session, stored: OpenSession, taken: PendingChange) -> None:
        self._live_digest = stored.record.digest
        self._remember(session_id, session)
        session.was_stored(stored, taken)

    @contextmanager
    def _failing_closed(self, session: Session) -> Iterator[None]:
        try:
            yield
        except SessionGone as error:
            session.is_dropped = True
            raise SessionGoneResponse from error

    def _need_headers(self) -> None:
        if self.headers_are_out:
            raise SessionNotSaved("a new session id needs a cookie, and the response's headers are out")

    def _remember(self, session_id: str, session: Session) -> None:
        self._session_id = session_id
        if not self.headers_are_out:
            self._set_cookie = self._keeper.cookie.set(session_id, session.max_age)
            if not self._keeper.cookie.secure and self._is_https():
                self._keeper.warn_of_insecure_cookie()

    def _is_https(self) -> bool:
        """Whether the browser seems to have come over https; good enough for a warning, since anybody can say so."""
        request = self._request()
        return (request is not None and request.secure) or claims_https(self._headers)

    def _forget(self) -> None:
        self._session_id = None
        if not self.headers_are_out:
            self._set_cookie = self._keeper.cookie.removal()

    def _replaced_digest(self, session: Session) -> bytes | None:
        """The digest of the row that ends when *session*, a new one or one that was invalidated, is kept."""
        if session.stored is not None:
            return session.stored.record.digest
        session_id = self._session_id or self._cookie_value()
        if session.was_loaded or session_id is None or not is_session_id(session_id):
            return None  # loading it found no row: an unknown cookie costs no write
        return digest_of(session_id)

    def _cookie_value(self) -> str | None:
        return self._keeper.cookie.read(self._headers.getall(hdrs.COOKIE, ()))

    def _device(self) -> Device:
        agent = self._headers.get(hdrs.USER_AGENT)
        if agent is not None:
            agent = "".join(character if character.isprintable() else "\ufffd" for character in agent)
        return Device(self._remote, agent[:LONGEST_USER_AGENT] if agent else None)


REQUEST_SESSION = web.RequestKey("REQUEST_SESSION", RequestSession)
