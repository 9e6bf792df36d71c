"""Deleted stays deleted: a late save does not restore a session, whatever ended it."""

from msgspec.structs import replace

from bodhi.session import (
    AllSessions,
    NewExpiry,
    Quarantine,
    SessionRecord,
    SessionStore,
    UserCap,
    UserSessions,
    handle_of,
)
from bodhi.testing.clock import Clock
from bodhi.testing.conformance.kit import (
    IDLE_MS,
    INTERVAL_MS,
    LIFETIME_MS,
    Kit,
    assert_counts,
    digest_for,
    new,
    rotated,
    saved,
    touched,
    updated,
)


async def assert_stays_ended(store: SessionStore, record: SessionRecord, clock: Clock) -> None:
    """Check that no call with *record* restores the session."""
    assert await store.load(record.digest) is None
    sessions = await store.count() if isinstance(store, AllSessions) else None

    assert not await store.save(saved(record))
    assert not await store.save(saved(record, ages=NewExpiry(IDLE_MS, record.ends_at + LIFETIME_MS)))
    assert not await updated(store, record.digest, saved)
    assert await rotated(store, record.digest, new("elsewhere"), renewed=True) is None
    assert 0 == await store.touch([touched(record, clock() + INTERVAL_MS)])

    assert (None, None) == (await store.load(record.digest), await store.load(digest_for("elsewhere")))
    await assert_counts(store, sessions)


class StayingEnded(Kit):
    """The promises of ``save``, ``locked`` and ``touch`` for an ended session."""

    async def test_an_unknown_session_is_not_made_by_a_save(self, store: SessionStore, clock: Clock) -> None:
        """A save is never an insert."""
        record = await _begun(store)

        await assert_stays_ended(store, replace(record, digest=digest_for("unknown")), clock)

    async def test_a_deleted_session_stays_deleted(self, store: SessionStore, clock: Clock) -> None:
        """The visitor logged out while another request ran."""
        record = await _begun(store)

        await store.delete(record.digest)

        await assert_stays_ended(store, record, clock)

    async def test_a_revoked_session_stays_revoked(self, user_sessions: UserSessions, clock: Clock) -> None:
        """It was ended by its handle, from a list."""
        record = await _begun(user_sessions)

        await user_sessions.revoke(handle_of(record.digest))

        await assert_stays_ended(user_sessions, record, clock)

    async def test_a_session_cleared_with_its_user_stays_cleared(
        self, user_sessions: UserSessions, clock: Clock
    ) -> None:
        """All of the user's sessions were ended."""
        record = await _begun(user_sessions)

        await user_sessions.clear_user("ann")

        await assert_stays_ended(user_sessions, record, clock)

    async def test_a_session_cleared_with_all_stays_cleared(
        self, store: SessionStore, all_sessions: AllSessions, clock: Clock
    ) -> None:
        """All users' sessions were ended."""
        record = await _begun(store)

        await all_sessions.clear_all()

        await assert_stays_ended(store, record, clock)

    async def test_an_expired_session_stays_expired(self, store: SessionStore, clock: Clock) -> None:
        """Its row still exists and is not restored."""
        record = await _begun(store)

        clock.advance(IDLE_MS)

        await assert_stays_ended(store, record, clock)

    async def test_a_swept_session_stays_swept(self, store: SessionStore, clock: Clock) -> None:
        """It expired and its row was removed."""
        record = await _begun(store)
        clock.advance(IDLE_MS)

        await store.sweep()

        await assert_stays_ended(store, record, clock)

    async def test_a_rotated_session_stays_away_from_its_old_digest(self, store: SessionStore, clock: Clock) -> None:
        """The session lives on under its new digest only, and late saves to the old one do not reach it."""
        record = await _begun(store)

        moved = await rotated(store, record.digest, new("b", "ann", data=b"new"), renewed=False)

        await assert_stays_ended(store, record, clock)
        assert moved is not None
        assert moved == await store.load(moved.digest)

    async def test_a_replaced_session_stays_replaced(self, store: SessionStore, clock: Clock) -> None:
        """A new session took its place."""
        record = await _begun(store)

        await rotated(store, record.digest, new("b"), renewed=True)

        await assert_stays_ended(store, record, clock)

    async def test_a_session_beyond_the_cap_stays_ended(self, user_sessions: UserSessions, clock: Clock) -> None:
        """A login beyond the cap ended it."""
        record = await _begun(user_sessions)

        await user_sessions.create(new("b", "ann"), cap=UserCap("ann", 1))

        await assert_stays_ended(user_sessions, record, clock)

    async def test_an_emptied_session_stays_ended(self, store: SessionStore, clock: Clock) -> None:
        """A save removed its last data."""
        record = await _begun(store)

        await updated(store, record.digest, lambda _: None)

        await assert_stays_ended(store, record, clock)

    async def test_a_session_set_aside_stays_aside(
        self, store: SessionStore, quarantine: Quarantine, clock: Clock
    ) -> None:
        """Its data was unreadable."""
        record = await _begun(store)

        await quarantine.set_aside(record, "damaged")

        await assert_stays_ended(store, record, clock)


async def _begun(store: SessionStore) -> SessionRecord:
    """Create and load a session: a store that caches loads must invalidate it."""
    record = await store.create(new("a", "ann"))
    assert record == await store.load(record.digest)
    return record
