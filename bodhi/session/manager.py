"""The policy of ids, encryption, merging and rotation for requests, on any store."""

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from msgspec.structs import replace

from bodhi import options
from bodhi.errors import BodhiError, root_cause
from bodhi.keyring import Keyring, UnknownKey, Unreadable
from bodhi.logs import FailureLog, LogLimit
from bodhi.session.changes import Changes, Content, StoredSession
from bodhi.session.cookie import CookiePolicy
from bodhi.session.counters import SessionCounters
from bodhi.session.endings import Reason, note_ended
from bodhi.session.errors import DigestTaken, SessionError, SessionGone
from bodhi.session.handles import handle_of, new_session_id, parse_session_id
from bodhi.session.records import NOWHERE, Device, End, NewSession, SessionRecord, UserCap
from bodhi.session.revocation import Revocations
from bodhi.session.store import (
    LockedSession,
    Quarantine,
    RecentEnds,
    SessionStore,
    UserSessions,
    require,
    retry_conflicts,
)
from bodhi.session.touches import Touches

MOST_PER_USER = 1_000_000
ID_ATTEMPTS = 3  # a second collision of 256 random bits means a broken generator

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


class SessionManager:
    """Loads, creates, saves, rotates and deletes the sessions of requests."""

    def __init__(
        self,
        store: SessionStore,
        *,
        keys: Sequence[str | bytes],
        idle_seconds: float = 86_400,
        lifetime_seconds: float = 1_209_600,
        touch_seconds: float = 60,
        max_per_user: int | None = None,
        cookie: CookiePolicy | None = None,
    ) -> None:
        """*keys* encrypt the data, newest first; *max_per_user* ends a user's oldest sessions at login.

        Raises :exc:`ConfigurationError` for an invalid option, and :exc:`CapabilityMissing` if the store does not
        support *max_per_user*.
        """
        idle_ms = round(options.seconds("idle_seconds", idle_seconds, 1) * 1000)
        lifetime_ms = round(options.seconds("lifetime_seconds", lifetime_seconds, 1) * 1000)
        touch_ms = round(options.seconds("touch_seconds", touch_seconds, 0) * 1000)
        max_per_user = options.optional_whole_number("max_per_user", max_per_user, 1, MOST_PER_USER)
        if not isinstance(cookie, CookiePolicy | None):
            raise options.refusal("cookie", cookie, "None or a CookiePolicy")
        self._store = store
        self._max_per_user = max_per_user
        self._user_store = require(store, UserSessions) if max_per_user else None
        self.cookie = cookie or CookiePolicy()
        self._has_warned_of_insecure_cookie = False
        self.revocations = Revocations(store)
        self.counters = SessionCounters()
        self._ambiguous_cookies = LogLimit()
        self._outages = FailureLog(log, "session database unavailable")
        self._changes = Changes(Keyring(keys), self.counters, idle_ms=idle_ms, lifetime_ms=lifetime_ms)
        # A session in steady use must not expire between two touches, however short the idle timeout.
        self._touch_ms = min(touch_ms, idle_ms // 4)
        self._touches = Touches(store, self.counters, idle_ms=idle_ms, interval_ms=self._touch_ms)

    def read_cookie(self, headers: Iterable[str]) -> str | None:
        """Return the session id from the ``Cookie`` header lines; None, with a log line, if there are several."""
        values = self.cookie.values(headers)
        if len(values) > 1:
            self.counters.ambiguous_cookies += 1
            if (count := self._ambiguous_cookies.count()) is not None:
                log.info("session cookie ambiguous requests=%d values=%d: none of them is used", count, len(values))
            return None
        return values.pop() if values else None

    async def load(self, session_id: str) -> StoredSession | None:
        """Return the live session with this id, or None."""
        record = await self.find(session_id)
        return await self.open_found(record) if record is not None else None

    async def find(self, session_id: str) -> SessionRecord | None:
        """Return the row of the live session with this id, or None; a malformed id causes no query.

        Pass it to :meth:`open_found`, or to :meth:`note_use` if its content is known.
        """
        digest = parse_session_id(session_id)
        if digest is None:
            return None
        self.counters.loads += 1
        record = await self._store.load(digest)
        # Our statements keep expires_at within ends_at; if others do not, the session ends in time all the same.
        return record if record is None or record.ends_at > record.now else None

    async def open_found(self, record: SessionRecord) -> StoredSession | None:
        """Decrypt the session in *record* and mark it as used.

        Unreadable data is set aside and reads as None; data under an unknown key reads as None and stays.
        """
        try:
            session = self._changes.opened(record)
        except (Unreadable, UnknownKey) as error:
            await self._passed_over(record, error)
            return None
        if record.now - record.last_seen_at >= self._touch_ms:
            self._touches.note(record)
        return session

    async def recent_end(self, session_id: str) -> End | None:
        """Return how the session with this id ended or moved, a short time ago; None where the store does not know."""
        digest = parse_session_id(session_id)
        if digest is None or not isinstance(self._store, RecentEnds):
            return None
        return await self._store.recent_end(digest)

    def note_use(self, record: SessionRecord) -> None:
        """Mark the session in *record*, whose content is known, as used."""
        self._touches.note(record)

    async def create(
        self,
        data: dict[str, Any] | Content,
        *,
        device: Device = NOWHERE,
        max_age_seconds: int | None = None,
        replaces: bytes | None = None,
        must_replace: bool = False,
    ) -> tuple[str, StoredSession]:
        """Create a session; return its id for the cookie and the session. *replaces* is the digest of a session to end.

        With *must_replace*, raises :exc:`SessionGone` if that session has already ended.
        """
        content = data if isinstance(data, Content) else Content.of(data)
        for _ in range(ID_ATTEMPTS):
            session_id = new_session_id()
            new = self._changes.new(session_id, content, device, max_age_seconds)
            try:
                record = await self._replace(replaces, new) if replaces is not None else None
                if record is None:
                    if must_replace:
                        raise SessionGone
                    record = await self._insert(new)
            except DigestTaken:
                log.error("new session id already in use: check the random generator")
                continue
            self.counters.creations += 1
            return session_id, StoredSession(_with_choice_of(new, record), content.plaintext, content.data)
        raise SessionError("no unused session id was found")

    async def _insert(self, new: NewSession) -> SessionRecord:
        cap = self._cap(new.user_id)
        if self._user_store is None or cap is None:
            return await self._store.create(new)
        return await self._user_store.create(new, cap=cap)

    @retry_conflicts
    async def _replace(self, digest: bytes, new: NewSession) -> SessionRecord | None:
        """Replace the session under *digest* by *new*; None if it has ended."""
        async with self._locked(digest, new.user_id) as row:
            if row is None:
                return None
            record = await row.rotate(self._changes.moved(new, row.record), renewed=True)
        note_ended(self.counters, "replaced", user_id=row.record.user_id)
        return record

    def _locked(self, digest: bytes, user_id: str | None) -> AbstractAsyncContextManager[LockedSession | None]:
        """Lock a session, which may become *user_id*'s."""
        cap = self._cap(user_id)
        if self._user_store is None or cap is None:
            return self._store.locked(digest)
        return self._user_store.locked(digest, cap=cap)

    async def save(
        self,
        session: StoredSession,
        data: dict[str, Any] | Content,
        *,
        ages: bool = False,
        max_age_seconds: int | None = None,
    ) -> StoredSession | None:
        """Store *data*, merged with what other requests saved since *session* was loaded.

        Returns None if nothing is left in the session, and deletes its row. With *ages* the session ends
        *max_age_seconds* from now, within the timeouts. Raises :exc:`SessionGone` if the session has ended.
        """
        content = data if isinstance(data, Content) else Content.of(data)
        # New times count from the database's clock at the save, which only a lock provides.
        if content.data and not ages:
            save, saved = self._changes.update(session.record, content)
            if await self._store.save(save):
                self.counters.saves += 1
                return saved
        try:
            merged = await self._save_merged(session, content, ages, max_age_seconds)
        except SessionGone:
            self.counters.blocked_saves += 1
            log.info("session change dropped, the session has ended session=%s", session.handle)
            raise
        if merged is None:
            note_ended(self.counters, "logout", user_id=session.record.user_id)
        else:
            self.counters.saves += 1
        return merged

    @retry_conflicts
    async def _save_merged(
        self, session: StoredSession, content: Content, ages: bool, max_age_seconds: int | None
    ) -> StoredSession | None:
        try:
            async with self._store.locked(session.record.digest) as row:
                if row is None:
                    raise SessionGone
                merged = self._changes.merged(session, content, row.record)
                if not merged.data:
                    await row.delete()
                    return None
                expiry = self._changes.ages(row.record, merged, max_age_seconds) if ages else None
                save, saved = self._changes.update(row.record, merged, expiry)
                await row.save(save)
                return saved
        except (Unreadable, UnknownKey) as error:
            log.warning("session not saved session=%s: %s", session.handle, error)
            raise SessionGone from error

    @retry_conflicts
    async def atomically(
        self,
        digest: bytes,
        change: Callable[[dict[str, Any], int], Answer],
        *,
        max_age_seconds: int | None = None,
    ) -> tuple[StoredSession, Answer]:
        """Run *change* on the stored data, exclusively; return its result and the session after it.

        *change* gets the data, to modify in place, and the database's time in milliseconds; it may run more than
        once, and the last run counts. The user must not change, which requires a rotation. With
        *max_age_seconds* the session ends that long from now, within the timeouts. Raises :exc:`SessionGone`.
        """
        try:
            async with self._store.locked(digest) as row:
                if row is None:
                    raise SessionGone
                session = self._changes.opened(row.record)
                answer = change(session.data, row.record.now)
                content = Content.of(session.data)
                if content.plaintext == session.plaintext and not max_age_seconds:
                    return session, answer
                if not content.data or content.user_id != row.record.user_id:
                    raise SessionError("an atomic change must not empty a session or change its user")
                expiry = self._changes.ages(row.record, content, max_age_seconds) if max_age_seconds else None
                save, session = self._changes.update(row.record, content, expiry)
                await row.save(save)
        except (Unreadable, UnknownKey) as error:
            raise SessionGone from error
        self.counters.saves += 1
        return session, answer

    async def rotate(
        self,
        session: StoredSession,
        data: dict[str, Any] | Content,
        *,
        renewed: bool = False,
        device: Device | None = None,
        max_age_seconds: int | None = None,
    ) -> tuple[str, StoredSession]:
        """Save *data* under a new id and end the old one, in one transaction; return the new id.

        With *renewed* (a login) the absolute timeout restarts. Raises :exc:`SessionGone` if the session has ended.
        """
        content = data if isinstance(data, Content) else Content.of(data)
        for _ in range(ID_ATTEMPTS):
            session_id = new_session_id()
            try:
                rotated = await self._rotate(session, content, session_id, renewed, device, max_age_seconds)
            except DigestTaken:
                log.error("new session id already in use: check the random generator")
                continue
            except (Unreadable, UnknownKey) as error:
                raise SessionGone from error
            self.counters.rotations += 1
            self._note_other_owner(session.record.user_id, rotated.record.user_id)
            return session_id, rotated
        raise SessionError("no unused session id was found")

    @retry_conflicts
    async def _rotate(  # noqa: PLR0917 - the parameters of rotate()
        self,
        session: StoredSession,
        content: Content,
        session_id: str,
        renewed: bool,
        device: Device | None,
        max_age_seconds: int | None,
    ) -> StoredSession:
        async with self._locked(session.record.digest, content.user_id) as row:
            if row is None:
                raise SessionGone
            merged = self._changes.merged(session, content, row.record)
            new = self._changes.new(session_id, merged, device or row.record.device, max_age_seconds)
            new = self._changes.rotated(new, row.record, renewed=renewed)
            record = await row.rotate(new, renewed=renewed)
            return StoredSession(_with_choice_of(new, record), merged.plaintext, merged.data)

    def note_unavailable(self, error: BodhiError) -> None:
        """Count a failed database request, and log its error at intervals."""
        self.counters.unavailable += 1
        self._outages.note(error)

    def warn_of_insecure_cookie(self) -> None:
        """Log, once, that a cookie without Secure was set for an https request."""
        if not self._has_warned_of_insecure_cookie:
            self._has_warned_of_insecure_cookie = True
            log.warning(
                "the session cookie is set without Secure in answer to an https request: give the session service "
                "cookie=CookiePolicy(secure=True), or BODHI_PUBLIC_SCHEME=https to bodhi's own server; "
                "see docs/reference/library.md"
            )

    async def delete(self, digest: bytes, *, reason: Reason = "logout", user_id: str | None = None) -> bool:
        """End the session under *digest*, of *user_id* if known; return whether it was live."""
        was_live = await self._store.delete(digest)
        note_ended(self.counters, reason, int(was_live), user_id=user_id)
        return was_live

    async def _passed_over(self, record: SessionRecord, error: Unreadable | UnknownKey) -> None:
        if isinstance(error, UnknownKey):
            self.counters.unknown_keys += 1
            log.warning("session ignored, and kept session=%s: %s", handle_of(record.digest), error)
            return
        self.counters.unreadable += 1
        if not isinstance(self._store, Quarantine):
            log.warning("session ignored, not readable session=%s: %s", handle_of(record.digest), error)
            return
        log.warning("session set aside session=%s: %s", handle_of(record.digest), error)
        try:
            if await self._store.set_aside(record, str(error)):
                note_ended(self.counters, "unreadable", user_id=record.user_id)
        except Exception as failure:  # noqa: BLE001 - a bad row must not fail the request
            log.warning("session not set aside yet session=%s: %s", handle_of(record.digest), root_cause(failure))

    def _note_other_owner(self, before: str | None, after: str | None) -> None:
        """Record the end of the previous user's session after a rotation to another user."""
        if before is not None and before != after:
            note_ended(self.counters, "logout" if after is None else "replaced", user_id=before)

    def _cap(self, owner: str | None) -> UserCap | None:
        if owner is None or not self._max_per_user:
            return None
        return UserCap(owner, self._max_per_user, lambda ended: note_ended(self.counters, "cap", ended, user_id=owner))


def _with_choice_of(new: NewSession, record: SessionRecord) -> SessionRecord:
    # A store that was written before there were choices returns none.
    if record.chosen_max_age == new.chosen_max_age:
        return record
    return replace(record, chosen_max_age=new.chosen_max_age)
