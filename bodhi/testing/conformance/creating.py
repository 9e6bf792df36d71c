"""Creating a session: never over another one, and all of it or nothing."""

import pytest

from bodhi.session import DigestTaken, SessionRecord, SessionStore
from bodhi.testing.clock import Clock
from bodhi.testing.conformance.kit import (
    CROWD,
    DEVICE,
    IDLE_MS,
    LIFETIME_MS,
    SECOND_MS,
    Kit,
    assert_counts,
    concurrently,
    digest_for,
    new,
    new_sealed,
    reloaded,
    sealed_for,
)


class Creating(Kit):
    """The promises of ``create`` and ``load``."""

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
        """Loads that share a round trip to the database do not mix up their results."""
        records = [await store.create(new(number, data=b"%d" % number)) for number in range(CROWD)]
        digests = [*(record.digest for record in records), digest_for("unknown")] * 3

        assert [*records, None] * 3 == await concurrently(store.load(digest) for digest in digests)

    async def test_both_timeouts_run_from_the_creation(self, store: SessionStore, clock: Clock) -> None:
        """The idle timeout sets the expiry and the absolute timeout the end."""
        record = await store.create(new("a"))

        assert clock() == record.created_at == record.last_seen_at == record.now
        assert (clock() + IDLE_MS, clock() + LIFETIME_MS) == (record.expires_at, record.ends_at)

    async def test_new_data_is_encrypted_for_the_times_that_are_stored(self, store: SessionStore, clock: Clock) -> None:
        """With and without max_age: it opens with exactly these times."""
        for number, max_age_ms in enumerate((None, SECOND_MS, 2 * LIFETIME_MS)):
            record = await store.create(new_sealed(number, "ann", max_age_ms=max_age_ms))
            assert sealed_for(record) == record.data == (await reloaded(store, record)).data
            clock.advance(SECOND_MS // 2)

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
        await assert_counts(store, 1, bob=0)

    async def test_of_creations_at_once_under_one_digest_one_succeeds(self, store: SessionStore) -> None:
        """A check before the insert would let two of them through."""
        answers = await concurrently(store.create(new("a", data=b"%d" % number)) for number in range(CROWD))

        winners = [answer for answer in answers if isinstance(answer, SessionRecord)]
        assert [await store.load(digest_for("a"))] == winners
        assert CROWD - 1 == sum(isinstance(answer, DigestTaken) for answer in answers)
