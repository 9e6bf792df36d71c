"""Turns: one at a time per key, first come first served, with a bounded wait."""

import asyncio
import gc

import pytest

from bodhi.database import DatabaseUnavailable
from bodhi.database.turns import Turns

DEADLINE_SECONDS = 300


async def _settle():
    for _ in range(20):
        await asyncio.sleep(0)


async def test_turns_of_one_key_are_first_come_first_served():
    """One at a time; nothing is kept of a key that nobody uses."""
    turns, order, inside = Turns(DEADLINE_SECONDS), [], 0

    async def come(number):
        nonlocal inside
        async with turns("key"):
            assert 0 == inside
            inside += 1
            await asyncio.sleep(0)
            order.append(number)
            inside -= 1

    await asyncio.gather(*(come(number) for number in range(100)))

    assert list(range(100)) == order
    assert 0 == len(turns._locks)


async def test_turns_of_different_keys_do_not_wait_for_each_other():
    """Nor does somebody without a key."""
    turns = Turns(DEADLINE_SECONDS)

    async with turns("one"), turns("two"), turns():
        assert 2 == len(turns._locks)


async def test_several_keys_are_acquired_together():
    """Each of them is somebody's alone."""
    turns = Turns(DEADLINE_SECONDS)
    come = asyncio.Event()

    async def other(key):
        async with turns(key):
            come.set()

    async with turns("user", "session"):
        tasks = [asyncio.create_task(other(key)) for key in ("user", "session")]
        await _settle()
        assert not come.is_set()
    await asyncio.gather(*tasks)
    assert come.is_set()


async def test_waiting_for_a_turn_times_out():
    """It reads as a database that does not answer, and the next one in line is served."""
    turns = Turns(0.05)

    async with turns("key") as left_seconds:
        # The event loop's time is a large number: a sum and a difference of it are exact to less than a microsecond.
        assert 0 < left_seconds <= 0.05 + 1e-6
        with pytest.raises(DatabaseUnavailable):
            async with turns("key"):
                pytest.fail("two at once")
    async with turns("key"):
        pass


@pytest.mark.parametrize("who", ["waits", "works", "fails"])
async def test_cancelled_waiter_passes_its_turn_on(who):
    """Whoever is cancelled, or fails, with it or on the way to it."""
    turns, may_go_on, order = Turns(DEADLINE_SECONDS), asyncio.Event(), []

    async def come(name, *, fails=False):
        async with turns("key"):
            await may_go_on.wait()
            order.append(name)
            if fails:
                raise ValueError

    first = asyncio.create_task(come("first", fails=who == "fails"))
    second, third = (asyncio.create_task(come(name)) for name in ("second", "third"))
    await _settle()
    if who != "fails":
        (first if who == "works" else second).cancel()
    may_go_on.set()
    async with asyncio.timeout(DEADLINE_SECONDS):
        await asyncio.gather(first, second, third, return_exceptions=True)

    left_out = {"waits": "second", "works": "first", "fails": None}[who]
    assert [name for name in ("first", "second", "third") if name != left_out] == order
    del first, second, third  # with the tracebacks of their errors
    await _settle()
    gc.collect()
    assert 0 == len(turns._locks)


def test_turns_belong_to_no_event_loop():
    """The same object serves one loop after another, also where the first ended in the middle."""
    turns, served = Turns(DEADLINE_SECONDS), []

    async def come(number):
        async with turns("key"):
            await asyncio.sleep(0)
            served.append(number)

    async def leave_in_the_middle():
        for number in range(3):
            asyncio.create_task(come(number)).add_done_callback(lambda _: None)
        await asyncio.sleep(0)

    async def all_of_them():
        await asyncio.gather(*(come(number) for number in range(3, 6)))

    asyncio.run(leave_in_the_middle())
    asyncio.run(all_of_them())

    assert [3, 4, 5] == [number for number in served if number >= 3]


@pytest.mark.parametrize("holders", [1, 3])
def test_a_loop_that_stands_still_keeps_no_other_waiting(holders):
    """Of two event loops each has turns of its own: nobody of one could wake who waits in the other."""
    turns, halted, served = Turns(DEADLINE_SECONDS), asyncio.new_event_loop(), []
    may_go_on = asyncio.Event()

    async def come():
        async with turns("key"):
            await may_go_on.wait()
            served.append("halted")

    async def come_later():
        async with turns("key") as seconds:
            served.append("other")
            return seconds

    tasks = [halted.create_task(come()) for _ in range(holders)]
    halted.run_until_complete(asyncio.sleep(0))
    assert 0 < asyncio.run(come_later())
    may_go_on.set()
    halted.run_until_complete(asyncio.gather(*tasks))
    halted.close()

    assert ["other", *["halted"] * holders] == served
