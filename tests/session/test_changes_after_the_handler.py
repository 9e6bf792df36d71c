"""Changes by signals, outer middlewares and tasks, after the handler of a request: kept, or their loss is logged."""

import asyncio
import gc
import logging
from typing import Any

import pytest
from aiohttp import web

from bodhi.session import get_session, setup
from session.conftest import DEADLINE_SECONDS
from session.pages import cookie_of


async def _response(request):
    return web.Response(text="done")


async def _not_found(request):
    raise web.HTTPNotFound


async def _file(request):
    return web.FileResponse(__file__)


async def _stream(request):
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write_eof()
    return response


ANSWERS = [_response, _not_found, _file, _stream]


def _set(session):
    session["late"] = True


def _append(session):
    session.setdefault("nested", []).append("late")


def _log_in(session):
    session["user_id"] = "late"


CHANGES = [_set, _append, _log_in]


async def _lost(client, service, caplog):
    """Waits for the line that says that one change is lost; a connection keeps its last request until the next.

    After an exception, the request is in a cycle with its traceback.
    """
    await (await client.get("/plain")).read()
    gc.collect()
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not service.counters.lost_changes:
            await asyncio.sleep(0)
    assert 1 == service.counters.lost_changes
    assert 1 == len([r for r in caplog.records if r.levelno == logging.WARNING and "change lost" in r.getMessage()])


def _changing_as_it_is_prepared(change):
    async def handle(request, response):
        if "/page" in request.path:
            change(await get_session(request))

    return handle


@pytest.mark.parametrize("is_added_after_setup", [True, False])
@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("stored", [{"nested": ["a"]}, {}], ids=["stored", "new"])
async def test_a_signal_of_the_application_may_change_the_session(
    stored, change, answer, is_added_after_setup, serve, service
):
    """Wherever in the order of ``on_response_prepare`` it was added."""

    def install(app, service):
        if is_added_after_setup:
            setup(app, service)
        app.on_response_prepare.append(_changing_as_it_is_prepared(change))
        if not is_added_after_setup:
            setup(app, service)

    client = await serve(service, install=install, page=answer)
    expected: dict[str, Any] = dict(stored)
    if stored:
        await client.post("/set", json=stored)

    await (await client.get("/page")).read()

    change(expected)
    assert expected == await (await client.get("/read")).json()
    assert 0 == service.counters.lost_changes


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("stored", [{"nested": ["a"]}, {}], ids=["stored", "new"])
async def test_a_signal_of_a_sub_application_comes_too_late(stored, change, answer, serve, service, caplog):
    """It is called after those of the application: its change is lost, and the log says so."""

    def install(app, service):
        setup(app, service)
        part = web.Application()
        part.router.add_get("/page", answer)
        part.on_response_prepare.append(_changing_as_it_is_prepared(change))
        app.add_subapp("/part", part)

    client = await serve(service, install=install)
    if stored:
        await client.post("/set", json=stored)

    await (await client.get("/part/page")).read()

    if answer is _stream and stored and change is not _log_in:
        # The handler ends after it: what takes no cookie is saved then.
        expected = dict(stored)
        change(expected)
        assert expected == await (await client.get("/read")).json()
    else:
        await _lost(client, service, caplog)
        assert stored == await (await client.get("/read")).json()


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("change", CHANGES)
async def test_a_middleware_outside_of_setup_keeps_its_change_or_it_is_said(change, answer, serve, service, caplog):
    """Of a stream, whose headers are out, it is lost."""

    @web.middleware
    async def outer(request, handler):
        try:
            return await handler(request)
        finally:
            if request.path == "/page":
                change(await get_session(request))

    client = await serve(service, around=[outer], page=answer)
    expected: dict[str, Any] = {"nested": ["a"]}
    await client.post("/set", json=expected)

    await (await client.get("/page")).read()

    if answer is _stream:
        await _lost(client, service, caplog)
    else:
        change(expected)
        assert 0 == service.counters.lost_changes
    assert expected == await (await client.get("/read")).json()


@pytest.mark.parametrize("page", ["/read", "/nested", "/plain"])
async def test_who_changes_nothing_loses_nothing(page, serve, service, caplog):
    """Reading a value that could be changed is no change."""

    async def nested(request):
        session = await get_session(request)
        return web.json_response(session["nested"])

    client = await serve(service, nested=nested)
    await client.post("/set", json={"nested": ["a"]})

    await (await client.get(page)).read()
    await client.close()

    assert 0 == service.counters.lost_changes
    assert [] == [record for record in caplog.records if record.name.startswith("bodhi.session")]


@pytest.mark.parametrize("change", [_set, _append])
@pytest.mark.parametrize("keeps_request", [True, False])
async def test_a_task_after_the_response(keeps_request, change, serve, service):
    """It saves as long as it keeps the request; otherwise it is told that this is over."""
    may_go_on = asyncio.Event()
    tasks = []

    async def save_later(session, request):
        await may_go_on.wait()
        change(session)
        await session.save()

    async def handler(request):
        session = await get_session(request)
        tasks.append(asyncio.create_task(save_later(session, request if keeps_request else None)))
        return web.Response()

    client = await serve(service, page=handler)
    expected: dict[str, Any] = {"nested": ["a"]}
    cookie = cookie_of(await client.post("/set", json=expected))
    await (await client.get("/page")).read()
    # The next request takes the place of the first in the connection.
    await (await client.get("/plain")).read()

    may_go_on.set()
    (outcome,) = await asyncio.gather(*tasks, return_exceptions=True)

    if keeps_request:
        change(expected)
        assert outcome is None
    else:
        assert isinstance(outcome, RuntimeError)
        assert "the request is over" in str(outcome)
    assert expected == (await service.load(cookie)).data


CALLS = {
    "revoked": lambda session: session.revoked(),
    "atomically": lambda session: session.atomically(dict),
    "save": lambda session: session.save(),
}


@pytest.mark.parametrize("call", CALLS)
async def test_other_calls_after_the_request_say_that_it_is_over(call, serve, service):
    """Whatever goes through the request."""
    sessions = []

    async def handler(request):
        sessions.append(await get_session(request))
        return web.Response()

    client = await serve(service, page=handler)
    await client.post("/set", json={"a": 1})
    for path in ("/page", "/plain"):
        await (await client.get(path)).read()

    with pytest.raises(RuntimeError, match=rf"session\.{call}\(\) comes too late, since the request is over"):
        await CALLS[call](sessions[0])
