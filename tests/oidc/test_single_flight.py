import asyncio

import pytest

from bodhi.single_flight import SingleFlight


async def test_concurrent_calls_of_one_key_share_the_work():
    """Together once; afterwards anew."""
    flight = SingleFlight()
    done = []

    async def work():
        await asyncio.sleep(0)
        done.append(len(done))
        return done[-1]

    assert [0] * 10 == await asyncio.gather(*(flight("key", work) for _ in range(10)))
    assert 1 == await flight("key", work)
    assert not flight.is_busy


async def test_error_reaches_exactly_the_waiting_callers():
    """Nor does asyncio complain when nobody waits for it."""
    flight = SingleFlight()

    async def fail():
        raise KeyError

    flight.start("key", fail)
    await asyncio.sleep(0)
    failures = await asyncio.gather(*(flight("key", fail) for _ in range(3)), return_exceptions=True)

    assert [KeyError] * 3 == [type(failure) for failure in failures]
    assert not flight.is_busy


async def test_closing_cancels_running_work():
    """Also what was parted with."""
    flight = SingleFlight()
    tasks = [flight.start("one", asyncio.Event().wait)]
    flight.part()
    tasks.append(flight.start("one", asyncio.Event().wait))

    await flight.close()

    assert [True, True] == [task.cancelled() for task in tasks]


async def test_waiting_callers_get_an_error_on_close():
    """Nobody waits for ever."""
    flight = SingleFlight()
    waiting = asyncio.create_task(flight("key", asyncio.Event().wait))
    await asyncio.sleep(0)

    await flight.close()

    with pytest.raises(asyncio.CancelledError):
        await waiting
