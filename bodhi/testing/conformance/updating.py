"""Updating: the save after a conflict, with nobody in between."""

import asyncio
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from bodhi.session import SessionStore
from bodhi.session.records import NewExpiry, Save, SessionRecord
from bodhi.testing.clock import Clock
from bodhi.testing.conformance.kit import (
    CROWD,
    IDLE_MS,
    SECOND_MS,
    Kit,
    at_once,
    digest_for,
    new,
    reloaded,
    saved,
)


class Updating(Kit):
    """What ``update`` promises."""

    async def test_update_saves_what_the_change_makes_of_the_session_as_it_is_now(self, store: SessionStore) -> None:
        """The change is given what is stored, not what somebody loaded before."""
        old = await store.create(new("a", "ann"))
        await store.save(saved(old, b"theirs"))
        expected = await reloaded(store, old)
        seen: list[SessionRecord] = []

        def change(current: SessionRecord) -> Save:
            seen.append(current)
            return replace(saved(current, current.data + b" and mine"), user_id="bob")

        assert await store.update(old.digest, change)

        assert [expected] == seen
        after = await reloaded(store, old)
        assert (b"theirs and mine", "bob", expected.version + 1) == (after.data, after.user_id, after.version)
        assert (0, 1) == (await store.count_user("ann"), await store.count_user("bob"))

    async def test_updates_at_once_lose_nothing(self, store: SessionStore) -> None:
        """Each is made on what the one before it left."""
        record = await store.create(new("a", data=b""))

        answers = await at_once(store.update(record.digest, _adding(number)) for number in range(CROWD))

        assert [True] * CROWD == answers
        current = await reloaded(store, record)
        assert list(range(CROWD)) == sorted(current.data)
        assert record.version + CROWD == current.version

    async def test_saves_and_updates_at_once_lose_nothing(self, store: SessionStore) -> None:
        """The way of a request: save what was loaded, and update where somebody was faster."""
        record = await store.create(new("a", data=b""))
        all_loaded = asyncio.Barrier(CROWD)

        async def request(number: int) -> bool:
            loaded = await reloaded(store, record)
            await all_loaded.wait()
            change = _adding(number)
            return await store.save(change(loaded)) or await store.update(record.digest, change)

        assert [True] * CROWD == await at_once(request(number) for number in range(CROWD))
        assert list(range(CROWD)) == sorted((await reloaded(store, record)).data)

    async def test_update_ends_the_session_where_nothing_is_left(self, store: SessionStore) -> None:
        """A change that answers None ends that session and no other."""
        record, other = await store.create(new("a", "ann")), await store.create(new("b", "ann"))

        assert await store.update(record.digest, lambda _: None)

        assert [None, other] == [await store.load(record.digest), await store.load(other.digest)]
        assert 1 == await store.count_user("ann")

    async def test_update_of_what_is_gone_asks_for_no_change(self, store: SessionStore, clock: Clock) -> None:
        """An unknown, a deleted and an expired session: False, and the change is not called."""
        deleted, expired = await store.create(new("deleted")), await store.create(new("expired"))
        await store.delete(deleted.digest)
        clock.advance(IDLE_MS)

        def change(_: SessionRecord) -> Save:
            raise AssertionError("there is nothing to change")

        for digest in (deleted.digest, expired.digest, digest_for("unknown")):
            assert not await store.update(digest, change)

    async def test_update_stores_ages(self, store: SessionStore, clock: Clock) -> None:
        """As a save does."""
        record = await store.create(new("a"))

        def change(current: SessionRecord) -> Save:
            return saved(current, ages=NewExpiry(IDLE_MS, current.now + SECOND_MS))

        await store.update(record.digest, change)

        after = await reloaded(store, record)
        assert clock() + SECOND_MS == after.expires_at == after.ends_at

    async def test_a_change_that_fails_changes_nothing(self, store: SessionStore) -> None:
        """Its error comes through, the session is as it was, and the next update works."""
        record = await store.create(new("a", data=b""))

        def fail(_: SessionRecord) -> Save:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await store.update(record.digest, fail)

        assert record == await store.load(record.digest)
        assert await store.update(record.digest, _adding(1))


def _adding(number: int) -> Callable[[SessionRecord], Save]:
    """A change that adds one byte."""
    return lambda current: saved(current, current.data + bytes([number]))
