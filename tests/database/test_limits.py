"""One timer that bounds many waits as if each had its own."""

import asyncio
from time import monotonic

import pytest

from bodhi.database.limits import TimeLimit

SECONDS = 0.05


async def waits(limit: TimeLimit, seconds: float) -> str:
    """Waits so long, within the limit."""
    with limit():
        await asyncio.sleep(seconds)
    return "done"


async def test_what_takes_too_long_ends_at_the_limit():
    """With a TimeoutError, as asyncio.timeout has it."""
    began = monotonic()

    with pytest.raises(TimeoutError):
        await waits(TimeLimit(SECONDS), 60)

    assert SECONDS <= monotonic() - began < 5


async def test_each_wait_has_its_own_end():
    """What begins later ends later, though one timer watches over both; what is quick is not touched."""
    limit = TimeLimit(SECONDS)
    began = monotonic()
    first = asyncio.create_task(waits(limit, 60))
    quick = asyncio.create_task(waits(limit, 0))
    await asyncio.sleep(SECONDS / 2)
    second = asyncio.create_task(waits(limit, 60))

    assert ["done", TimeoutError, TimeoutError] == [
        answer if isinstance(answer, str) else type(answer)
        for answer in await asyncio.gather(quick, first, second, return_exceptions=True)
    ]
    assert SECONDS * 1.5 <= monotonic() - began < 5


async def test_the_timer_is_set_anew_after_it_rang_for_nobody():
    """A wait long after the last one is bounded as well."""
    limit = TimeLimit(SECONDS)
    assert "done" == await waits(limit, 0)
    await asyncio.sleep(SECONDS * 2)

    with pytest.raises(TimeoutError):
        await waits(limit, 60)


async def test_who_cancels_the_task_is_heeded():
    """A cancellation from outside stays one."""
    task = asyncio.create_task(waits(TimeLimit(60), 60))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_task_goes_on_after_its_limit():
    """Nothing of the cancellation that ended the wait is left in the task."""
    limit = TimeLimit(SECONDS)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await waits(limit, 60)

    task = asyncio.current_task()
    assert task is not None
    assert 0 == task.cancelling()


def test_another_loop_has_a_timer_of_its_own():
    """An object that is opened again in a second loop is not left to the timer of the first."""
    limit = TimeLimit(SECONDS)
    asyncio.run(waits(limit, SECONDS * 0.9))
    asyncio.run(asyncio.sleep(SECONDS))

    with pytest.raises(TimeoutError):
        asyncio.run(waits(limit, 60))
