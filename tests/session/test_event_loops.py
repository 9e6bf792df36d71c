"""A service is opened in one event loop after another, as scripts, tests and workers that restart do."""

import asyncio
import logging
from functools import partial

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from bodhi.session import DefaultSessionService, get_session, setup
from bodhi.session.handles import digest_of
from session.conftest import IDLE_SECONDS, SETTINGS, TOUCH_SECONDS
from session.pages import PAGES

LOOPS = 3
VISITORS = 20
SOON_SECONDS = 30  # below the time limit of the database


@pytest.fixture
def module_service(database_url, clock):
    """A service that is opened by nobody yet, as one at the top of a module is."""
    return DefaultSessionService.from_url(database_url, **{**SETTINGS, "clock": clock})


@pytest.fixture(autouse=True)
def _hasty(monkeypatch):
    """Touches are written, and died tasks started again, at once."""
    monkeypatch.setattr("bodhi.session.touches.GATHER_SECONDS", 0.0)
    monkeypatch.setattr("bodhi.background.RESTART_SECONDS", 0.0)


async def _until(condition):
    async with asyncio.timeout(60):
        while not await condition():
            await asyncio.sleep(0.01)


def _in_loops(work):
    """Run *work* in one event loop after the other; what it returned in each."""
    return [asyncio.run(work(number)) for number in range(LOOPS)]


def test_touches_are_written_in_every_loop(module_service, clock):
    """Sessions in use do not end at the idle timeout."""

    async def use(_):
        async with module_service as service:
            session_id, session = await service.create({"a": 1})
            clock.advance(TOUCH_SECONDS)
            await service.load(session_id)

            async def is_touched():
                return (await service.load(session_id)).record.last_seen_at > session.record.last_seen_at

            await _until(is_touched)
            clock.advance(IDLE_SECONDS - 1)
            return await service.load(session_id) is not None

    assert [True] * LOOPS == _in_loops(use)


def test_a_socket_hears_of_its_session_s_end_in_every_loop(module_service):
    """However many loops waited for one before."""

    async def wait(_):
        async with module_service as service:
            session_id, _ = await service.create({"a": 1})
            waiting = asyncio.create_task(service.revocations.ended(digest_of(session_id)))

            async def is_idle():
                return bool(service.revocations._wake._waiters)

            await _until(is_idle)
            await service.delete(digest_of(session_id))
            async with asyncio.timeout(60):
                await waiting
        return True

    assert [True] * LOOPS == _in_loops(wait)


@pytest.mark.parametrize("ends_in_a_hurry", [False, True])
def test_requests_at_once_are_answered_in_every_loop(ends_in_a_hurry, module_service):
    """First visits, changes and logins; also where the loop before ended in the middle of requests."""

    async def visit(_):
        async def read_or_begin(request):
            session = await get_session(request)
            session["user_id"] = request.query["name"]
            return web.Response()

        app = web.Application()
        setup(app, module_service)
        app.add_routes(PAGES)
        app.router.add_get("/visit", read_or_begin)
        async with TestClient(TestServer(app)) as client:
            answers = await asyncio.gather(*(client.get(f"/visit?name={name}") for name in range(VISITORS)))
            again = await asyncio.gather(*(client.get("/read") for _ in range(VISITORS)))
            if ends_in_a_hurry:
                unfinished = [asyncio.create_task(client.get(f"/visit?name={name}")) for name in range(VISITORS)]
                await asyncio.sleep(0.01)
                for task in unfinished:
                    task.cancel()
            return {answer.status for answer in (*answers, *again)}

    assert [{200}] * LOOPS == _in_loops(visit)


@pytest.mark.parametrize("turns", range(5))
def test_sessions_are_found_after_a_loop_that_ended_in_the_middle(module_service, turns):
    """However far those got that looked for them together."""

    async def load_and_leave(_):
        async with module_service as service:
            ids = [(await service.create({"a": number}))[0] for number in range(VISITORS)]
            await asyncio.gather(*(service.load(one) for one in ids))
            store = service.get_session_store()
            async with asyncio.timeout(SOON_SECONDS):
                found = await asyncio.gather(*(service.load(one) for one in ids))
                saves = [await service.save(one, {"a": 1}) for one in found]
            under_way = [asyncio.create_task(service.load(one)) for one in ids]
            under_way += [asyncio.create_task(service.save(one, {"a": 2})) for one in saves]
            for _ in range(turns):
                await asyncio.sleep(0)
            for task in (*under_way, *store._loads._tasks, *store._saves._tasks):
                task.cancel()
            return len(saves)

    assert [VISITORS] * LOOPS == _in_loops(load_and_leave)


def test_a_service_that_was_opened_in_a_loop_that_ended_is_an_error_in_the_log(module_service, caplog, monkeypatch):
    """As one is that ``asyncio.run`` connects before the application runs."""

    async def start():
        app = web.Application()
        setup(app, module_service)
        runner = web.AppRunner(app)
        await runner.setup()
        await runner.cleanup()

    def errors():
        return [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]

    with asyncio.Runner() as first:
        first.run(module_service.open())
        first.run(start())
        assert [] == errors()
        with monkeypatch.context() as ended:  # if it were, nothing could close the service afterwards
            ended.setattr(first.get_loop(), "is_closed", lambda: True)
            asyncio.run(start())
        first.run(module_service.close())

    (error,) = errors()
    assert "was opened in an event loop that has ended" in error


async def test_a_second_thread_is_refused(module_service):
    """Its calls would wait for answers that the first one's loop has; here they go on."""
    async with module_service as service:
        session_id, session = await service.create({"a": 1})
        for call in (
            partial(service.load, session_id),
            partial(service.save, session, {"a": 2}),
            service.count_sessions,
        ):
            with pytest.raises(RuntimeError, match="another event loop"):
                await asyncio.to_thread(asyncio.run, call())
            assert {"a": 1} == (await service.load(session_id)).data
            await asyncio.gather(*(service.load(session_id) for _ in range(VISITORS)))


async def test_watching_goes_on_after_a_failure(module_service, caplog, monkeypatch):
    """Sockets hear of the end of their session although the task that looks has died."""
    failures = [RuntimeError("for this test")]
    look = module_service.revocations._look

    async def failing(digests):
        if failures:
            raise failures.pop()
        await look(digests)

    monkeypatch.setattr(module_service.revocations, "_look", failing)
    async with module_service as service:
        session_id, _ = await service.create({"a": 1})
        waiting = asyncio.create_task(service.revocations.ended(digest_of(session_id)))
        await service.delete(digest_of(session_id))
        async with asyncio.timeout(60):
            await waiting

    (error,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "watching for sessions that end failed and is started again" == error.getMessage()


async def test_a_background_task_that_dies_is_started_again(module_service, clock, caplog, monkeypatch):
    """Its death is an error in the log; touches are written afterwards."""
    deaths = [RuntimeError("for this test"), RuntimeError("once more")]

    async def dying(*_):
        raise deaths.pop()

    run = module_service._touches.run
    monkeypatch.setattr(module_service._touches, "run", lambda: dying() if deaths else run())
    async with module_service as service:
        session_id, session = await service.create({"a": 1})
        clock.advance(TOUCH_SECONDS)
        await service.load(session_id)

        async def is_touched():
            return (await service.load(session_id)).record.last_seen_at > session.record.last_seen_at

        await _until(is_touched)

    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [True, True] == ["is started again" in record.getMessage() for record in errors]
    assert ["once more", "for this test"] == [str(record.exc_info[1]) for record in errors]
