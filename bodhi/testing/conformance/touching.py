"""Touching: the idle time is extended, and times only move forward."""

from msgspec.structs import replace

from bodhi.session import SessionRecord, SessionStore
from bodhi.testing.clock import Clock
from bodhi.testing.conformance.kit import (
    IDLE_MS,
    INTERVAL_MS,
    LIFETIME_MS,
    SECOND_MS,
    Kit,
    created,
    digest_for,
    new,
    reloaded,
    saved,
    touched,
)


class Touching(Kit):
    """The promises of ``touch``."""

    async def test_touch_extends_the_idle_time(self, store: SessionStore, clock: Clock) -> None:
        """The session lives for an idle timeout from when it was seen; nothing else of it changes."""
        record = await store.create(new("a", "ann"))
        clock.advance(INTERVAL_MS)

        assert 1 == await store.touch([touched(record, clock())])

        expected = replace(record, last_seen_at=clock(), expires_at=clock() + IDLE_MS, now=clock())
        assert expected == await store.load(record.digest)

    async def test_touch_written_late_counts_from_when_the_session_was_seen(
        self, store: SessionStore, clock: Clock
    ) -> None:
        """A delayed write does not extend the session by the delay."""
        record = await store.create(new("a"))
        seen_at = clock() + INTERVAL_MS
        clock.advance(INTERVAL_MS + 10 * SECOND_MS)

        await store.touch([touched(record, seen_at)])

        current = await reloaded(store, record)
        assert (seen_at, seen_at + IDLE_MS) == (current.last_seen_at, current.expires_at)

    async def test_touch_within_the_interval_is_not_written(self, store: SessionStore, clock: Clock) -> None:
        """A millisecond before the interval nothing, at the interval yes."""
        record = await store.create(new("a"))
        clock.advance(INTERVAL_MS)

        assert 0 == await store.touch([touched(record, clock() - 1)])
        assert record == replace(await reloaded(store, record), now=record.now)

        assert 1 == await store.touch([touched(record, clock())])

    async def test_the_same_touch_twice_is_written_once(self, store: SessionStore, clock: Clock) -> None:
        """For example if a batch is retried although it succeeded before an outage."""
        record = await store.create(new("a"))
        clock.advance(INTERVAL_MS)
        touch = touched(record, clock())

        assert [1, 0] == [await store.touch([touch]), await store.touch([touch])]

    async def test_touches_in_the_wrong_order_never_go_back(self, store: SessionStore, clock: Clock) -> None:
        """The node that saw the session earlier may write later."""
        record = await store.create(new("a"))
        earlier, later = clock() + INTERVAL_MS, clock() + 5 * INTERVAL_MS
        clock.advance(5 * INTERVAL_MS)
        await store.touch([touched(record, later)])

        assert 0 == await store.touch([replace(touched(record, earlier), interval_ms=0)])

        current = await reloaded(store, record)
        assert (later, later + IDLE_MS) == (current.last_seen_at, current.expires_at)

    async def test_touch_with_a_shorter_timeout_takes_nothing_away(self, store: SessionStore, clock: Clock) -> None:
        """A node with a shorter timeout does not end a session earlier than another node promised."""
        record = await store.create(new("a"))
        clock.advance(INTERVAL_MS)

        await store.touch([replace(touched(record, clock()), idle_ms=SECOND_MS)])

        assert record.expires_at == (await reloaded(store, record)).expires_at

    async def test_touch_never_extends_beyond_the_absolute_end(self, store: SessionStore, clock: Clock) -> None:
        """Use does not keep a session alive for ever."""
        record = await store.create(new("a", idle_ms=LIFETIME_MS))
        clock.advance(LIFETIME_MS - SECOND_MS)

        assert 1 == await store.touch([touched(record, clock())])

        current = await reloaded(store, record)
        assert record.ends_at == current.expires_at == current.ends_at

    async def test_touch_does_not_revive_an_expired_session(self, store: SessionStore, clock: Clock) -> None:
        """Not even one that was seen while it was alive."""
        record = await store.create(new("a"))
        seen_at = clock() + INTERVAL_MS
        clock.advance(IDLE_MS)

        assert 0 == await store.touch([touched(record, seen_at), touched(record, clock())])

        assert await store.load(record.digest) is None

    async def test_touch_of_many_touches_those_that_are_due(self, store: SessionStore, clock: Clock) -> None:
        """One call for all: the unknown ones and the recent ones change nothing."""
        old = await created(store, range(20))
        clock.advance(INTERVAL_MS)
        recent = await store.create(new("recent"))

        answer = await store.touch([touched(one, clock()) for one in [*old, recent, _unknown(recent)]])

        assert len(old) == answer
        assert {clock() + IDLE_MS} == {(await reloaded(store, one)).expires_at for one in old}
        assert await store.load(digest_for("unknown")) is None

    async def test_touch_of_none_is_nothing(self, store: SessionStore) -> None:
        """An empty batch is no error."""
        assert 0 == await store.touch([])

    async def test_touch_does_not_disturb_a_save(self, store: SessionStore, clock: Clock) -> None:
        """A request that loaded the session before the touch saves without a conflict."""
        record = await store.create(new("a"))
        clock.advance(INTERVAL_MS)
        await store.touch([touched(record, clock())])

        assert await store.save(saved(record))

        assert clock() == (await reloaded(store, record)).last_seen_at


def _unknown(record: SessionRecord) -> SessionRecord:
    return replace(record, digest=digest_for("unknown"))
