"""An outage under load, and the required behaviour."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Self

from resilience.clients import Answer, Visitor, all_answers, answered, under_load

LIMIT_SECONDS = 0.7
OUTAGE_SECONDS = 2.0  # time enough for a visitor to read and then to write, and to be refused both
TICK_SECONDS = 0.005
SLACK_SECONDS = 0.4  # for a machine that is busy with other tests

Switch = Callable[[], Awaitable[object]]


class Lateness:
    """Measures the delay of timers inside the block, which is added to tested time limits."""

    def __init__(self) -> None:
        self.seconds = 0.0

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._measure())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _measure(self) -> None:
        while True:
            begun_at = time.monotonic()
            await asyncio.sleep(TICK_SECONDS)
            self.seconds = max(self.seconds, time.monotonic() - begun_at - TICK_SECONDS)


@dataclass(frozen=True, slots=True)
class Outage:
    """The measurements: *gap_seconds* from the end of the outage to the last visitor's first 200."""

    gap_seconds: float
    p99_seconds: float
    answers: int


async def live_through(
    crowd: Sequence[Visitor],
    begin: Switch,
    end: Switch,
    *,
    seconds: float = OUTAGE_SECONDS,
    limit_seconds: float = LIMIT_SECONDS,
    reads_go_on: bool = False,
) -> Outage:
    """Logs every visitor in, then has an outage under load; fails unless nobody is logged out and all works after."""
    for visitor in crowd:
        assert 200 == (await visitor.login()).status
        visitor.answers.clear()
    cookies = [visitor.cookie for visitor in crowd]
    async with under_load(crowd):
        await answered(crowd, since=0, status=200)
        await begin()
        begun_at = time.monotonic()
        await asyncio.sleep(seconds)
        ended_at = time.monotonic()
        await end()
        working_at = time.monotonic()
        await answered(crowd, since=working_at, status=200)
        gap_seconds = time.monotonic() - working_at
        await answered(crowd, since=time.monotonic(), status=200)
    answers = all_answers(crowd)
    # A request that began later may have been answered by the recovered database.
    during = [answer for answer in answers if begun_at <= answer.started_at < ended_at - limit_seconds]
    expect_good_manners(answers, limit_seconds=limit_seconds)
    assert {503} == {answer.status for answer in during if answer.path.startswith("/write")}
    assert {200 if reads_go_on else 503} == {answer.status for answer in during if answer.path == "/read"}
    assert cookies == [visitor.cookie for visitor in crowd]
    await expect_all_works(crowd)
    return Outage(gap_seconds, percentile(answers, 0.99), len(answers))


def expect_good_manners(answers: Sequence[Answer], *, limit_seconds: float) -> None:
    """Fails unless outages are told by a 503 that says when to try again, in time and without a word on the cookie."""
    assert not [answer for answer in answers if answer.path == "/plain" and answer.status != 200]
    assert not [answer for answer in answers if answer.status not in (200, 503)]
    assert not [answer for answer in answers if answer.status == 503 and not answer.retry_after]
    assert not [answer for answer in answers if answer.set_cookie]
    # How busy the machine is shows in what needs no database: a request with a session takes a few such turns.
    plain = [answer for answer in answers if answer.path == "/plain"]
    busy_seconds = 3 * percentile(plain, 0.99) if plain else 0.0
    assert percentile(answers, 0.99) <= limit_seconds + SLACK_SECONDS + busy_seconds


async def expect_all_works(crowd: Sequence[Visitor]) -> None:
    """Fails unless every visitor reads what was kept, writes, and reads that."""
    for visitor in crowd:
        await visitor.expect_kept()
        assert 200 == (await visitor.write()).status
        await visitor.expect_kept()


def percentile(answers: Sequence[Answer], share: float) -> float:
    """The time in seconds within which *share* of the answers came."""
    times = sorted(answer.seconds for answer in answers)
    return times[min(len(times) - 1, int(len(times) * share))]
