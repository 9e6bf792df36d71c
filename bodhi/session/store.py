"""What the service needs of a store, whoever wrote it.

``sql_store.py`` is bodhi's own; ``bodhi.testing`` has the kit that checks one.
"""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import Protocol

from bodhi.session.records import NewSession, Revoked, Save, SessionListing, SessionRecord, StoredData, Touch, UserCap

BEGINNING = (-1, b"")  # comes before every session of a user


class SessionStore(Protocol):
    """What a store of sessions does. Every method raises :exc:`SessionUnavailable` when the database does not answer.

    An expired session reads as absent everywhere, swept or not. Digests are the 32-byte SHA-256 of session ids.
    """

    async def create(
        self,
        new: NewSession,
        *,
        replaces: bytes | None = None,
        must_replace: bool = False,
        cap: UserCap | None = None,
    ) -> SessionRecord:
        """Store a new session and return it; raises :exc:`DigestTaken`, and then nothing happened.

        The data is what ``new.seal`` gives for the ``created_at`` and ``ends_at`` that are stored with it.
        In the same transaction the session *replaces* ends, and with *cap* the user's oldest sessions beyond it.
        With *must_replace*, raises :exc:`SessionGone` when there is no live session to replace: nothing happened then.
        """

    async def data_format(self) -> int:
        """The newest format of data that every node on this store reads: ``NEWEST_FORMAT`` unless older nodes run."""

    async def load(self, digest: bytes) -> SessionRecord | None:
        """The live session stored under *digest*, or None."""

    async def save(self, save: Save) -> bool:
        """Store new data, unless the session is gone or has another version by now: then False, and nothing happened.

        ``user_id`` is stored by the same statement. Success makes the version one higher. Times stay as they are
        unless the save brings ages: then ``ends_at`` is theirs, and ``expires_at`` never later.
        """

    async def update(self, digest: bytes, change: Callable[[SessionRecord], Save | None]) -> bool:
        """Save what *change* makes of the session as it is now, with nobody in between; False when it is gone.

        Where *change* answers None the session ends.
        """

    async def rotate(
        self,
        digest: bytes,
        change: Callable[[SessionRecord], NewSession],
        *,
        renewed: bool,
        cap: UserCap | None = None,
    ) -> SessionRecord | None:
        """Move the session to the digest that *change* names, in one transaction; None when it is gone.

        From then on the old digest is unknown. With *renewed* the absolute timeout starts anew, else it stays
        where it was: counted from the creation. The data is what ``new.seal`` gives for the times that are stored
        with it. Raises :exc:`DigestTaken`, and then nothing happened.
        """

    async def touch(self, touches: Sequence[Touch]) -> int:
        """Extend the idle time of sessions that were used; times only move forward. How many were extended.

        A session that was touched less than the touch interval before is left alone.
        """

    async def delete(self, digest: bytes) -> bool:
        """End the session; whether there was a live one."""

    async def revoke(self, handle: str, *, user_id: str | None = None) -> Revoked | None:
        """End the session with this handle, if it is *user_id*'s where one is given; None if there was no live one."""

    async def clear_user(self, user_id: str, *, keep: str | None = None) -> int:
        """End all sessions of a user but the one with the handle *keep*; how many live ones there were."""

    async def clear_all(self) -> int:
        """End every session; how many live ones there were."""

    async def count_user(self, user_id: str) -> int:
        """How many live sessions the user has."""

    async def count(self) -> int:
        """How many live sessions there are."""

    def list_user(self, user_id: str) -> AsyncIterator[SessionListing]:
        """The user's live sessions, oldest first, page by page in constant memory."""

    async def list_user_page(
        self, user_id: str, *, after: tuple[int, bytes] = BEGINNING, limit: int
    ) -> Sequence[SessionListing]:
        """At most *limit* of the user's live sessions, oldest first; *after* is ``created_at`` and digest of the last.

        It need not be there any more.
        """

    async def list_page(self, *, after: bytes = b"", limit: int) -> Sequence[SessionListing]:
        """At most *limit* live sessions, by digest; *after* is the last digest, which need not be there any more."""

    def list_all(self) -> AsyncIterator[SessionListing]:
        """Every live session, by digest, page by page in constant memory."""

    def list_data(self) -> AsyncIterator[Sequence[StoredData]]:
        """The data of every live session, by digest, in pages."""

    async def some_data(self, most: int) -> Sequence[StoredData]:
        """The data of at most *most* live sessions, by digest; of those among a thousand stored ones."""

    async def live_among(self, digests: Sequence[bytes]) -> Collection[bytes]:
        """Those of *digests*, at most a thousand, under which a live session is stored."""

    async def listen(self, told: Callable[[str | None], None]) -> None:
        """Call *told* with the handle of each session that ended, wherever that happened, until cancelled.

        None stands for any of them: several ended, or what happened is not known. Too many calls only cost, and a
        store that can tell nothing waits: sessions that somebody watches are looked at every second anyway.
        """

    async def rekey(self, page: Sequence[StoredData]) -> int:
        """Replace the data of sessions that still have the version given, without a new version; how many."""

    async def set_aside(self, record: SessionRecord, reason: str) -> bool:
        """Take an unreadable row out of the sessions and keep it for a look; False when it is gone or changed."""

    async def sweep(self) -> int | None:
        """Delete one batch of expired sessions; how many, or None when another sweeper is at it."""
