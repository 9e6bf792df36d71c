"""Calls that share trips: few go straight through, many go together, and each gets its own answer."""

import asyncio
from collections.abc import Mapping, Sequence
from time import monotonic

import pytest

from bodhi.database import Coalescer, DatabaseUnavailable
from database.loop_clock import LoopClock

DEADLINE_SECONDS = 20


class Trips:
    """A ``run`` that waits at the other end until it may come back."""

    def __init__(self) -> None:
        self.taken: list[list[str]] = []  # what each trip carried
        self.may_return = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self, items: Sequence[str]) -> Mapping[bytes, str]:
        self.taken.append(list(items))
        await self.may_return.wait()
        if self.error is not None:
            raise self.error
        return {item.encode(): item.upper() for item in items if item != "unknown"}


@pytest.fixture
def trips() -> Trips:
    """The trips that a coalescer takes."""
    return Trips()


def coalescer(run: Trips, **options: object) -> Coalescer[str, str]:
    """A coalescer with one trip at a time."""
    usual = {"max_in_flight": 1, "largest": 10, "shared": True, "limit_seconds": 10.0, "max_wait_seconds": 0}
    return Coalescer(run, **{**usual, **options})


async def begun(coalesce: Coalescer[str, str], *items: str) -> list["asyncio.Task[str | None]"]:
    """A call for each of *items*, under way or waiting."""
    tasks = [asyncio.create_task(coalesce(item.encode(), item)) for item in items]
    for _ in range(5):  # turns of the loop: to ask, to lose patience, to depart, to arrive
        await asyncio.sleep(0)
    return tasks


async def answers(tasks: list["asyncio.Task[str | None]"]) -> list[object]:
    """What the calls answered or raised."""
    return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), DEADLINE_SECONDS)


async def test_a_call_alone_goes_straight_through(trips):
    """Nothing is gained by waiting for company."""
    trips.may_return.set()

    assert "A" == await coalescer(trips)(b"a", "a")


async def test_what_arrives_meanwhile_leaves_together(trips):
    """One trip for all that waited, sorted by key; each gets its own answer, or None where there is none."""
    tasks = await begun(coalescer(trips), "first", "c", "a", "unknown", "b")
    trips.may_return.set()

    assert ["FIRST", "C", "A", None, "B"] == await answers(tasks)
    assert [["first"], ["a", "b", "c", "unknown"]] == trips.taken


async def test_company_leaves_together_though_more_trips_were_free(trips):
    """Whoever asks in the same turn of the loop shares a trip; only who is alone goes straight."""
    tasks = await begun(coalescer(trips, max_in_flight=3), "a", "b", "c", "d", "e")

    assert [["a"], ["b", "c", "d", "e"]] == trips.taken
    trips.may_return.set()
    assert ["A", "B", "C", "D", "E"] == await answers(tasks)


async def test_no_more_trips_than_allowed_are_under_way(trips):
    """What comes meanwhile waits for one of them to return."""
    coalesce = coalescer(trips, max_in_flight=2)
    tasks = []
    for item in ("a", "b", "c", "d"):
        tasks += await begun(coalesce, item)

    assert [["a"], ["b"]] == trips.taken
    trips.may_return.set()
    await answers(tasks)
    assert [["a"], ["b"], ["c", "d"]] == trips.taken


async def test_while_a_trip_is_quick_nobody_goes_beside_it(trips):
    """A trip costs more than what it carries."""
    patient = coalescer(trips, max_in_flight=2, max_wait_seconds=60)
    tasks = [task for item in ("a", "b") for task in await begun(patient, item)]
    assert [["a"]] == trips.taken
    trips.may_return.set()
    await answers(tasks)
    assert [["a"], ["b"]] == trips.taken


async def test_a_slow_trip_is_not_waited_for(trips):
    """Who came right after it was sent leaves beside it, though nobody else comes."""
    clock = LoopClock()
    tasks = await begun(coalescer(trips, max_in_flight=2, max_wait_seconds=5), "a", "b", "c")
    assert [["a"]] == trips.taken

    await clock.move(6)
    assert [["a"], ["b", "c"]] == trips.taken
    trips.may_return.set()
    await answers(tasks)


async def test_a_trip_carries_no_more_than_the_largest(trips):
    """The others take the next one."""
    tasks = await begun(coalescer(trips, largest=2), "first", "a", "b", "c")
    trips.may_return.set()
    await answers(tasks)

    assert [["first"], ["a", "b"], ["c"]] == trips.taken


async def test_the_same_question_is_asked_once(trips):
    """Where answers may be shared, those who wait for one key share one."""
    tasks = await begun(coalescer(trips), "first", "a", "a", "a")
    trips.may_return.set()

    assert ["FIRST", "A", "A", "A"] == await answers(tasks)
    assert [["first"], ["a"]] == trips.taken


async def test_a_question_is_never_answered_from_before_it_was_asked(trips):
    """A load that is under way may not see what has been saved since: the same key takes another trip."""
    tasks = await begun(coalescer(trips), "a", "a")
    trips.may_return.set()
    await answers(tasks)

    assert [["a"], ["a"]] == trips.taken


async def test_two_saves_of_one_session_take_two_trips(trips):
    """Where answers may not be shared, no trip carries a key twice, and the order stays."""
    tasks = await begun(coalescer(trips, shared=False), "first", "a", "a", "b", "a")
    trips.may_return.set()

    assert ["FIRST", "A", "A", "B", "A"] == await answers(tasks)
    assert [["first"], ["a", "b"], ["a"], ["a"]] == trips.taken


async def test_an_error_goes_to_all_who_waited_for_that_trip(trips):
    """And to nobody else: the next trip is another attempt."""
    coalesce = coalescer(trips)
    trips.error = DatabaseUnavailable("gone")
    tasks = await begun(coalesce, "first", "a", "b")
    trips.may_return.set()

    assert [DatabaseUnavailable] * 3 == [type(answer) for answer in await answers(tasks)]
    trips.error = None
    assert "C" == await coalesce(b"c", "c")


async def test_whoever_stopped_waiting_is_left_behind(trips):
    """A request that was cancelled before its trip left is not asked for, and disturbs nobody."""
    tasks = await begun(coalescer(trips), "first", "a", "b")
    tasks[1].cancel()
    await asyncio.sleep(0)
    trips.may_return.set()

    first, cancelled, b = await answers(tasks)

    assert ("FIRST", "B") == (first, b)
    assert isinstance(cancelled, asyncio.CancelledError)
    assert [["first"], ["b"]] == trips.taken


async def test_whoever_leaves_during_the_trip_takes_nobody_along(trips):
    """The trip belongs to all who are on it."""
    coalesce = coalescer(trips, max_in_flight=2)
    tasks = await begun(coalesce, "one", "two", "a", "b", "b")
    assert ["a", "b", "two"] == trips.taken[-1]
    tasks[0].cancel()
    tasks[3].cancel()
    await asyncio.sleep(0)
    trips.may_return.set()

    results = await answers(tasks)

    assert ["TWO", "A", "B"] == [results[1], results[2], results[4]]


async def test_a_trip_of_one_ends_with_its_caller(trips):
    """What goes straight through is cancelled with who called, and its place is free again."""
    coalesce = coalescer(trips)
    (task,) = await begun(coalesce, "a")
    task.cancel()
    assert [asyncio.CancelledError] == [type(answer) for answer in await answers([task])]
    trips.may_return.set()

    assert "B" == await coalesce(b"b", "b")


async def test_waiting_ends_at_the_limit(trips):
    """For a place and for an answer alike; the one under way is the database's own business."""
    coalesce = coalescer(trips, limit_seconds=0.05)
    began = monotonic()
    tasks = await begun(coalesce, "first", "a", "b")

    late = await answers(tasks[1:])

    assert [DatabaseUnavailable] * 2 == [type(answer) for answer in late]
    assert 0.05 <= monotonic() - began < 5
    assert [["first"]] == trips.taken
    trips.may_return.set()
    assert ["FIRST"] == await answers(tasks[:1])
    assert "C" == await coalesce(b"c", "c")


async def test_everybody_is_answered_in_a_crowd(trips):
    """Many callers, few places, some of them leave: nobody waits for ever."""
    trips.may_return.set()
    coalesce = coalescer(trips, max_in_flight=2, largest=7, shared=False)
    tasks = await begun(coalesce, *[f"item {number % 50}" for number in range(500)])
    for task in tasks[::9]:
        task.cancel()

    results = await answers(tasks)

    for number, result in enumerate(results):
        if not isinstance(result, asyncio.CancelledError):
            assert f"ITEM {number % 50}" == result
    assert all(len(set(items)) == len(items) <= 7 for items in trips.taken)
