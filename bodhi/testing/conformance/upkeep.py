"""Upkeep: re-encrypting, setting unreadable rows aside, and sweeping, while requests go on."""

from msgspec.structs import replace

from bodhi.session import NEWEST_FORMAT, NewExpiry, Quarantine, Reencryption, SessionRecord, SessionStore, StoredData
from bodhi.testing.clock import Clock
from bodhi.testing.conformance.kit import (
    CROWD,
    IDLE_MS,
    SECOND_MS,
    Kit,
    assert_counts,
    concurrently,
    created,
    digest_for,
    faults,
    listed,
    new,
    reloaded,
    saved,
)


class Upkeep(Kit):
    """The promises of ``rekey``, ``set_aside`` and ``sweep``."""

    async def test_rekey_replaces_the_data_and_nothing_else(
        self, store: SessionStore, reencryption: Reencryption, clock: Clock
    ) -> None:
        """Version and times stay, so requests are unaffected."""
        records = await created(store, range(self.several_pages), "ann")
        clock.advance(SECOND_MS)

        rekeyed = 0
        for page in await listed(reencryption.list_data()):
            rekeyed += await reencryption.rekey([replace(one, data=b"again") for one in page])

        assert self.several_pages == rekeyed
        expected = [replace(one, data=b"again", now=clock()) for one in records]
        assert expected == [await store.load(one.digest) for one in records]

    async def test_rekey_does_not_disturb_a_save(self, store: SessionStore, reencryption: Reencryption) -> None:
        """A request that loaded the session before saves without a conflict."""
        record = await store.create(new("a"))
        await reencryption.rekey([_again(record)])

        assert await store.save(saved(record, b"mine"))

        assert b"mine" == (await reloaded(store, record)).data

    async def test_rekey_never_overwrites_newer_data(self, store: SessionStore, reencryption: Reencryption) -> None:
        """What was saved since its page was read stays as it is; the others of the page are replaced."""
        saved_since, other = await created(store, "ab")
        page = [_again(one) for one in (saved_since, other)]
        await store.save(saved(saved_since, b"newer"))
        newer = await store.load(saved_since.digest)

        assert 1 == await reencryption.rekey(page)

        assert newer == await store.load(saved_since.digest)
        assert b"again" == (await reloaded(store, other)).data

    async def test_rekey_brings_nothing_back(self, store: SessionStore, reencryption: Reencryption) -> None:
        """A session that ended since its page was read stays ended."""
        record = await store.create(new("a"))
        await store.delete(record.digest)

        assert 0 == await reencryption.rekey([_again(record)])

        assert await store.load(record.digest) is None
        await assert_counts(store, 0)

    async def test_what_is_to_be_encrypted_again_comes_with_what_it_is_bound_to(
        self, store: SessionStore, reencryption: Reencryption, clock: Clock
    ) -> None:
        """Current user, creation time and end."""
        first = await store.create(new("first", "ann"))
        clock.advance(SECOND_MS)
        other = await store.create(new("other", max_age_ms=SECOND_MS))
        await store.save(replace(saved(first, ages=NewExpiry(IDLE_MS, clock() + IDLE_MS)), user_id="bob"))
        records = [await reloaded(store, one) for one in sorted((first, other), key=lambda one: one.digest)]

        expected = [
            StoredData(one.digest, one.version, one.data, one.user_id, one.created_at, one.ends_at) for one in records
        ]
        assert expected == [one for page in await listed(reencryption.list_data()) for one in page]
        assert expected == list(await reencryption.some_data(2))

    async def test_the_format_of_data_is_the_newest_in_a_new_store(self, reencryption: Reencryption) -> None:
        """No node of an older version has to read it."""
        assert NEWEST_FORMAT == await reencryption.data_format()

    async def test_rekey_of_none_is_nothing(self, reencryption: Reencryption) -> None:
        """An empty page is no error."""
        assert 0 == await reencryption.rekey([])

    async def test_a_row_set_aside_is_no_session(self, store: SessionStore, quarantine: Quarantine) -> None:
        """It reads as absent, counts no more, and is set aside once; the others stay."""
        record, other = await created(store, "ab", "ann")

        assert await quarantine.set_aside(record, "damaged")
        assert not await quarantine.set_aside(record, "damaged")

        assert [None, other] == [await store.load(record.digest), await store.load(other.digest)]
        await assert_counts(store, 1, ann=1)

    async def test_a_row_that_changed_is_not_set_aside(self, store: SessionStore, quarantine: Quarantine) -> None:
        """Another request replaced the damaged data meanwhile."""
        record = await store.create(new("a"))
        await store.save(saved(record, b"sound again"))
        sound = await store.load(record.digest)

        assert not await quarantine.set_aside(record, "damaged")

        assert sound == await store.load(record.digest)

    async def test_a_row_that_is_gone_is_not_set_aside(self, store: SessionStore, quarantine: Quarantine) -> None:
        """Neither one that was never there."""
        record = await store.create(new("a"))
        await store.delete(record.digest)

        assert not await quarantine.set_aside(record, "damaged")
        assert not await quarantine.set_aside(replace(record, digest=digest_for("unknown")), "damaged")

    async def test_of_calls_at_once_one_sets_the_row_aside(self, store: SessionStore, quarantine: Quarantine) -> None:
        """The concurrent requests of a page all find the damaged row; none of them fails."""
        records = await created(store, range(CROWD))

        answers = await concurrently(quarantine.set_aside(record, "damaged") for record in records for _ in range(5))

        assert [] == faults(answers)
        assert CROWD == answers.count(True)

    async def test_a_digest_may_be_set_aside_again(self, store: SessionStore, quarantine: Quarantine) -> None:
        """For example if a backup restored the damaged row."""
        for _ in range(2):
            record = await store.create(new("a"))
            assert await quarantine.set_aside(record, "damaged")

    async def test_sweep_deletes_expired_sessions_only(self, store: SessionStore, clock: Clock) -> None:
        """A session that has a second left is not swept, nor is one of tomorrow."""
        await created(store, range(CROWD), "ann")
        clock.advance(IDLE_MS)
        live = [
            await store.create(new("second", "ann", max_age_ms=SECOND_MS)),
            await store.create(new("hour", "ann")),
            await store.create(new("day", idle_ms=24 * IDLE_MS)),
        ]

        assert CROWD == sum(await _swept(store))

        assert live == [await store.load(one.digest) for one in live]

    async def test_sweep_works_in_batches(self, store: SessionStore, clock: Clock) -> None:
        """No call deletes without bound, and together they delete everything that has expired."""
        await created(store, range(self.several_pages))
        clock.advance(IDLE_MS)

        batches = await _swept(store)

        assert self.several_pages == sum(batches)
        assert self.several_pages > max(batches)

    async def test_sweepers_at_once_delete_each_session_once(self, store: SessionStore, clock: Clock) -> None:
        """Some may find another sweeper running; their results add up to the total."""
        await created(store, range(self.several_pages))
        clock.advance(IDLE_MS)

        total = 0
        while True:
            answers = await concurrently(store.sweep() for _ in range(4))
            assert [] == faults(answers)
            batches = [answer for answer in answers if isinstance(answer, int)]
            total += sum(batches)
            if batches and not any(batches):
                break

        assert self.several_pages == total

    async def test_sweep_of_nothing_is_nothing(self, store: SessionStore) -> None:
        """An empty store, and one where nothing has expired."""
        assert 0 == await store.sweep()
        await store.create(new("a"))
        assert 0 == await store.sweep()


def _again(record: SessionRecord) -> StoredData:
    """Return the re-encrypted data of *record*."""
    return StoredData(record.digest, record.version, b"again", record.user_id, record.created_at, record.ends_at)


async def _swept(store: SessionStore) -> list[int]:
    """Sweep until nothing is left; return the number deleted by each call."""
    batches: list[int] = []
    for _ in range(1_000):
        batch = await store.sweep()
        assert batch is not None, "no other sweeper is at work"
        if not batch:
            return batches
        batches.append(batch)
    raise AssertionError("sweeping comes to no end")
