"""Rotating: the session moves to a new digest as a whole, or it stays where it is."""

import asyncio

import pytest
from msgspec.structs import replace

from bodhi.session import Device, DigestTaken, NewSession, SessionRecord, SessionStore, UserSessions
from bodhi.testing.clock import Clock
from bodhi.testing.conformance.kit import (
    CROWD,
    IDLE_MS,
    INTERVAL_MS,
    LIFETIME_MS,
    SECOND_MS,
    Kit,
    assert_counts,
    concurrently,
    created,
    digest_for,
    faults,
    new,
    new_sealed,
    reloaded,
    rotated,
    saved,
    sealed_for,
    touched,
    updated,
)


async def moved_to(store: SessionStore, record: SessionRecord, to: NewSession, *, renewed: bool) -> SessionRecord:
    """Rotate *record* to *to*, which must succeed, and return it."""
    moved = await rotated(store, record.digest, to, renewed=renewed)
    assert moved is not None, "the session is gone"
    return moved


class Rotating(Kit):
    """The promises of ``rotate`` in a ``locked`` block."""

    async def test_rotation_moves_the_session(self, store: SessionStore) -> None:
        """Data, user and device are the new ones; the returned record is the stored one."""
        record = await store.create(new("old"))
        device = Device("198.51.100.7", "Other/2.0")

        moved = await moved_to(store, record, replace(new("new", "ann", data=b"hers"), device=device), renewed=True)

        assert moved == await store.load(digest_for("new"))
        assert (digest_for("new"), b"hers", "ann", device) == (moved.digest, moved.data, moved.user_id, moved.device)
        await assert_counts(store, ann=1)
        assert await store.save(saved(moved))

    async def test_rotation_ends_the_old_digest_at_once(self, store: SessionStore) -> None:
        """There is one session before and one after, and the old digest is not it; others stay."""
        for renewed in (False, True):
            record, other = await created(store, [f"old {renewed}", f"other {renewed}"])

            moved = await moved_to(store, record, new(f"new {renewed}"), renewed=renewed)

            expected = [None, moved, other]
            assert expected == [await store.load(one.digest) for one in (record, moved, other)]
        await assert_counts(store, 4)

    async def test_rotation_is_given_the_session_as_it_is_now(self, store: SessionStore) -> None:
        """What others saved since the request loaded the session moves along."""
        record = await store.create(new("old"))
        await store.save(saved(record, b"theirs"))
        current = await reloaded(store, record)
        seen: list[SessionRecord] = []

        def change(record: SessionRecord) -> NewSession:
            seen.append(record)
            return new("new")

        await rotated(store, record.digest, change, renewed=False)

        assert [current] == seen

    async def test_rotation_counts_as_use(self, store: SessionStore, clock: Clock) -> None:
        """The idle timeout starts anew."""
        record = await store.create(new("old"))
        clock.advance(10 * SECOND_MS)

        moved = await moved_to(store, record, new("new"), renewed=False)

        assert (clock(), clock() + IDLE_MS) == (moved.last_seen_at, moved.expires_at)

    async def test_rotation_keeps_the_absolute_end(self, store: SessionStore, clock: Clock) -> None:
        """Rotation cannot prolong a session beyond its absolute timeout."""
        record = await store.create(new("old"))
        clock.advance(IDLE_MS - 1)

        moved = await moved_to(store, record, new("new"), renewed=False)

        assert (record.created_at, record.ends_at) == (moved.created_at, moved.ends_at)

    async def test_rotation_never_lives_beyond_the_absolute_end(self, store: SessionStore, clock: Clock) -> None:
        """Shortly before the end the idle timeout is cut to it."""
        record = await store.create(new("old", idle_ms=LIFETIME_MS))
        clock.advance(LIFETIME_MS - SECOND_MS)

        moved = await moved_to(store, record, new("new"), renewed=False)

        assert record.ends_at == moved.expires_at

    async def test_a_renewed_rotation_starts_the_absolute_timeout_anew(self, store: SessionStore, clock: Clock) -> None:
        """A login begins a session of its own."""
        record = await store.create(new("old"))
        clock.advance(10 * SECOND_MS)

        moved = await moved_to(store, record, new("new", "ann"), renewed=True)

        assert (clock(), clock() + LIFETIME_MS) == (moved.created_at, moved.ends_at)

    async def test_rotation_with_max_age_ends_the_session_within_the_timeouts(
        self, store: SessionStore, clock: Clock
    ) -> None:
        """A max_age counts from the rotation; one that is too long ends at the absolute timeout."""
        record = await store.create(new("a"))
        clock.advance(10 * SECOND_MS)

        short = await moved_to(store, record, new("b", max_age_ms=SECOND_MS), renewed=False)
        long = await moved_to(store, short, new("c", max_age_ms=2 * LIFETIME_MS), renewed=False)

        assert clock() + SECOND_MS == short.expires_at == short.ends_at
        assert record.created_at + LIFETIME_MS == long.ends_at

    async def test_moved_data_is_encrypted_for_the_times_that_are_stored(
        self, store: SessionStore, clock: Clock
    ) -> None:
        """Whether the absolute timeout starts anew or stays, and with a max_age: it opens with exactly these times."""
        record = await store.create(new_sealed("old"))
        for number, renewed in enumerate((False, True, False)):
            for max_age_ms in (None, SECOND_MS, 2 * LIFETIME_MS):
                clock.advance(SECOND_MS // 2)
                to = new_sealed(f"{number} {max_age_ms}", max_age_ms=max_age_ms)
                record = await moved_to(store, record, to, renewed=renewed)
                assert sealed_for(record) == record.data == (await reloaded(store, record)).data

    async def test_a_refused_rotation_leaves_the_old_session(self, store: SessionStore) -> None:
        """The digest is taken: both sessions are as they were."""
        record, taken = await store.create(new("old", "ann")), await store.create(new("taken", "bob"))

        with pytest.raises(DigestTaken):
            await rotated(store, record.digest, new("taken", "ann"), renewed=True)

        assert [record, taken] == [await store.load(record.digest), await store.load(taken.digest)]

    async def test_a_change_that_fails_moves_nothing(self, store: SessionStore) -> None:
        """Its error comes through, the session is as it was, and the next rotation works."""
        record = await store.create(new("old"))

        def fail(_: SessionRecord) -> NewSession:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await rotated(store, record.digest, fail, renewed=False)

        assert record == await store.load(record.digest)
        await moved_to(store, record, new("new"), renewed=False)

    async def test_rotation_of_what_is_gone_makes_nothing(self, store: SessionStore, clock: Clock) -> None:
        """An unknown, a deleted and an expired session: None, and no session under the new digest."""
        deleted, expired = await created(store, ["deleted", "expired"])
        await store.delete(deleted.digest)
        clock.advance(IDLE_MS)

        for digest in (deleted.digest, expired.digest, digest_for("unknown")):
            assert await rotated(store, digest, new("new"), renewed=True) is None

        assert await store.load(digest_for("new")) is None
        await assert_counts(store, 0)

    async def test_of_rotations_at_once_of_one_session_one_succeeds(self, store: SessionStore) -> None:
        """The session moves once; the others find it gone."""
        record = await store.create(new("old"))

        answers = await concurrently(_rotate(store, record, to) for to in range(CROWD))

        winners = [answer for answer in answers if isinstance(answer, SessionRecord)]
        assert (1, CROWD - 1) == (len(winners), answers.count(None))
        assert winners == [await store.load(winners[0].digest)]
        assert await store.load(record.digest) is None
        await assert_counts(store, 1)

    async def test_rotation_is_never_seen_half_done(self, user_sessions: UserSessions) -> None:
        """At no moment are there two sessions, or none."""
        record = await user_sessions.create(new("old", "ann"))

        rotation = asyncio.ensure_future(_rotate(user_sessions, record, "new", "ann"))
        counts = [await user_sessions.count_user("ann")]
        while not rotation.done():
            counts.append(await user_sessions.count_user("ann"))
            await asyncio.sleep(0)  # a store that never waits would never let the rotation run

        assert isinstance(await rotation, SessionRecord)
        assert {1} == set(counts)

    async def test_updates_and_a_rotation_at_once_lose_nothing(self, store: SessionStore) -> None:
        """An update that returned True is in the rotated session; the others returned False."""
        record = await store.create(new("old", data=b""))

        def add(number: int) -> "asyncio.Future[bool]":
            update = updated(store, record.digest, lambda current: saved(current, current.data + bytes([number])))
            return asyncio.ensure_future(update)

        updates = [add(number) for number in range(CROWD // 2)]
        moved = rotated(store, record.digest, lambda current: new("new", data=current.data), renewed=False)
        rotation = asyncio.ensure_future(moved)
        updates += [add(number) for number in range(CROWD // 2, CROWD)]
        answers = await concurrently(updates)
        moved_record = await rotation

        assert moved_record is not None
        stored = await reloaded(store, moved_record)
        assert [number for number in range(CROWD) if answers[number] is True] == sorted(stored.data)
        assert CROWD == answers.count(True) + answers.count(False)

    async def test_clearing_a_user_catches_sessions_that_rotate_meanwhile(self, user_sessions: UserSessions) -> None:
        """A session that moves while all of the user's are ended does not slip through."""
        records = await created(user_sessions, range(CROWD), "ann")

        rotations = [_rotate(user_sessions, record, f"new {number}", "ann") for number, record in enumerate(records)]
        clearing = user_sessions.clear_user("ann")
        answers = await concurrently([*rotations[: CROWD // 2], clearing, *rotations[CROWD // 2 :]])

        assert [] == faults(answers)
        assert 0 == await user_sessions.count_user("ann")

    async def test_a_touch_noted_before_a_rotation_changes_nothing(self, store: SessionStore, clock: Clock) -> None:
        """It applies to the old digest only."""
        record = await store.create(new("old"))
        moved = await moved_to(store, record, new("new"), renewed=False)

        assert 0 == await store.touch([touched(record, clock() + INTERVAL_MS)])

        assert moved == await store.load(moved.digest)


async def _rotate(
    store: SessionStore, record: SessionRecord, to: object, user_id: str | None = None
) -> SessionRecord | None:
    return await rotated(store, record.digest, new(to, user_id), renewed=False)
