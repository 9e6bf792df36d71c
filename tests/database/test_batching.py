"""Concurrent calls in batches: a lone call runs at once, many run together, and each gets its own answer."""

import asyncio
from collections.abc import Mapping, Sequence
from time import monotonic

import pytest

from bodhi.database import Batcher, DatabaseUnavailable
from database.loop_clock import LoopClock

DEADLINE_SECONDS = 300

# They move the clock of the loop.
pytestmark = pytest.mark.asyncio_loop


class Queries:
    """Queries that wait until they are released."""

    def __init__(self) -> None:
        self.sent: list[list[str]] = []  # the items of each
        self.may_return = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self, items: Sequence[str]) -> Mapping[bytes, str]:
        self.sent.append(list(items))
        await self.may_return.wait()
        if self.error is not None:
            raise self.error
        return {item.encode(): item.upper() for item in items if item != "unknown"}

    async def one(self, item: str) -> str | None:
        """The query for a single item."""
        return (await self([item])).get(item.encode())


@pytest.fixture
def queries() -> Queries:
    """The queries run by the batcher."""
    return Queries()


def batcher(queries: Queries, **options: object) -> Batcher[str, str]:
    """A batcher with one query at a time."""
    usual = {"max_in_flight": 1, "max_batch": 10, "shared": True, "limit_seconds": 10.0, "max_wait_seconds": 0}
    return Batcher(queries.one, queries, **{**usual, **options})


async def start_calls(batch: Batcher[str, str], *items: str) -> list["asyncio.Task[str | None]"]:
    """Start a call for each of *items*."""
    tasks = [asyncio.create_task(batch(item.encode(), item)) for item in items]
    for _ in range(5):  # turns of the loop: to enqueue, to end the wait, to start a batch, to send it
        await asyncio.sleep(0)
    return tasks


async def answers(tasks: list["asyncio.Task[str | None]"]) -> list[object]:
    """Return the results or exceptions of the calls."""
    return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), DEADLINE_SECONDS)


async def test_a_lone_call_runs_at_once(queries):
    """Nothing is gained by waiting for others."""
    queries.may_return.set()

    assert "A" == await batcher(queries)(b"a", "a")


async def test_calls_that_arrive_meanwhile_share_a_batch(queries):
    """One query for all that waited, sorted by key; each gets its own answer, or None where there is none."""
    tasks = await start_calls(batcher(queries), "first", "c", "a", "unknown", "b")
    queries.may_return.set()

    assert ["FIRST", "C", "A", None, "B"] == await answers(tasks)
    assert [["first"], ["a", "b", "c", "unknown"]] == queries.sent


async def test_calls_of_one_loop_iteration_share_a_batch(queries):
    """The first of them runs by itself, and the others together."""
    tasks = await start_calls(batcher(queries, max_in_flight=3), "a", "b", "c", "d", "e")

    assert [["a"], ["b", "c", "d", "e"]] == queries.sent
    queries.may_return.set()
    assert ["A", "B", "C", "D", "E"] == await answers(tasks)


async def test_no_more_queries_than_allowed_are_in_flight(queries):
    """Calls that arrive meanwhile wait for one of them to return."""
    batch = batcher(queries, max_in_flight=2)
    tasks = []
    for item in ("a", "b", "c", "d"):
        tasks += await start_calls(batch, item)

    assert [["a"], ["b"]] == queries.sent
    queries.may_return.set()
    await answers(tasks)
    assert [["a"], ["b"], ["c", "d"]] == queries.sent


async def test_quick_query_runs_alone(queries):
    """A round trip costs more than what it carries."""
    patient = batcher(queries, max_in_flight=2, max_wait_seconds=60)
    tasks = [task for item in ("a", "b") for task in await start_calls(patient, item)]
    assert [["a"]] == queries.sent
    queries.may_return.set()
    await answers(tasks)
    assert [["a"], ["b"]] == queries.sent


async def test_batch_waits_for_a_slow_query_up_to_the_limit(queries):
    """After the longest wait a batch runs beside it, though no other call arrives."""
    clock = LoopClock()
    tasks = await start_calls(batcher(queries, max_in_flight=2, max_wait_seconds=5), "a", "b", "c")
    assert [["a"]] == queries.sent

    await clock.move(6)
    assert [["a"], ["b", "c"]] == queries.sent
    queries.may_return.set()
    await answers(tasks)


async def call_one_a_turn(batch: Batcher[str, str], items: str) -> list["asyncio.Task[str | None]"]:
    """Start calls that reach the batcher in one turn of the loop after another."""
    tasks = []
    for item in items:
        tasks.append(asyncio.create_task(batch(item.encode(), item)))
        await asyncio.sleep(0)
    return tasks


async def share_a_batch(batch: Batcher[str, str], queries: Queries) -> None:
    """Let three calls share a batch, and return; then queries wait again."""
    tasks = await start_calls(batch, "x", "y", "z")
    queries.may_return.set()
    await answers(tasks)
    queries.may_return.clear()
    queries.sent.clear()


async def test_after_a_shared_batch_callers_that_return_one_by_one_share_the_next(queries):
    """They are answered in one turn, and call again in several."""
    batch = batcher(queries, max_in_flight=2, max_wait_seconds=60)
    await share_a_batch(batch, queries)

    tasks = await call_one_a_turn(batch, "abc")
    tasks += await start_calls(batch)  # some turns that bring none
    assert [["a", "b", "c"]] == queries.sent
    queries.may_return.set()
    assert ["A", "B", "C"] == await answers(tasks)


async def test_a_batch_waits_no_longer_for_further_calls_than_the_longest_wait(queries):
    """Callers that never stop coming must not keep the first one waiting."""
    batch = batcher(queries, max_batch=100, max_wait_seconds=5)
    await share_a_batch(batch, queries)

    tasks = await call_one_a_turn(batch, "abc")
    assert not queries.sent
    LoopClock(ahead_seconds=6)
    tasks += await call_one_a_turn(batch, "defg")
    assert ["a", "b", "c"] == queries.sent[0][:3]
    queries.may_return.set()
    await answers(tasks)


async def test_a_batch_waits_for_no_more_calls_than_it_takes(queries):
    """What does not fit goes into the next one."""
    batch = batcher(queries, max_batch=3, max_wait_seconds=60)
    await share_a_batch(batch, queries)

    tasks = await call_one_a_turn(batch, "abcdefg")
    assert [["a", "b", "c"]] == queries.sent
    queries.may_return.set()
    assert [*"ABCDEFG"] == await answers(tasks)


async def test_a_call_that_is_cancelled_while_others_gather_is_left_out(queries):
    """And the others are answered."""
    batch = batcher(queries, max_wait_seconds=60)
    await share_a_batch(batch, queries)

    tasks = await call_one_a_turn(batch, "ab")
    tasks.pop(0).cancel()
    tasks += await start_calls(batch)
    assert [["b"]] == queries.sent
    queries.may_return.set()
    assert ["B"] == await answers(tasks)


async def test_a_batch_is_no_larger_than_allowed(queries):
    """The other calls wait for the next one."""
    tasks = await start_calls(batcher(queries, max_batch=2), "first", "a", "b", "c")
    queries.may_return.set()
    await answers(tasks)

    assert [["first"], ["a", "b"], ["c"]] == queries.sent


async def test_calls_of_one_key_share_an_answer(queries):
    """Where answers may be shared, a batch asks for each key once."""
    tasks = await start_calls(batcher(queries), "first", "a", "a", "a")
    queries.may_return.set()

    assert ["FIRST", "A", "A", "A"] == await answers(tasks)
    assert [["first"], ["a"]] == queries.sent


async def test_an_answer_is_never_older_than_the_call(queries):
    """A load in flight may not see what has been saved since: the same key is asked for again."""
    tasks = await start_calls(batcher(queries), "a", "a")
    queries.may_return.set()
    await answers(tasks)

    assert [["a"], ["a"]] == queries.sent


async def test_two_saves_of_one_session_take_two_batches(queries):
    """Where answers may not be shared, no batch holds a key twice, and the order stays."""
    tasks = await start_calls(batcher(queries, shared=False), "first", "a", "a", "b", "a")
    queries.may_return.set()

    assert ["FIRST", "A", "A", "B", "A"] == await answers(tasks)
    assert [["first"], ["a", "b"], ["a"], ["a"]] == queries.sent


async def test_an_error_goes_to_every_call_of_the_batch(queries):
    """And to no other: the next batch is another attempt."""
    batch = batcher(queries)
    queries.error = DatabaseUnavailable("gone")
    tasks = await start_calls(batch, "first", "a", "b")
    queries.may_return.set()

    assert [DatabaseUnavailable] * 3 == [type(answer) for answer in await answers(tasks)]
    queries.error = None
    assert "C" == await batch(b"c", "c")


async def test_a_cancelled_call_is_left_out_of_the_batch(queries):
    """Its item is not asked for, and no other call notices."""
    tasks = await start_calls(batcher(queries), "first", "a", "b")
    tasks[1].cancel()
    await asyncio.sleep(0)
    queries.may_return.set()

    first, cancelled, b = await answers(tasks)

    assert ("FIRST", "B") == (first, b)
    assert isinstance(cancelled, asyncio.CancelledError)
    assert [["first"], ["b"]] == queries.sent


async def test_a_cancelled_call_cancels_no_other_of_its_batch(queries):
    """The query belongs to all of its calls."""
    batch = batcher(queries, max_in_flight=2)
    tasks = await start_calls(batch, "one", "two", "a", "b", "b")
    assert ["a", "b", "two"] == queries.sent[-1]
    tasks[0].cancel()
    tasks[3].cancel()
    await asyncio.sleep(0)
    queries.may_return.set()

    results = await answers(tasks)

    assert ["TWO", "A", "B"] == [results[1], results[2], results[4]]


async def test_calls_are_answered_though_a_batch_is_cancelled_before_it_begins(queries):
    """Whoever cancels all tasks of a loop that goes on must not leave them waiting."""
    tasks = await start_calls(batcher(queries), "a", "b")
    known = asyncio.all_tasks()
    queries.may_return.set()
    while not (begun := asyncio.all_tasks() - known):
        await asyncio.sleep(0)
    begun.pop().cancel()

    assert ["A", "B"] == await answers(tasks)


async def test_a_lone_query_is_cancelled_with_its_call(queries):
    """And another may run in its place."""
    batch = batcher(queries)
    (task,) = await start_calls(batch, "a")
    task.cancel()
    assert [asyncio.CancelledError] == [type(answer) for answer in await answers([task])]
    queries.may_return.set()

    assert "B" == await batch(b"b", "b")


async def test_waiting_for_a_batch_times_out(queries):
    """For a batch and for its answer alike; the lone query is bounded by the database itself."""
    batch = batcher(queries, limit_seconds=0.05)
    began = monotonic()
    tasks = await start_calls(batch, "first", "a", "b")

    late = await answers(tasks[1:])

    assert [DatabaseUnavailable] * 2 == [type(answer) for answer in late]
    assert 0.05 <= monotonic() - began < 5
    assert [["first"]] == queries.sent
    queries.may_return.set()
    assert ["FIRST"] == await answers(tasks[:1])
    assert "C" == await batch(b"c", "c")


async def test_every_call_is_answered_under_load(queries):
    """Many calls, few queries at once, some calls are cancelled: none waits for ever."""
    queries.may_return.set()
    batch = batcher(queries, max_in_flight=2, max_batch=7, shared=False)
    tasks = await start_calls(batch, *[f"item {number % 50}" for number in range(500)])
    for task in tasks[::9]:
        task.cancel()

    results = await answers(tasks)

    for number, result in enumerate(results):
        if not isinstance(result, asyncio.CancelledError):
            assert f"ITEM {number % 50}" == result
    assert all(len(set(items)) == len(items) <= 7 for items in queries.sent)
