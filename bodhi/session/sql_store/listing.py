"""Count, list and end the sessions of a user, or all."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import msgspec

from bodhi.session.errors import SessionUnavailable
from bodhi.session.handles import digests_of
from bodhi.session.records import Revoked, SessionListing, UserActivity
from bodhi.session.sql_store.calls import SqlCalls, listing_of, map_session_errors
from bodhi.session.store import BEGINNING


class ManySessions(SqlCalls):
    """The methods of ``UserSessions``, ``AllSessions`` and ``SessionOverview`` (:mod:`bodhi.session.store`)."""

    clear_batch = 10_000  # a tenth of a second

    async def count_user(self, user_id: str) -> int:
        with map_session_errors():
            row = await self._database.maybe("count_user", user_id=user_id, now=self._clock())
        return int(row["sessions"]) if row else 0

    async def count(self) -> int:
        with map_session_errors():
            row = await self._database.maybe("count_sessions", now=self._clock())
        return int(row["sessions"]) if row else 0

    async def list_user_page(
        self, user_id: str, *, after: tuple[int, bytes] = BEGINNING, limit: int
    ) -> Sequence[SessionListing]:
        created_at, digest = after
        with map_session_errors():
            rows = await self._database.many(
                "list_user",
                user_id=user_id,
                after_created_at=created_at,
                after_digest=digest,
                batch=limit,
                now=self._clock(),
            )
        return [listing_of(row) for row in rows]

    async def list_page(self, *, after: bytes = b"", limit: int) -> Sequence[SessionListing]:
        with map_session_errors():
            rows = await self._database.many("list_sessions", after=after, batch=limit, now=self._clock())
        return [listing_of(row) for row in rows]

    async def list_page_before(self, before: bytes, *, limit: int) -> Sequence[SessionListing]:
        with map_session_errors():
            rows = await self._database.many("list_sessions_before", before=before, batch=limit, now=self._clock())
        return [listing_of(row) for row in rows]

    async def user_activity(self, user_ids: Sequence[str]) -> Mapping[str, UserActivity]:
        # PostgreSQL has no text with NUL, so nobody of that name either.
        names = msgspec.json.encode([user_id for user_id in user_ids if "\x00" not in user_id]).decode()
        with map_session_errors():
            rows = await self._database.many("user_activity", user_ids=names, now=self._clock())
        return {row["user_id"]: UserActivity(row["sessions"], row["last_seen_at"]) for row in rows}

    # Ends of sessions take turns only among themselves: they must not queue behind all changes of a session.

    async def revoke(self, handle: str, *, user_id: str | None = None) -> Revoked | None:
        digests = digests_of(handle)
        if digests is None:
            return None
        low, high = digests
        values = {"low": low, "high": high, "user_id": user_id, "now": self._clock()}
        with map_session_errors():
            async with self._database.turn(("end", handle)):
                rows = await self._database.many("revoke_session", **values)
        return next((Revoked(row["user_id"]) for row in rows if row["live"]), None)

    async def clear_user(self, user_id: str, *, keep: str | None = None) -> int:
        low, high = _kept(keep)
        with map_session_errors():
            async with self._database.turn(("end of user", user_id)):
                return await self._clear("clear_user", user_id=user_id, keep_low=low, keep_high=high)

    async def clear_all(self) -> int:
        live: int = await self._clear("clear_some")
        with _counted(live):
            rows = await self._database.many("clear_all", now=self._clock())
        live += sum(row["live"] for row in rows)
        return live

    async def _clear(self, statement: str, **values: object) -> int:
        # In batches, because a single DELETE would block all saves.
        live: int = 0
        while True:
            with _counted(live):
                rows = await self._database.many(statement, **values, batch=self.clear_batch, now=self._clock())
            live += sum(row["live"] for row in rows)
            if sum(row["ended"] for row in rows) < self.clear_batch:
                return live


@contextmanager
def _counted(ended: int) -> Iterator[None]:
    """Add to errors that *ended* live sessions have ended already."""
    try:
        with map_session_errors():
            yield
    except SessionUnavailable as error:
        error.ended = ended
        raise


def _kept(handle: str | None) -> tuple[bytes, bytes] | tuple[None, None]:
    if handle is None:
        return None, None
    digests = digests_of(handle)
    if digests is None:  # ignoring it would end the session that was to be kept
        raise ValueError("the session to keep is named by its handle")
    return digests
