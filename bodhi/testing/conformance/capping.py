"""The cap: how many sessions a user may have, enforced in the login itself."""

import pytest

from bodhi.session import DigestTaken, SessionStore
from bodhi.session.records import SessionRecord, UserCap
from bodhi.testing.clock import Clock
from bodhi.testing.conformance.kit import (
    CROWD,
    SECOND_MS,
    Kit,
    at_once,
    created,
    faults,
    listed,
    new,
)

FIVE = UserCap("ann", 5)


class Capping(Kit):
    """What ``create`` and ``rotate`` promise where they are given a cap."""

    async def test_the_oldest_sessions_beyond_the_cap_end(self, store: SessionStore, clock: Clock) -> None:
        """The newest ones stay, and those of others are not touched."""
        others = [*await created(store, ["his"], "bob"), *await created(store, ["nobody's"])]
        records = []
        for number in range(7):
            records.append(await store.create(new(number, "ann"), cap=FIVE))
            clock.advance(SECOND_MS)

        assert [one.digest for one in records[2:]] == [one.digest for one in await listed(store.list_user("ann"))]
        assert [True, True] == [await store.load(one.digest) is not None for one in others]

    async def test_a_lower_cap_ends_all_that_are_too_many(self, store: SessionStore, clock: Clock) -> None:
        """The cap was set lower: the next login ends as many as it takes."""
        for number in range(7):
            await store.create(new(number, "ann"))
            clock.advance(SECOND_MS)

        await store.create(new("login", "ann"), cap=UserCap("ann", 2))

        expected = [new(6).digest, new("login").digest]
        assert expected == [one.digest for one in await listed(store.list_user("ann"))]

    async def test_a_login_never_ends_itself(self, store: SessionStore) -> None:
        """Not even where it began in the same millisecond as the others, and whatever its digest."""
        for number in range(CROWD):
            record = await store.create(new(number, "ann"), cap=UserCap("ann", 1))
            assert record == await store.load(record.digest)
            assert 1 == await store.count_user("ann")

    async def test_expired_sessions_take_no_place(self, store: SessionStore, clock: Clock) -> None:
        """A session that has ended by itself does not push out one that lives."""
        record = await store.create(new("hers", "ann"))
        clock.advance(SECOND_MS)
        for number in range(5):
            await store.create(new(number, "ann", max_age_ms=SECOND_MS))
        clock.advance(SECOND_MS)

        await store.create(new("login", "ann"), cap=UserCap("ann", 2))

        assert await store.load(record.digest) is not None
        assert 2 == await store.count_user("ann")

    async def test_logins_at_once_leave_as_many_as_the_cap(self, store: SessionStore) -> None:
        """Each counts what the others left, and none of them fails."""
        answers = await at_once(store.create(new(number, "ann"), cap=FIVE) for number in range(CROWD))

        assert [] == faults(answers)
        assert 5 == await store.count_user("ann") == len(await listed(store.list_user("ann")))

    async def test_logins_at_once_by_rotation_leave_as_many_as_the_cap(self, store: SessionStore) -> None:
        """A visitor's session becomes the user's: it is counted as a new one is."""
        visitors = await created(store, range(CROWD))

        answers = await at_once(_login(store, record, number) for number, record in enumerate(visitors))

        assert CROWD == sum(isinstance(answer, SessionRecord) for answer in answers)
        assert 5 == await store.count_user("ann") == await store.count()

    async def test_a_rotation_stays_within_the_cap(self, store: SessionStore, clock: Clock) -> None:
        """Moving one of the user's own sessions takes no further place."""
        records = []
        for number in range(5):
            records.append(await store.create(new(number, "ann")))
            clock.advance(SECOND_MS)

        moved = await store.rotate(records[0].digest, lambda _: new("new", "ann"), renewed=False, cap=FIVE)

        assert moved is not None
        expected = {moved.digest, *(one.digest for one in records[1:])}
        assert expected == {one.digest for one in await listed(store.list_user("ann"))}

    async def test_a_replaced_session_takes_no_place(self, store: SessionStore) -> None:
        """The session that the login replaces makes room for it."""
        records = await created(store, range(5), "ann")

        await store.create(new("login", "ann"), replaces=records[2].digest, cap=FIVE)

        assert 5 == await store.count_user("ann")
        assert await store.load(records[2].digest) is None

    async def test_a_refused_login_ends_no_session(self, store: SessionStore) -> None:
        """The digest is taken: neither is the cap enforced nor the session replaced."""
        records = await created(store, range(5), "ann")

        with pytest.raises(DigestTaken):
            await store.create(new(0, "ann"), replaces=records[2].digest, cap=UserCap("ann", 1))
        with pytest.raises(DigestTaken):
            await store.rotate(records[1].digest, lambda _: new(0, "ann"), renewed=True, cap=UserCap("ann", 1))

        assert records == [await store.load(one.digest) for one in records]


async def _login(store: SessionStore, visitor: SessionRecord, number: int) -> SessionRecord | None:
    return await store.rotate(visitor.digest, lambda _: new(f"login {number}", "ann"), renewed=True, cap=FIVE)
