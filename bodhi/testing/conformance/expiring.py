"""Expiring: a session lives while ``expires_at > now``, in every method and to the millisecond, swept or not."""

from bodhi.session import AllSessions, Reencryption, SessionRecord, SessionStore, UserSessions, handle_of
from bodhi.testing.clock import Clock
from bodhi.testing.conformance.kit import (
    IDLE_MS,
    LIFETIME_MS,
    Kit,
    created,
    listed,
    listed_all,
    listed_user,
    new,
    reloaded,
    rotated,
    saved,
    touched,
    updated,
)


class Expiring(Kit):
    """The promises of each method in a session's last millisecond, and in the next."""

    async def test_load_is_exact_at_the_idle_timeout(self, store: SessionStore, clock: Clock) -> None:
        """Live in the last millisecond, absent in the next."""
        record = await _in_its_last_millisecond(store, clock)
        assert await store.load(record.digest) is not None

        clock.advance(1)
        assert await store.load(record.digest) is None

    async def test_load_is_exact_at_the_absolute_timeout(self, store: SessionStore, clock: Clock) -> None:
        """However much it is used."""
        record = await store.create(new("a"))
        for _ in range(LIFETIME_MS // IDLE_MS * 2 - 1):
            clock.advance(IDLE_MS // 2)
            await store.touch([touched(record, clock())])
        clock.advance(IDLE_MS // 2 - 1)
        assert await store.load(record.digest) is not None

        clock.advance(1)
        assert await store.load(record.digest) is None

    async def test_save_is_exact(self, store: SessionStore, clock: Clock) -> None:
        """A save in the last millisecond succeeds and prolongs nothing."""
        record = await _in_its_last_millisecond(store, clock)
        assert await store.save(saved(record))
        current = await reloaded(store, record)

        clock.advance(1)
        assert not await store.save(saved(current))

    async def test_update_is_exact(self, store: SessionStore, clock: Clock) -> None:
        """An update in the last millisecond succeeds and prolongs nothing."""
        record = await _in_its_last_millisecond(store, clock)
        assert await updated(store, record.digest, saved)

        clock.advance(1)
        assert not await updated(store, record.digest, saved)

    async def test_rotate_is_exact(self, store: SessionStore, clock: Clock) -> None:
        """Rotation in the last millisecond is use."""
        one, other = await created(store, ["one", "other"])
        clock.advance(IDLE_MS - 1)
        assert await rotated(store, one.digest, new("new one"), renewed=False) is not None

        clock.advance(1)
        assert await rotated(store, other.digest, new("new other"), renewed=False) is None

    async def test_touch_is_exact(self, store: SessionStore, clock: Clock) -> None:
        """A touch in the last millisecond prolongs, in the next it is too late."""
        one, other = await created(store, ["one", "other"])
        clock.advance(IDLE_MS - 1)
        assert 1 == await store.touch([touched(one, clock())])

        clock.advance(1)
        assert 0 == await store.touch([touched(other, clock())])

    async def test_delete_is_exact(self, store: SessionStore, clock: Clock) -> None:
        """What is deleted after its expiry was no live session."""
        one, other = await created(store, ["one", "other"])
        clock.advance(IDLE_MS - 1)
        assert await store.delete(one.digest)

        clock.advance(1)
        assert not await store.delete(other.digest)

    async def test_revoke_is_exact(self, user_sessions: UserSessions, clock: Clock) -> None:
        """What is revoked after its expiry was no live session."""
        one, other = await created(user_sessions, ["one", "other"])
        clock.advance(IDLE_MS - 1)
        assert await user_sessions.revoke(handle_of(one.digest))

        clock.advance(1)
        assert not await user_sessions.revoke(handle_of(other.digest))

    async def test_a_users_count_and_list_are_exact(self, user_sessions: UserSessions, clock: Clock) -> None:
        """One in the last millisecond, none in the next."""
        await _in_its_last_millisecond(user_sessions, clock)
        assert 1 == await user_sessions.count_user("ann") == len(await listed_user(user_sessions, "ann"))

        clock.advance(1)
        assert 0 == await user_sessions.count_user("ann") == len(await listed_user(user_sessions, "ann"))

    async def test_the_count_and_list_of_all_are_exact(
        self, store: SessionStore, all_sessions: AllSessions, clock: Clock
    ) -> None:
        """One in the last millisecond, none in the next."""
        await _in_its_last_millisecond(store, clock)
        assert 1 == await all_sessions.count() == len(await listed_all(all_sessions))

        clock.advance(1)
        assert 0 == await all_sessions.count() == len(await listed_all(all_sessions))

    async def test_the_list_of_data_is_exact(
        self, store: SessionStore, reencryption: Reencryption, clock: Clock
    ) -> None:
        """One in the last millisecond, none in the next."""
        await _in_its_last_millisecond(store, clock)
        assert 1 == sum(len(page) for page in await listed(reencryption.list_data()))

        clock.advance(1)
        assert 0 == sum(len(page) for page in await listed(reencryption.list_data()))

    async def test_sweep_is_exact(self, store: SessionStore, clock: Clock) -> None:
        """In its last millisecond a session is not swept."""
        await _in_its_last_millisecond(store, clock)
        assert 0 == await store.sweep()

        clock.advance(1)
        assert 1 == await store.sweep()

    async def test_clearing_a_user_counts_live_sessions_only(self, user_sessions: UserSessions, clock: Clock) -> None:
        """The expired ones go as well and are not counted."""
        await created(user_sessions, ["hers", "hers too"], "ann")
        clock.advance(IDLE_MS)
        await created(user_sessions, ["hers now"], "ann")

        assert 1 == await user_sessions.clear_user("ann")

        assert 0 == await user_sessions.sweep()

    async def test_clearing_all_counts_live_sessions_only(
        self, store: SessionStore, all_sessions: AllSessions, clock: Clock
    ) -> None:
        """The expired ones go as well and are not counted."""
        await created(store, ["his"], "bob")
        clock.advance(IDLE_MS)
        await created(store, ["his now"], "bob")

        assert 1 == await all_sessions.clear_all()

        assert 0 == await store.sweep()


async def _in_its_last_millisecond(store: SessionStore, clock: Clock) -> SessionRecord:
    record = await store.create(new("a", "ann"))
    clock.advance(IDLE_MS - 1)
    return record
