"""The max_age that an application chose for a session: kept with it, and never guessed."""

import pytest

from bodhi.session import NewExpiry, SessionStore
from bodhi.testing.clock import Clock
from bodhi.testing.conformance.kit import IDLE_MS, LIFETIME_MS, SECOND_MS, Kit, new, reloaded, rotated, saved, touched

WITH_THE_BROWSER = 0


async def _kept(store: SessionStore, chosen: int | None) -> int | None:
    """Return the choice that is loaded for a session that was created with *chosen*."""
    return (await reloaded(store, await store.create(new(f"chosen {chosen}", chosen_max_age=chosen)))).chosen_max_age


async def _skip_without_choices(store: SessionStore) -> None:
    if await _kept(store, 2 * SECOND_MS) is None:
        pytest.skip("the store keeps no chosen_max_age: remembered sessions end with the browser after a rotation")


class Choosing(Kit):
    """What a store does with ``chosen_max_age``, unless it leaves it out: then the tests are skipped."""

    async def test_a_choice_is_loaded_as_it_was_created(self, store: SessionStore) -> None:
        """Nothing, the end of the browser (0) and seconds are three different things."""
        await _skip_without_choices(store)
        for chosen in (None, WITH_THE_BROWSER, 1, 315_360_000):
            assert chosen == await _kept(store, chosen)

    async def test_a_save_with_ages_stores_their_choice(self, store: SessionStore, clock: Clock) -> None:
        """In its place; any other save, and a touch, leaves it."""
        await _skip_without_choices(store)
        record = await store.create(new("a"))
        for chosen in (60, WITH_THE_BROWSER, None, 90):
            ages = NewExpiry(IDLE_MS, record.created_at + LIFETIME_MS, chosen)
            assert await store.save(saved(record, ages=ages))
            record = await reloaded(store, record)
            assert chosen == record.chosen_max_age

        assert await store.save(saved(record))
        clock.advance(120 * SECOND_MS)
        assert 1 == await store.touch([touched(record, clock())])
        assert 90 == (await reloaded(store, record)).chosen_max_age

    async def test_a_rotation_stores_its_choice(self, store: SessionStore) -> None:
        """In the place of the old one: the service passes on what is to stay."""
        await _skip_without_choices(store)
        digest = (await store.create(new("a", chosen_max_age=30))).digest
        for name, chosen in {"b": 60, "c": WITH_THE_BROWSER, "d": None, "e": 90}.items():
            moved = await rotated(store, digest, new(name, chosen_max_age=chosen), renewed=False)
            assert moved is not None
            digest = moved.digest
            assert chosen == moved.chosen_max_age == (await reloaded(store, moved)).chosen_max_age
