"""Updating: the save after a conflict, with exclusive access."""

import asyncio
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from bodhi.session import NewExpiry, Save, SessionRecord, SessionStore, VersionConflict
from bodhi.testing.clock import Clock
from bodhi.testing.conformance.kit import (
    CROWD,
    DEADLINE_SECONDS,
    IDLE_MS,
    SECOND_MS,
    Kit,
    assert_counts,
    concurrently,
    digest_for,
    new,
    reloaded,
    saved,
    updated,
)


class Updating(Kit):
    """The promises of ``save`` and ``delete`` in a ``locked`` block."""

    async def test_update_saves_what_the_change_makes_of_the_session_as_it_is_now(self, store: SessionStore) -> None:
        """The change receives the stored session, not one loaded earlier."""
        old = await store.create(new("a", "ann"))
        await store.save(saved(old, b"theirs"))
        expected = await reloaded(store, old)
        seen: list[SessionRecord] = []

        def change(current: SessionRecord) -> Save:
            seen.append(current)
            return replace(saved(current, current.data + b" and mine"), user_id="bob")

        assert await updated(store, old.digest, change)

        assert [expected] == seen
        after = await reloaded(store, old)
        assert (b"theirs and mine", "bob", expected.version + 1) == (after.data, after.user_id, after.version)
        await assert_counts(store, ann=0, bob=1)

    async def test_updates_at_once_lose_nothing(self, store: SessionStore) -> None:
        """Each applies to the result of the previous one."""
        record = await store.create(new("a", data=b""))

        answers = await concurrently(updated(store, record.digest, _adding(number)) for number in range(CROWD))

        assert [True] * CROWD == answers
        current = await reloaded(store, record)
        assert list(range(CROWD)) == sorted(current.data)
        assert record.version + CROWD == current.version

    async def test_saves_and_updates_at_once_lose_nothing(self, store: SessionStore) -> None:
        """As requests do: save what was loaded, and update after a conflict."""
        record = await store.create(new("a", data=b""))
        all_loaded = asyncio.Barrier(CROWD)

        async def request(number: int) -> bool:
            loaded = await reloaded(store, record)
            await all_loaded.wait()
            change = _adding(number)
            return await store.save(change(loaded)) or await updated(store, record.digest, change)

        assert [True] * CROWD == await concurrently(request(number) for number in range(CROWD))
        assert list(range(CROWD)) == sorted((await reloaded(store, record)).data)

    async def test_update_ends_the_session_where_nothing_is_left(self, store: SessionStore) -> None:
        """A change that returns None deletes that session and no other."""
        record, other = await store.create(new("a", "ann")), await store.create(new("b", "ann"))

        assert await updated(store, record.digest, lambda _: None)

        assert [None, other] == [await store.load(record.digest), await store.load(other.digest)]
        await assert_counts(store, ann=1)

    async def test_update_of_what_is_gone_asks_for_no_change(self, store: SessionStore, clock: Clock) -> None:
        """An unknown, a deleted and an expired session: False, and the change is not called."""
        deleted, expired = await store.create(new("deleted")), await store.create(new("expired"))
        await store.delete(deleted.digest)
        clock.advance(IDLE_MS)

        def change(_: SessionRecord) -> Save:
            raise AssertionError("there is nothing to change")

        for digest in (deleted.digest, expired.digest, digest_for("unknown")):
            assert not await updated(store, digest, change)

    async def test_nobody_else_changes_the_session_within_a_block(self, store: SessionStore) -> None:
        """A concurrent save waits or is rejected, or the block must be retried."""
        record = await store.create(new("a"))
        conflicted = False

        async with asyncio.timeout(DEADLINE_SECONDS):
            try:
                async with store.locked(record.digest) as row:
                    assert row is not None
                    other = asyncio.create_task(store.save(saved(record, b"theirs")))
                    for _ in range(CROWD):
                        await asyncio.sleep(0)
                    await row.save(saved(row.record, b"mine"))
            except VersionConflict:
                conflicted = True
            was_saved = await other

        assert was_saved is conflicted
        assert (b"theirs" if conflicted else b"mine") == (await reloaded(store, record)).data

    async def test_a_block_that_does_nothing_changes_nothing(self, store: SessionStore) -> None:
        """Reading neither touches nor saves the session."""
        record = await store.create(new("a"))

        async with store.locked(record.digest) as row:
            assert row is not None
            assert record == row.record

        assert record == await store.load(record.digest)

    async def test_update_stores_ages(self, store: SessionStore, clock: Clock) -> None:
        """As a save does."""
        record = await store.create(new("a"))

        def change(current: SessionRecord) -> Save:
            return saved(current, ages=NewExpiry(IDLE_MS, current.now + SECOND_MS))

        await updated(store, record.digest, change)

        after = await reloaded(store, record)
        assert clock() + SECOND_MS == after.expires_at == after.ends_at

    async def test_a_change_that_fails_changes_nothing(self, store: SessionStore) -> None:
        """Its error comes through, the session is as it was, and the next update works."""
        record = await store.create(new("a", data=b""))

        def fail(_: SessionRecord) -> Save:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await updated(store, record.digest, fail)

        assert record == await store.load(record.digest)
        assert await updated(store, record.digest, _adding(1))


def _adding(number: int) -> Callable[[SessionRecord], Save]:
    """Return a change that appends one byte."""
    return lambda current: saved(current, current.data + bytes([number]))
