"""Creating a session: never over another one, and all of it or nothing."""

import pytest

from bodhi.session import DigestTaken, SessionGone, SessionStore
from bodhi.session.records import SessionRecord, UserCap
from bodhi.testing.clock import Clock
from bodhi.testing.conformance.kit import (
    CROWD,
    DEVICE,
    IDLE_MS,
    LIFETIME_MS,
    SECOND_MS,
    Kit,
    at_once,
    digest_for,
    new,
    new_sealed,
    reloaded,
    sealed_for,
)


class Creating(Kit):
    """What ``create`` and ``load`` promise."""

    async def test_a_new_session_is_loaded_as_it_was_stored(self, store: SessionStore) -> None:
        """Data, user, device and version are in the answer and in what is loaded."""
        record = await store.create(new("a", "ann", data=b"hers"))

        assert (digest_for("a"), b"hers", "ann", DEVICE) == (record.digest, record.data, record.user_id, record.device)
        assert record == await store.load(digest_for("a"))

    async def test_an_unknown_digest_loads_nothing(self, store: SessionStore) -> None:
        """Neither a digest that was never stored nor one that differs in its last bit."""
        digest = (await store.create(new("a"))).digest

        assert await store.load(digest_for("unknown")) is None
        assert await store.load(digest[:-1] + bytes([digest[-1] ^ 1])) is None

    async def test_data_comes_back_byte_for_byte(self, store: SessionStore) -> None:
        """A store never looks inside: every byte value, and plenty of them."""
        for data in (bytes(range(256)), b"\x00", b"'; --", bytes(range(256)) * 1_000):
            record = await store.create(new(data, data=data))

            assert data == (await reloaded(store, record)).data

    async def test_loads_at_once_answer_each_their_own(self, store: SessionStore) -> None:
        """Loads that share a trip to the database do not mix up their answers."""
        records = [await store.create(new(number, data=b"%d" % number)) for number in range(CROWD)]
        digests = [*(record.digest for record in records), digest_for("unknown")] * 3

        assert [*records, None] * 3 == await at_once(store.load(digest) for digest in digests)

    async def test_both_timeouts_run_from_the_creation(self, store: SessionStore, clock: Clock) -> None:
        """The idle timeout sets the expiry and the absolute timeout the end."""
        record = await store.create(new("a"))

        assert clock() == record.created_at == record.last_seen_at == record.now
        assert (clock() + IDLE_MS, clock() + LIFETIME_MS) == (record.expires_at, record.ends_at)

    async def test_new_data_is_encrypted_for_the_times_that_are_stored(self, store: SessionStore, clock: Clock) -> None:
        """With and without max_age, alone and in the place of another session: it opens with these times alone."""
        plain = await store.create(new_sealed("plain"))
        clock.advance(SECOND_MS)
        for number, max_age_ms in enumerate((None, SECOND_MS, 2 * LIFETIME_MS)):
            record = await store.create(new_sealed(number, "ann", max_age_ms=max_age_ms), cap=UserCap("ann", 5))
            assert sealed_for(record) == record.data == (await reloaded(store, record)).data
        replaced = await store.create(new_sealed("replaced", max_age_ms=SECOND_MS), replaces=plain.digest)

        assert sealed_for(plain) == plain.data
        assert sealed_for(replaced) == (await reloaded(store, replaced)).data

    async def test_max_age_ends_a_session_within_the_timeouts(self, store: SessionStore, clock: Clock) -> None:
        """A shorter max_age ends the session; a longer one than the absolute timeout does not prolong it."""
        short = await store.create(new("short", max_age_ms=SECOND_MS))
        long = await store.create(new("long", max_age_ms=2 * LIFETIME_MS))

        assert clock() + SECOND_MS == short.expires_at == short.ends_at
        assert (clock() + IDLE_MS, clock() + LIFETIME_MS) == (long.expires_at, long.ends_at)

    async def test_the_idle_timeout_never_outlasts_the_absolute_one(self, store: SessionStore, clock: Clock) -> None:
        """Where the idle timeout is set longer, the absolute one decides."""
        record = await store.create(new("a", idle_ms=2 * LIFETIME_MS))

        assert clock() + LIFETIME_MS == record.expires_at == record.ends_at

    async def test_create_never_overwrites(self, store: SessionStore) -> None:
        """A digest that is taken is refused, and the session under it stays as it was."""
        theirs = await store.create(new("a", "ann", data=b"hers"))

        with pytest.raises(DigestTaken):
            await store.create(new("a", "bob", data=b"his"))

        assert theirs == await store.load(theirs.digest)
        assert (1, 0) == (await store.count(), await store.count_user("bob"))

    async def test_of_creations_at_once_under_one_digest_one_succeeds(self, store: SessionStore) -> None:
        """Looking first and inserting then would let two of them through."""
        answers = await at_once(store.create(new("a", data=b"%d" % number)) for number in range(CROWD))

        winners = [answer for answer in answers if isinstance(answer, SessionRecord)]
        assert [await store.load(digest_for("a"))] == winners
        assert CROWD - 1 == sum(isinstance(answer, DigestTaken) for answer in answers)

    async def test_create_ends_the_session_that_it_replaces(self, store: SessionStore) -> None:
        """The old session is gone and no other one."""
        old, other = await store.create(new("old")), await store.create(new("other"))

        record = await store.create(new("new"), replaces=old.digest)

        assert await store.load(old.digest) is None
        assert [record, other] == [await store.load(record.digest), await store.load(other.digest)]

    async def test_create_may_replace_what_is_gone(self, store: SessionStore, clock: Clock) -> None:
        """An unknown or expired session in the old one's place is no obstacle."""
        expired = await store.create(new("expired", max_age_ms=SECOND_MS))
        clock.advance(SECOND_MS)

        await store.create(new("a"), replaces=digest_for("unknown"))
        await store.create(new("b"), replaces=expired.digest)

        assert 2 == await store.count()

    async def test_a_refused_create_keeps_the_session_to_be_replaced(self, store: SessionStore) -> None:
        """Ending the old session and storing the new one happen together or not at all."""
        old, taken = await store.create(new("old")), await store.create(new("taken"))

        with pytest.raises(DigestTaken):
            await store.create(new("taken"), replaces=old.digest)

        assert [old, taken] == [await store.load(old.digest), await store.load(taken.digest)]

    async def test_create_replaces_what_must_be_live(self, store: SessionStore) -> None:
        """With ``must_replace`` a live session is replaced as without."""
        old = await store.create(new("old"))

        record = await store.create(new("new"), replaces=old.digest, must_replace=True)

        assert [None, record] == [await store.load(old.digest), await store.load(record.digest)]

    async def test_create_is_refused_where_what_must_be_replaced_is_gone(
        self, store: SessionStore, clock: Clock
    ) -> None:
        """An unknown, a deleted and an expired session: nothing takes the place of what has ended."""
        deleted = await store.create(new("deleted"))
        expired = await store.create(new("expired", max_age_ms=SECOND_MS))
        await store.delete(deleted.digest)
        clock.advance(SECOND_MS)

        for digest in (deleted.digest, expired.digest, digest_for("unknown")):
            with pytest.raises(SessionGone):
                await store.create(new("new"), replaces=digest, must_replace=True)

        assert 0 == await store.count()

    async def test_of_creations_at_once_that_must_replace_one_session_one_succeeds(self, store: SessionStore) -> None:
        """A session is replaced once; the others find it gone."""
        old = await store.create(new("old"))

        answers = await at_once(
            store.create(new(number), replaces=old.digest, must_replace=True) for number in range(CROWD)
        )

        assert 1 == sum(isinstance(answer, SessionRecord) for answer in answers)
        assert CROWD - 1 == sum(isinstance(answer, SessionGone) for answer in answers)
        assert 1 == await store.count()
