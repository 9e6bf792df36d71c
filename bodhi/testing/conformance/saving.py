"""Saving: what was loaded, by its version, and nothing but the data and the user."""

from msgspec.structs import replace

from bodhi.session import NewExpiry, SessionStore
from bodhi.testing.clock import Clock
from bodhi.testing.conformance.kit import (
    CROWD,
    IDLE_MS,
    LIFETIME_MS,
    SECOND_MS,
    Kit,
    assert_counts,
    concurrently,
    created,
    new,
    reloaded,
    saved,
)


class Update(Kit):
    """The promises of ``save`` for a live session."""

    async def test_save_changes_the_data_and_raises_the_version(self, store: SessionStore) -> None:
        """The next save needs the version that this one made."""
        first = await store.create(new("a"))

        assert await store.save(saved(first, b"one"))
        second = await reloaded(store, first)
        assert await store.save(saved(second, b"two"))

        assert (b"one", first.version + 1) == (second.data, second.version)
        assert b"two" == (await reloaded(store, first)).data

    async def test_save_leaves_the_times_and_the_device(self, store: SessionStore, clock: Clock) -> None:
        """Saving is no touch: the times and the device are as they were."""
        record = await store.create(new("a"))
        clock.advance(10 * SECOND_MS)

        await store.save(saved(record, b"new"))

        expected = replace(record, data=b"new", version=record.version + 1, now=clock())
        assert expected == await store.load(record.digest)

    async def test_save_leaves_other_sessions(self, store: SessionStore) -> None:
        """Only the session that is named changes."""
        one, other = await created(store, "ab", "ann")

        await store.save(saved(one))

        assert other == await store.load(other.digest)

    async def test_save_with_an_old_version_changes_nothing(self, store: SessionStore, clock: Clock) -> None:
        """What another request saved meanwhile stays: its data, its user and its times."""
        old = await store.create(new("a", "ann"))
        await store.save(replace(saved(old, b"theirs"), user_id="bob"))
        theirs = await store.load(old.digest)
        late = replace(saved(old, b"late"), user_id="eve")

        assert not await store.save(late)
        assert not await store.save(replace(late, ages=NewExpiry(IDLE_MS, clock() + SECOND_MS)))
        assert not await store.save(replace(late, version=old.version + 2))

        assert theirs == await store.load(old.digest)

    async def test_of_saves_at_once_of_one_version_one_succeeds(self, store: SessionStore) -> None:
        """The stored data is that of the one save that returns True."""
        record = await store.create(new("a"))

        answers = await concurrently(store.save(saved(record, b"%d" % number)) for number in range(CROWD))

        assert (1, CROWD - 1) == (answers.count(True), answers.count(False))
        current = await reloaded(store, record)
        assert (b"%d" % answers.index(True), record.version + 1) == (current.data, current.version)

    async def test_saves_at_once_of_different_sessions_all_succeed(self, store: SessionStore) -> None:
        """Saves that share a round trip to the database do not mix up their results, even if one fails."""
        records = await created(store, range(CROWD))
        await store.delete(records[7].digest)

        answers = await concurrently(store.save(saved(record, record.digest)) for record in records)

        assert [number != 7 for number in range(CROWD)] == answers
        assert all([(await reloaded(store, one)).data == one.digest for one in records if one is not records[7]])

    async def test_the_user_follows_the_save(self, store: SessionStore) -> None:
        """The user's column changes with the data, in the same statement."""
        record = await store.create(new("a"))

        await store.save(replace(saved(record), user_id="ann"))

        assert "ann" == (await reloaded(store, record)).user_id
        await assert_counts(store, ann=1)

    async def test_a_save_without_user_removes_the_user(self, store: SessionStore) -> None:
        """The session becomes anonymous; the former user has one session less."""
        record = await store.create(new("a", "ann"))

        await store.save(replace(saved(record), user_id=None))

        assert (await reloaded(store, record)).user_id is None
        await assert_counts(store, 1, ann=0)

    async def test_a_save_with_ages_ends_the_session_when_they_say(self, store: SessionStore, clock: Clock) -> None:
        """The end is the one of the save, earlier or later; the idle time counts from the last use."""
        record = await store.create(new("a"))
        clock.advance(10 * SECOND_MS)

        assert await store.save(saved(record, ages=NewExpiry(IDLE_MS, clock() + SECOND_MS)))
        short = await reloaded(store, record)
        assert await store.save(saved(short, ages=NewExpiry(IDLE_MS, clock() + 2 * IDLE_MS)))
        long = await reloaded(store, record)

        assert clock() + SECOND_MS == short.expires_at == short.ends_at
        assert (record.last_seen_at + IDLE_MS, clock() + 2 * IDLE_MS) == (long.expires_at, long.ends_at)

    async def test_a_save_with_ages_never_passes_the_end(self, store: SessionStore, clock: Clock) -> None:
        """However long the idle timeout is, the session ends when the save says."""
        record = await store.create(new("a", idle_ms=2 * LIFETIME_MS))
        clock.advance(10 * SECOND_MS)

        assert await store.save(saved(record, ages=NewExpiry(2 * LIFETIME_MS, record.ends_at)))

        current = await reloaded(store, record)
        assert record.created_at + LIFETIME_MS == current.expires_at == current.ends_at
