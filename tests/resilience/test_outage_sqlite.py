"""Another process holds the SQLite write lock: reads succeed, writes are refused in time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bodhi.session import DefaultSessionService, SessionUnavailable
from resilience.app import KEY
from resilience.clients import Visitor, answered, under_load, visitors
from resilience.conftest import StartApp
from resilience.outage import LIMIT_SECONDS, SLACK_SECONDS, Lateness, expect_all_works, live_through
from resilience.processes import AppProcess
from support.sqlite_lock import WriteLock

VISITORS = 8
CALLS = 300
ARRIVAL_SECONDS = 0.005  # requests come one by one, as they do from outside


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused call: its duration, and whether the lock was still held."""

    number: int
    seconds: float
    is_before_release: bool


Call = Callable[[DefaultSessionService, int], Awaitable[object]]


async def test_a_write_lock_held_too_long_is_no_logout(
    sqlite_url: str, write_lock: WriteLock, start_app: StartApp
) -> None:
    """Who only reads notices nothing; who writes is told to come back, and works on with the same cookie."""
    app = await start_app(sqlite_url, limit_seconds=LIMIT_SECONDS)
    async with visitors(app.base_url, VISITORS) as crowd:
        await live_through(crowd, write_lock.take, write_lock.release, reads_go_on=True)
    assert 0 == await app.stop()


async def test_an_overload_of_two_processes_is_no_error(
    sqlite_url: str, write_lock: WriteLock, start_app: StartApp
) -> None:
    """Whatever needs the lock says 503 and when to come back; as soon as it is free, both processes write again."""
    apps = [await start_app(sqlite_url, limit_seconds=LIMIT_SECONDS) for _ in range(2)]
    steps = [Visitor.write, Visitor.read, Visitor.login, Visitor.write, Visitor.end, Visitor.logout]
    writes = ["/write", "/end"]
    async with visitors(apps[0].base_url, 2 * VISITORS) as crowd:
        for visitor in crowd[::2]:
            visitor.base_url = apps[1].base_url
        async with under_load(crowd, steps):
            for _ in range(2):
                await answered(crowd, since=time.monotonic(), status=200, paths=[*writes, "/logout"])
                await write_lock.take()
                await answered(crowd, since=time.monotonic(), status=503, paths=writes)
                await write_lock.release()
            await answered(crowd, since=time.monotonic(), status=200, paths=[*writes, "/logout"])

    answers = [answer for visitor in crowd for answer in visitor.answers]
    assert {200, 503} == {answer.status for answer in answers}
    refused = {answer.path.partition("?")[0] for answer in answers if answer.status == 503}
    assert {"/login", "/logout", "/end"} <= refused
    assert [] == [answer for answer in answers if answer.status == 503 and not answer.retry_after]
    assert [0, 0] == [await app.stop() for app in apps]


@pytest.mark.slow
async def test_a_write_lock_held_for_ten_seconds_is_no_logout(
    sqlite_url: str, write_lock: WriteLock, start_app: StartApp
) -> None:
    """The same at full length."""
    app = await start_app(sqlite_url, limit_seconds=1)
    async with visitors(app.base_url, VISITORS) as crowd:
        await live_through(crowd, write_lock.take, write_lock.release, reads_go_on=True, seconds=10, limit_seconds=1)
    assert 0 == await app.stop()


async def ask_behind_the_lock(service: DefaultSessionService, write_lock: WriteLock, call: Call) -> list[Refusal]:
    """Return the refusals of many calls made while the lock was held."""
    refusals: list[Refusal] = []
    is_held = True

    async def one(number: int) -> None:
        begun_at = time.monotonic()
        try:
            await call(service, number)
        except SessionUnavailable:
            refusals.append(Refusal(number, time.monotonic() - begun_at, is_held))

    await write_lock.take()
    calls = []
    for number in range(CALLS):
        calls.append(asyncio.create_task(one(number)))
        await asyncio.sleep(ARRIVAL_SECONDS)
    is_held = False
    await write_lock.release()
    await asyncio.gather(*calls)
    assert refusals
    return refusals


async def test_refused_logins_are_not_executed_later(sqlite_url: str, write_lock: WriteLock) -> None:
    """Refused writes do not pile up behind the lock: they would hold up those who come when it is free again."""
    async with DefaultSessionService.from_url(sqlite_url, keys=[KEY], limit_seconds=LIMIT_SECONDS) as service:
        refusals = await ask_behind_the_lock(
            service, write_lock, lambda service, number: service.create({"user_id": str(number)})
        )
        happened = {number for number in range(CALLS) if await service.count_sessions_for_user(str(number))}

        assert set(range(CALLS)) - {one.number for one in refusals} <= happened
        behind_the_lock = {one.number for one in refusals if one.is_before_release}
        assert behind_the_lock
        # The one that the thread of the connection was at when its time was up may get the lock.
        assert len(happened & behind_the_lock) <= 1


async def test_a_transaction_behind_the_lock_is_refused_in_time(sqlite_url: str, write_lock: WriteLock) -> None:
    """What takes a transaction, such as the change of a session's id, waits no longer than what takes a statement."""
    async with DefaultSessionService.from_url(sqlite_url, keys=[KEY], limit_seconds=LIMIT_SECONDS) as service:
        stored = [(await service.create({"number": number}))[1] for number in range(CALLS)]

        async def rotate(service: DefaultSessionService, number: int) -> None:
            await service.rotate(stored[number], {"number": -1})

        async with Lateness() as late:
            refusals = await ask_behind_the_lock(service, write_lock, rotate)
        assert max(one.seconds for one in refusals) <= LIMIT_SECONDS + SLACK_SECONDS + 3 * late.seconds


async def seconds_to_stop(app: AppProcess) -> float:
    """How long it takes from SIGTERM to the end, which is in order."""
    told_at = time.monotonic()
    assert 0 == await app.stop()
    return time.monotonic() - told_at


async def test_stopping_during_an_outage_takes_no_longer_than_the_limit(
    sqlite_url: str, tmp_path: Path, write_lock: WriteLock, start_app: StartApp
) -> None:
    """SIGTERM while writes are refused: the process ends soon, on a busy machine as another one without an outage."""
    app, without_outage = [
        await start_app(url, limit_seconds=LIMIT_SECONDS, touch_seconds=0)
        for url in (sqlite_url, f"sqlite:{tmp_path / 'other.sqlite'}")
    ]
    async with visitors(app.base_url, VISITORS) as crowd:
        async with under_load(crowd, [Visitor.write, Visitor.read]):
            await answered(crowd, since=0, status=200)
            await write_lock.take()
            await answered(crowd, since=time.monotonic(), status=503, paths=["/write"])
        took, otherwise = await asyncio.gather(seconds_to_stop(app), seconds_to_stop(without_outage))

    assert took <= 4 * LIMIT_SECONDS + 3 * otherwise


async def test_a_file_that_is_moved_away_and_back_loses_nothing(
    sqlite_url: str, tmp_path: Path, start_app: StartApp
) -> None:
    """The open file is the database, wherever its name went: what is answered meanwhile is in it."""
    app = await start_app(sqlite_url, limit_seconds=LIMIT_SECONDS)
    here, away = Path(sqlite_url.removeprefix("sqlite:")), tmp_path / "away"
    away.mkdir()
    names = [here.name + suffix for suffix in ("", "-wal", "-shm")]
    async with visitors(app.base_url, VISITORS) as crowd:
        async with under_load(crowd):
            await answered(crowd, since=0, status=200)
            for name in names:
                (here.parent / name).rename(away / name)
            await answered(crowd, since=time.monotonic(), status=200)
            for name in names:
                (away / name).rename(here.parent / name)
            await answered(crowd, since=time.monotonic(), status=200)
        app.kill()
        again = await start_app(sqlite_url)
        for visitor in crowd:
            visitor.base_url = again.base_url
        await expect_all_works(crowd)
