"""A shared timer that limits many waits individually."""

import asyncio

import pytest

from bodhi.database.limits import TimeLimit
from database.loop_clock import LoopClock

SECONDS = 60

# They move the clock of the loop.
pytestmark = pytest.mark.asyncio_loop


async def wait_for(limit: TimeLimit, *, by: asyncio.Event) -> str:
    """Wait for the event within the limit."""
    wait = limit.start()
    try:
        await by.wait()
    finally:
        wait.stop()
    return "answered"


def ends(tasks: "list[asyncio.Task[str]]") -> list[object]:
    """Return the outcome of each task."""
    return [(type(task.exception()) if task.exception() else task.result()) if task.done() else None for task in tasks]


async def test_each_wait_has_its_own_deadline():
    """What begins later ends later, though one timer watches over both; what is quick is not touched."""
    clock, limit = LoopClock(), TimeLimit(SECONDS)
    quick, never = asyncio.Event(), asyncio.Event()
    tasks = [asyncio.create_task(wait_for(limit, by=event)) for event in (never, quick)]
    await clock.move(SECONDS / 2)
    tasks.append(asyncio.create_task(wait_for(limit, by=never)))
    quick.set()

    await clock.move(SECONDS / 2 - 1)
    assert [None, "answered", None] == ends(tasks)
    await clock.move(2)
    assert [TimeoutError, "answered", None] == ends(tasks)
    await clock.move(SECONDS / 2)
    assert [TimeoutError, "answered", TimeoutError] == ends(tasks)


async def test_timer_is_rescheduled_after_firing_for_a_finished_wait():
    """A wait long after the last one is bounded as well."""
    clock, limit = LoopClock(), TimeLimit(SECONDS)
    quick = asyncio.Event()
    quick.set()
    assert "answered" == await wait_for(limit, by=quick)
    await clock.move(SECONDS * 2)

    task = asyncio.create_task(wait_for(limit, by=asyncio.Event()))
    await clock.move(SECONDS - 1)
    assert not task.done()
    await clock.move(2)
    assert [TimeoutError] == ends([task])


async def test_outside_cancellation_is_not_a_timeout():
    """A cancellation from outside stays one."""
    task = asyncio.create_task(wait_for(TimeLimit(SECONDS), by=asyncio.Event()))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_task_continues_after_a_timeout():
    """Nothing of the cancellation that ended the wait is left in the task."""
    clock, limit = LoopClock(), TimeLimit(SECONDS)

    async def twice() -> str:
        for _ in range(2):
            with pytest.raises(TimeoutError):
                await wait_for(limit, by=asyncio.Event())
        return str(asyncio.current_task().cancelling())

    task = asyncio.create_task(twice())
    for _ in range(2):
        await clock.move(SECONDS + 1)
    assert ["0"] == ends([task])


@pytest.mark.parametrize("seconds_between", [0, SECONDS / 2, SECONDS * 2])
def test_each_event_loop_has_its_own_timer(seconds_between):
    """An object that is opened again in a second loop is not left to the timer of the first, due or not."""
    limit = TimeLimit(SECONDS)

    async def quick() -> None:
        event = asyncio.Event()
        event.set()
        await wait_for(limit, by=event)

    async def later() -> list[object]:
        clock = LoopClock(ahead_seconds=seconds_between)
        task = asyncio.create_task(wait_for(limit, by=asyncio.Event()))
        await clock.move(SECONDS + 1)
        return ends([task])

    asyncio.run(quick())
    assert [TimeoutError] == asyncio.run(later())
