"""Recent ends: a session that has just ended is distinguished from one that never existed."""

from bodhi.session import AllSessions, End, Quarantine, RecentEnds, SessionStore, UserCap, UserSessions, handle_of
from bodhi.testing.clock import Clock
from bodhi.testing.conformance.kit import IDLE_MS, SECOND_MS, Kit, digest_for, new, rotated, saved, updated

NINE_MINUTES_MS = 540 * SECOND_MS
ENDED = End(0, moved=False)


class RememberingEnds(Kit):
    """What ``recent_end`` answers."""

    async def test_an_end_is_remembered_with_its_time(
        self, store: SessionStore, recent_ends: RecentEnds, clock: Clock
    ) -> None:
        """To the millisecond, by the store's clock."""
        record = await store.create(new("a"))
        await store.delete(record.digest)
        assert End(0, moved=False) == await recent_ends.recent_end(record.digest)

        clock.advance(NINE_MINUTES_MS)

        assert End(NINE_MINUTES_MS, moved=False) == await recent_ends.recent_end(record.digest)

    async def test_a_deletion_of_nothing_is_no_end(self, store: SessionStore, recent_ends: RecentEnds) -> None:
        """Otherwise anybody could fill the store with ends of sessions that never were."""
        await store.delete(digest_for("unknown"))

        assert await recent_ends.recent_end(digest_for("unknown")) is None

    async def test_a_live_session_has_not_ended(self, store: SessionStore, recent_ends: RecentEnds) -> None:
        """Neither a new one nor one that was saved."""
        record = await store.create(new("a", "ann"))
        assert await recent_ends.recent_end(record.digest) is None

        await store.save(saved(record))

        assert await recent_ends.recent_end(record.digest) is None

    async def test_an_expired_session_has_not_ended(
        self, store: SessionStore, recent_ends: RecentEnds, clock: Clock
    ) -> None:
        """Nobody ended it: not when it expired, nor when it is swept or deleted after that."""
        swept, deleted = [await store.create(new(name)) for name in ("swept", "deleted")]
        clock.advance(IDLE_MS)

        await store.delete(deleted.digest)
        while await store.sweep():
            pass

        for record in (swept, deleted):
            assert await recent_ends.recent_end(record.digest) is None

    async def test_a_rotated_session_ended_under_its_old_digest_alone(
        self, store: SessionStore, recent_ends: RecentEnds
    ) -> None:
        """A login moved it: requests with the old id are late."""
        record = await store.create(new("a"))

        moved = await rotated(store, record.digest, new("b", "ann"), renewed=True)

        assert moved is not None
        assert End(0, moved=True) == await recent_ends.recent_end(record.digest)
        assert await recent_ends.recent_end(moved.digest) is None

    async def test_an_emptied_session_has_ended(self, store: SessionStore, recent_ends: RecentEnds) -> None:
        """A save left nothing in it."""
        record = await store.create(new("a"))

        await updated(store, record.digest, lambda _: None)

        assert ENDED == await recent_ends.recent_end(record.digest)

    async def test_a_revoked_session_has_ended(self, user_sessions: UserSessions, recent_ends: RecentEnds) -> None:
        """It was ended by its handle."""
        record, other = [await user_sessions.create(new(name, "ann")) for name in "ab"]

        await user_sessions.revoke(handle_of(record.digest), user_id="bob")
        assert await recent_ends.recent_end(record.digest) is None
        await user_sessions.revoke(handle_of(record.digest), user_id="ann")

        assert ENDED == await recent_ends.recent_end(record.digest)
        assert await recent_ends.recent_end(other.digest) is None

    async def test_the_sessions_of_a_cleared_user_have_ended(
        self, user_sessions: UserSessions, recent_ends: RecentEnds
    ) -> None:
        """But for the one that was kept, and those of others."""
        kept, ended, others = [
            await user_sessions.create(new(name, user)) for name, user in (("a", "ann"), ("b", "ann"), ("c", "bob"))
        ]

        await user_sessions.clear_user("ann", keep=handle_of(kept.digest))

        assert [None, ENDED, None] == [await recent_ends.recent_end(record.digest) for record in (kept, ended, others)]

    async def test_all_sessions_that_were_cleared_have_ended(
        self, all_sessions: AllSessions, store: SessionStore, recent_ends: RecentEnds
    ) -> None:
        """Whoever they belonged to."""
        records = [await store.create(new(name, user)) for name, user in (("a", "ann"), ("b", None))]

        await all_sessions.clear_all()

        assert [ENDED, ENDED] == [await recent_ends.recent_end(record.digest) for record in records]

    async def test_a_session_beyond_the_cap_has_ended(
        self, user_sessions: UserSessions, recent_ends: RecentEnds
    ) -> None:
        """A login ended it, and no other one."""
        record = await user_sessions.create(new("a", "ann"))

        newest = await user_sessions.create(new("b", "ann"), cap=UserCap("ann", 1))

        assert ENDED == await recent_ends.recent_end(record.digest)
        assert await recent_ends.recent_end(newest.digest) is None

    async def test_a_session_set_aside_has_not_ended(
        self, store: SessionStore, quarantine: Quarantine, recent_ends: RecentEnds
    ) -> None:
        """Its data was unreadable: its visitor may begin another at once."""
        record = await store.create(new("a"))

        await quarantine.set_aside(record, "damaged")

        assert await recent_ends.recent_end(record.digest) is None
