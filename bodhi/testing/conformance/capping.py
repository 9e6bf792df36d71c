"""The cap: how many sessions a user may have, enforced in the login itself."""

import pytest

from bodhi.session import DigestTaken, SessionRecord, UserCap, UserSessions
from bodhi.testing.clock import Clock
from bodhi.testing.conformance.kit import (
    CROWD,
    LIFETIME_MS,
    SECOND_MS,
    Kit,
    assert_counts,
    concurrently,
    created,
    faults,
    listed_user,
    new,
    new_sealed,
    reloaded,
    rotated,
    sealed_for,
)

FIVE = UserCap("ann", 5)


class Capping(Kit):
    """The promises of ``create`` and ``locked`` with a cap."""

    async def test_the_oldest_sessions_beyond_the_cap_end(self, user_sessions: UserSessions, clock: Clock) -> None:
        """The newest ones stay, and other users' sessions are unaffected."""
        others = [*await created(user_sessions, ["his"], "bob"), *await created(user_sessions, ["anonymous"])]
        records = []
        for number in range(7):
            records.append(await user_sessions.create(new(number, "ann"), cap=FIVE))
            clock.advance(SECOND_MS)

        assert [one.digest for one in records[2:]] == [one.digest for one in await listed_user(user_sessions, "ann")]
        assert [True, True] == [await user_sessions.load(one.digest) is not None for one in others]

    async def test_a_lower_cap_ends_all_that_are_too_many(self, user_sessions: UserSessions, clock: Clock) -> None:
        """After the cap was lowered, the next login ends as many sessions as necessary."""
        for number in range(7):
            await user_sessions.create(new(number, "ann"))
            clock.advance(SECOND_MS)

        await user_sessions.create(new("login", "ann"), cap=UserCap("ann", 2))

        expected = [new(6).digest, new("login").digest]
        assert expected == [one.digest for one in await listed_user(user_sessions, "ann")]

    async def test_a_login_never_ends_itself(self, user_sessions: UserSessions) -> None:
        """Not even where it began in the same millisecond as the others, and whatever its digest."""
        for number in range(CROWD):
            record = await user_sessions.create(new(number, "ann"), cap=UserCap("ann", 1))
            assert record == await user_sessions.load(record.digest)
            assert 1 == await user_sessions.count_user("ann")

    async def test_expired_sessions_take_no_place(self, user_sessions: UserSessions, clock: Clock) -> None:
        """An expired session does not count towards the cap."""
        record = await user_sessions.create(new("hers", "ann"))
        clock.advance(SECOND_MS)
        for number in range(5):
            await user_sessions.create(new(number, "ann", max_age_ms=SECOND_MS))
        clock.advance(SECOND_MS)

        await user_sessions.create(new("login", "ann"), cap=UserCap("ann", 2))

        assert await user_sessions.load(record.digest) is not None
        assert 2 == await user_sessions.count_user("ann")

    async def test_logins_at_once_leave_as_many_as_the_cap(self, user_sessions: UserSessions) -> None:
        """Each counts what the others left, and none of them fails."""
        answers = await concurrently(user_sessions.create(new(number, "ann"), cap=FIVE) for number in range(CROWD))

        assert [] == faults(answers)
        assert 5 == await user_sessions.count_user("ann") == len(await listed_user(user_sessions, "ann"))

    async def test_logins_at_once_by_rotation_leave_as_many_as_the_cap(self, user_sessions: UserSessions) -> None:
        """A visitor's session becomes the user's: it is counted as a new one is."""
        visitors = await created(user_sessions, range(CROWD))

        answers = await concurrently(_login(user_sessions, record, number) for number, record in enumerate(visitors))

        assert CROWD == sum(isinstance(answer, SessionRecord) for answer in answers)
        assert 5 == await user_sessions.count_user("ann")
        await assert_counts(user_sessions, 5)

    async def test_a_rotation_stays_within_the_cap(self, user_sessions: UserSessions, clock: Clock) -> None:
        """Moving one of the user's own sessions takes no further place."""
        records = []
        for number in range(5):
            records.append(await user_sessions.create(new(number, "ann")))
            clock.advance(SECOND_MS)

        moved = await rotated(user_sessions, records[0].digest, new("new", "ann"), renewed=False, cap=FIVE)

        assert moved is not None
        expected = {moved.digest, *(one.digest for one in records[1:])}
        assert expected == {one.digest for one in await listed_user(user_sessions, "ann")}

    async def test_a_replaced_session_takes_no_place(self, user_sessions: UserSessions) -> None:
        """The session that the login replaces makes room for it."""
        records = await created(user_sessions, range(5), "ann")

        await rotated(user_sessions, records[2].digest, new("login", "ann"), renewed=True, cap=FIVE)

        assert 5 == await user_sessions.count_user("ann")
        assert await user_sessions.load(records[2].digest) is None

    async def test_data_is_encrypted_for_the_times_that_are_stored_with_a_cap_too(
        self, user_sessions: UserSessions, clock: Clock
    ) -> None:
        """With and without max_age: it opens with exactly these times."""
        for number, max_age_ms in enumerate((None, SECOND_MS, 2 * LIFETIME_MS)):
            record = await user_sessions.create(new_sealed(number, "ann", max_age_ms=max_age_ms), cap=FIVE)
            assert sealed_for(record) == record.data == (await reloaded(user_sessions, record)).data
            clock.advance(SECOND_MS // 2)

    async def test_a_refused_login_ends_no_session(self, user_sessions: UserSessions) -> None:
        """The digest is taken: neither is the cap enforced nor the session moved."""
        records = await created(user_sessions, range(5), "ann")

        with pytest.raises(DigestTaken):
            await user_sessions.create(new(0, "ann"), cap=UserCap("ann", 1))
        with pytest.raises(DigestTaken):
            await rotated(user_sessions, records[1].digest, new(0, "ann"), renewed=True, cap=UserCap("ann", 1))

        assert records == [await user_sessions.load(one.digest) for one in records]


async def _login(user_sessions: UserSessions, visitor: SessionRecord, number: int) -> SessionRecord | None:
    return await rotated(user_sessions, visitor.digest, new(f"login {number}", "ann"), renewed=True, cap=FIVE)
