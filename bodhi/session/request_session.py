"""The session of a request: load it, commit its changes, and set the required headers.

Committing and setting headers are separate, because ``session.save()`` commits before there is a response.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeVar, cast
from weakref import ref

import aiohttp_session
from aiohttp import hdrs, web

from bodhi.session.aiohttp_keys import STORAGE_KEY
from bodhi.session.changes import StoredSession
from bodhi.session.cookie import claims_https
from bodhi.session.errors import SessionGone, SessionNotSaved, SessionUnavailable
from bodhi.session.handles import parse_session_id
from bodhi.session.manager import SessionManager
from bodhi.session.pending import Change, Pending, decide, holds_nothing
from bodhi.session.records import Device, SessionRecord
from bodhi.session.responses import SessionGoneResponse, SessionUnavailableResponse, vary_by_cookie
from bodhi.session.session import Session

LONGEST_DEVICE = 512  # characters of the address or the user agent
# How long requests that a browser sent before a login take to arrive here.
ARRIVAL_SECONDS = 10.0

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


def remote_of(request: web.Request) -> str | None:
    """Return the peer's address."""
    return request.remote


@dataclass(frozen=True, slots=True)
class SetupOptions:
    """Options shared by the sessions of all requests of an application."""

    manager: SessionManager
    supports_save: bool = False  # ``session.save()`` requires that the headers are set later
    max_age: int | None = None
    client_of: Callable[[web.Request], str | None] = remote_of  # returns the client's address


class RequestSession(aiohttp_session.AbstractStorage):
    """A storage in aiohttp-session's terms, but for a single request, which it also knows in ``new_session()``.

    It has no reference to its request: such a cycle would keep both, with the session's data, until the next
    garbage collection, and cause frequent collections.
    """

    def __init__(self, options: SetupOptions, request: web.Request) -> None:
        # Without super().__init__, whose per-request work is not needed here.
        self._options = options
        self._manager = options.manager
        self._request = ref(request)
        self._headers = request.headers
        self._arrived_at = monotonic()
        # None of these is a default of the class: up to Python 3.11, that makes each use take five times as long.
        self.session: Session | None = (
            None  # the loaded session; not stored in the request, which a middleware may clone
        )
        self.is_used = False  # the session was used: the response varies by cookie
        self.is_finished = False  # the handler has returned, and its changes were committed
        self.headers_sent = False
        self.new_cookies: Sequence[str] = ()  # the Set-Cookie headers that the response has to carry
        self._carried_cookies: Sequence[str] = ()  # those that were put into a response
        self._found: SessionRecord | None = None  # the row of the request's session, not decrypted
        self._is_found = False  # or None is known
        self._session_id: str | None = None  # the browser's id, now or after this response
        self._live_digest: bytes | None = None  # the row that this request found live
        self._is_committing = False
        self._committed: asyncio.Event | None = None  # waiting for another task's commit

    @property
    def cookie_name(self) -> str:
        """The name of the session cookie, prefix included."""
        return self._manager.cookie.full_name

    async def load_session(self, request: web.Request) -> Session:
        """Return the request's session, or a new one if it has none; an outage raises :exc:`SessionUnavailable`."""
        if self.session is None:
            found = await self.find()
            stored = await self._manager.open_found(found) if found is not None else None
            if self.session is None:  # or two tasks of a handler load it concurrently and share the first result
                backend = ref(self) if self._options.supports_save else None
                self.session = Session(stored, max_age=self._options.max_age, backend=backend)
                self._live_digest = None if stored is None else stored.record.digest
        return self.session

    async def new_session(self) -> Session:
        """Return a new session, which replaces the request's current one when saved."""
        self.is_used = True
        backend = ref(self) if self._options.supports_save else None
        self.session = Session(None, max_age=self._options.max_age, backend=backend, replaces=True)
        return self.session

    async def find(self) -> SessionRecord | None:
        """The stored record, not decrypted, or None; for callers that cache its content.

        It is loaded once per request, and decrypted when the session itself is requested.
        """
        if self._is_found:
            return self._found
        self.is_used = True
        session_id = self._manager.read_cookie(self._headers.getall(hdrs.COOKIE, ()))
        try:
            found = await self._manager.find(session_id) if session_id is not None else None
        except SessionUnavailable as error:
            self._manager.note_unavailable(error)
            raise SessionUnavailableResponse from error
        self._found, self._is_found = found, True
        self._live_digest = found.digest if found is not None else None
        return found

    def note_use(self, record: SessionRecord) -> None:
        """Mark the session in *record* as used without decrypting it."""
        self._manager.note_use(record)

    async def save_session(
        self, request: web.Request, response: web.StreamResponse, session: aiohttp_session.Session
    ) -> None:
        """Save the session and set the required headers."""
        if not isinstance(session, Session):
            raise TypeError(f"this storage keeps its own sessions, not {type(session).__name__}")
        await self.commit(session)
        self.set_headers(response)

    def set_headers(self, response: web.StreamResponse) -> None:
        """Set the cookie in *response*, and the headers for caches, since it depends on the session."""
        if self.new_cookies or self._carried_cookies:
            self.set_cookies(response)
        headers = response.headers
        headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
        if hdrs.VARY in headers:
            vary_by_cookie(headers)
        else:
            headers[hdrs.VARY] = "Cookie"

    def set_cookies(self, response: web.StreamResponse) -> None:
        """Put the new cookies into *response*, in the place of those that an earlier commit put there."""
        headers = response.headers
        if self.new_cookies == self._carried_cookies and set(self.new_cookies) <= set(
            headers.getall(hdrs.SET_COOKIE, ())
        ):
            return
        lines = [line for line in headers.popall(hdrs.SET_COOKIE, ()) if line not in self._carried_cookies]
        headers.extend((hdrs.SET_COOKIE, line) for line in (*lines, *self.new_cookies))
        self._carried_cookies = self.new_cookies

    def lose(self, reason: str) -> None:
        """Discard unsaved changes and log the loss."""
        session = self.session
        if session is None or session.is_dropped or (session.new and holds_nothing(session)):
            return
        if session.is_changed:
            self._manager.counters.lost_changes += 1
            log.warning("session change lost session=%s: %s", session.identity or "(new)", reason)
            session.is_dropped = True  # no later save may store a part of it

    async def commit(self, session: Session) -> None:
        """Store the changes now. If the session has ended meanwhile, store nothing and raise no error."""
        while self._is_committing:  # another task of the handler is saving: save the remaining changes after it
            await self._end_of_commit()
        if session.is_dropped or not session.is_touched:
            return
        change = session.take()
        pending = decide(session.stored, change, headers_sent=self.headers_sent)
        if pending is Pending.NOTHING:
            return
        self._is_committing = True
        try:
            await _WRITES[pending](self, session, change)
        except SessionUnavailable as error:
            session.put_back(change)
            self._manager.note_unavailable(error)
            if self.headers_sent:
                raise  # a started stream cannot be followed by an error response
            raise SessionUnavailableResponse from error
        except BaseException:
            session.put_back(change)
            raise
        finally:
            self._is_committing = False
            if self._committed is not None:
                self._committed.set()
                self._committed = None

    async def atomically(
        self, session: Session, change: Callable[[dict[str, Any], int], Answer], max_age_seconds: int | None
    ) -> Answer:
        """Run *change* on the stored session; see :meth:`Session.atomically`."""
        if session.stored is None:
            raise SessionGone("the session is not stored yet: save it first")
        try:
            stored, answer = await self._manager.atomically(
                session.stored.record.digest, change, max_age_seconds=max_age_seconds
            )
        except SessionUnavailable as error:
            self._manager.note_unavailable(error)
            raise SessionUnavailableResponse from error
        session.adopt(stored)
        return answer

    def require_revocation(self) -> None:
        """Raise :exc:`CapabilityMissing` if the store cannot report ended sessions."""
        self._manager.revocations.require()

    async def revoked(self, session: Session) -> None:
        """Return when the session has ended; see :meth:`Session.revoked`."""
        while (stored := session.stored) is not None:
            await self._manager.revocations.ended(stored.record.digest)
            while self._is_committing:  # this request may just have rotated it
                await self._end_of_commit()
            if session.stored is None or session.stored.record.digest == stored.record.digest:
                return

    async def _end_of_commit(self) -> None:
        self._committed = self._committed or asyncio.Event()
        await self._committed.wait()

    async def _create(self, session: Session, change: Change) -> None:
        if change.begins_by_itself and not session.replaces and await self._may_replace_another(session):
            log.info("session not created, the browser may hold one already: the change is not stored")
            session.is_touched = False  # nor counted as lost: this log line is all
            return
        replaces = self._replaced_digest(session)
        with self._failing_closed(session):
            session_id, stored = await self._manager.create(
                change,
                device=self._device(),
                max_age_seconds=change.max_age if session.row_seconds is None else session.row_seconds,
                replaces=replaces,
                # Data of a session that has ended may have been copied into this one, and must not survive in it.
                must_replace=replaces is not None and replaces == self._live_digest,
            )
        self._was_issued(session_id, session, stored, change)

    async def _may_replace_another(self, session: Session) -> bool:
        """Return whether the cookie of a new session could take the place of one that the browser holds.

        Either the request comes from another site, and SameSite kept the cookie back; or the browser's session ended,
        or moved to another id, while this request was under way.
        """
        if session.stored is not None:
            return False
        session_id = self._cookie_value()
        if session_id is None:
            is_same_site = self._headers.get("Sec-Fetch-Site") in {"same-origin", "same-site", "none"}
            return not is_same_site and self._manager.cookie.is_marked(self._headers.getall(hdrs.COOKIE, ()))
        end = await self._manager.recent_end(session_id)
        # A session that ended leaves the browser with none, so only this request's own end counts. One that moved is
        # in the browser already, and what was sent before that may arrive late.
        under_way = monotonic() - self._arrived_at + (ARRIVAL_SECONDS if end is not None and end.moved else 0.0)
        # The database's clock may have been set back, by a failover or by hand: an end to come is as far as it seems.
        return end is not None and abs(end.ago_ms) <= under_way * 1000

    async def _rotate(self, session: Session, change: Change) -> None:
        assert session.stored is not None
        before = session.stored.record.user_id
        with self._failing_closed(session):
            session_id, rotated = await self._manager.rotate(
                session.stored,
                change,
                renewed=change.is_renewed or (change.user_id is not None and change.user_id != before),
                device=self._device(),
                max_age_seconds=change.max_age,
            )
        self._was_issued(session_id, session, rotated, change)

    async def _update(self, session: Session, change: Change) -> None:
        assert session.stored is not None
        # As in aiohttp-session, the application's max_age counts from the last save, for the cookie and the row.
        ages = change.max_age is not None or change.has_new_max_age
        try:
            saved = await self._manager.save(session.stored, change, ages=ages, max_age_seconds=change.max_age)
        except SessionGone:
            session.is_dropped = True
            return
        if saved is None:
            self._forget()
        elif ages and (session_id := self._session_id or self._cookie_value()) is not None:
            self._remember(session_id, saved)
        session.was_stored(saved, change)

    async def _delete(self, session: Session, change: Change) -> None:
        if change.is_invalidated:
            self.new_cookies = ()  # an id created by this request is not sent, even if its row cannot be deleted
        digest = self._replaced_digest(session)
        if digest is None and change.is_invalidated:
            # There is no row on the primary, but a standby may still have one; the store waits for it.
            digest = parse_session_id(self._cookie_value() or "")
        if digest is not None:
            owner = session.stored.record.user_id if session.stored is not None else None
            await self._manager.delete(digest, user_id=owner)
        if self._cookie_value() is None:
            self._session_id, self.new_cookies = None, ()  # the browser never received it
        elif change.is_invalidated:
            self._forget()
        session.was_stored(None, change)
        if change.data:  # the headers have been sent, or it would have been created
            await self._refuse(session, change)

    async def _refuse(self, _: Session, __: Change) -> None:
        raise SessionNotSaved("a new session id needs a cookie, and the response's headers are out")

    def _was_issued(self, session_id: str, session: Session, stored: StoredSession, change: Change) -> None:
        self._live_digest = stored.record.digest
        self._remember(session_id, stored)
        session.was_stored(stored, change)

    @contextmanager
    def _failing_closed(self, session: Session) -> Iterator[None]:
        try:
            yield
        except SessionGone as error:
            session.is_dropped = True
            raise SessionGoneResponse from error

    def _remember(self, session_id: str, stored: StoredSession) -> None:
        self._session_id = session_id
        if not self.headers_sent:
            max_age = stored.record.cookie_seconds(self._options.max_age)
            self.new_cookies = self._manager.cookie.headers(session_id, max_age)
            if not self._manager.cookie.secure and self._is_https():
                self._manager.warn_of_insecure_cookie()

    def _is_https(self) -> bool:
        """Return whether the request seems to use https. Forgeable, so only used for a warning."""
        request = self._request()
        return (request is not None and request.secure) or claims_https(self._headers)

    def _forget(self) -> None:
        self._session_id = None
        if not self.headers_sent:
            self.new_cookies = self._manager.cookie.headers(None)

    def _replaced_digest(self, session: Session) -> bytes | None:
        """Return the digest of the row that ends when *session*, new or invalidated, is committed."""
        if session.stored is not None:
            return session.stored.record.digest
        session_id = self._session_id or self._cookie_value()
        # The lookup found no row: an unknown cookie causes no write.
        return parse_session_id(session_id) if session.replaces and session_id is not None else None

    def _cookie_value(self) -> str | None:
        return self._manager.cookie.read(self._headers.getall(hdrs.COOKIE, ()))

    def _device(self) -> Device:
        request = self._request()
        remote = self._options.client_of(request) if request is not None else None
        return Device(_legible(remote), _legible(self._headers.get(hdrs.USER_AGENT)))


def _legible(header: str | None) -> str | None:
    """Return the text of a header as databases can hold and lists can show it."""
    if not header:
        return None
    return "".join(one if one.isprintable() else "\ufffd" for one in header[:LONGEST_DEVICE])


_WRITES = {
    Pending.CREATE: RequestSession._create,
    Pending.UPDATE: RequestSession._update,
    Pending.ROTATE: RequestSession._rotate,
    Pending.DELETE: RequestSession._delete,
    Pending.LOST: RequestSession._refuse,
}

# Under bodhi.session.setup(), aiohttp-session uses the request's RequestSession as its storage.
REQUEST_SESSION = cast("web.RequestKey[RequestSession]", STORAGE_KEY)
