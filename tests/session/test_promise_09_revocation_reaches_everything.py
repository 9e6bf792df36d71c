"""Promise 9: a session that another process ended is over everywhere: at the next request, and in open websockets."""

import asyncio
from contextlib import suppress
from contextvars import ContextVar

import aiohttp_session
import asyncpg
import pytest
from aiohttp import WSCloseCode, WSMsgType, web

from bodhi.database import notifications
from bodhi.session import DefaultSessionService, SessionUnavailable, get_session, revocation
from bodhi.session.handles import digest_of, handle_of
from session.conftest import (
    DEADLINE_SECONDS,
    IDLE_SECONDS,
    LIFETIME_SECONDS,
    SETTINGS,
    TOUCH_SECONDS,
    OtherNode,
)
from session.pages import cookie_of, sent


async def test_the_next_request_is_anonymous_on_every_node(client, service, make_service, serve, other_node):
    """No node has a cache that would let the session live on."""
    cookie = cookie_of(await client.post("/login/alice"))
    there = await serve(await make_service(), keeps_cookies=False)
    for one in (client, there):
        assert {"user_id": "alice"} == await (await one.get("/read", headers=sent(cookie))).json()

    assert await other_node.call("revoke_session", handle_of(digest_of(cookie)))

    for one in (client, there):
        assert {} == await (await one.get("/read", headers=sent(cookie))).json()


async def test_pending_touch_does_not_undo_a_revocation_on_another_node(client, service, other_node, clock, raw):
    """Touches wait in memory; a session that was ended meanwhile stays ended when they are written."""
    cookie_of(await client.post("/login/alice"))
    clock.advance(TOUCH_SECONDS)
    await client.get("/read")

    assert 1 == await other_node.call("clear_all_sessions")

    assert 0 == await service.flush()
    assert [] == await raw.sessions()


async def test_an_open_stream_cannot_save_into_a_revoked_session(serve, service, other_node, raw):
    """A websocket that has been open since before saves nothing any more."""

    async def chat(request):
        session = await get_session(request)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            session["said"] = message.data
            await session.save()
            await socket.send_str("done")
        return socket

    client = await serve(service, chat=chat)
    cookie = cookie_of(await client.post("/login/alice"))
    socket = await client.ws_connect("/chat")
    await socket.send_str("hello")
    await socket.receive_str()
    assert "hello" == (await service.load(cookie)).data["said"]

    assert 1 == await other_node.call("clear_sessions_for_user", "alice")
    await socket.send_str("still here?")
    async with asyncio.timeout(DEADLINE_SECONDS):
        await socket.receive_str()
    await socket.close()

    assert [] == await raw.sessions()


NEVER_SECONDS = 3_600


async def chat(request):
    """A websocket that says what it hears, for as long as its session lives."""
    session = await get_session(request)
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async with session.until_revoked(socket):
        async for message in socket:
            await socket.send_str(message.data)
    return socket


@pytest.fixture
async def watching(serve, service):
    """A browser whose session is Alice's, with an open websocket; and its cookie."""
    client = await serve(service, chat=chat)
    cookie = cookie_of(await client.post("/login/alice"))
    socket = await client.ws_connect("/chat")
    await socket.send_str("hello")
    assert "hello" == await socket.receive_str()
    yield client, socket, cookie
    await socket.close()


async def closing_of(socket):
    """What the server closes the websocket with."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        message = await socket.receive()
    return message.type, message.data


CLOSED = (WSMsgType.CLOSE, WSCloseCode.POLICY_VIOLATION)

ENDINGS = {
    "revocation": lambda node, cookie: node.call("revoke_session", handle_of(digest_of(cookie))),
    "all of a user": lambda node, _: node.call("clear_sessions_for_user", "alice"),
    "all": lambda node, _: node.call("clear_all_sessions"),
    "logout": lambda node, cookie: node.http("POST", "/logout", cookie=cookie),
    "login": lambda node, cookie: node.http("POST", "/login/bob", cookie=cookie),
}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_an_open_websocket_is_closed_when_its_session_ends_elsewhere(watching, other_node, monkeypatch, ending):
    """By what the database tells alone: nobody looks in the meantime."""
    monkeypatch.setattr(revocation, "RECHECK_SECONDS", NEVER_SECONDS)
    _, socket, cookie = watching

    await ENDINGS[ending](other_node, cookie)

    assert CLOSED == await closing_of(socket)


async def test_session_ended_by_the_cap_closes_its_websocket(watching, other_node, clock, monkeypatch):
    """A login elsewhere ends it."""
    monkeypatch.setattr(revocation, "RECHECK_SECONDS", NEVER_SECONDS)
    _, socket, _ = watching
    clock.advance(1)

    await other_node.http("POST", "/login/alice", max_per_user=1)

    assert CLOSED == await closing_of(socket)


async def test_a_lost_notification_is_made_up_for(serve, service, other_node, monkeypatch):
    """The sessions that somebody waits for are looked at again and again."""

    async def deaf(notify):
        await asyncio.Event().wait()

    monkeypatch.setattr(service.get_session_store(), "listen", deaf)
    done = asyncio.Event()

    async def wait(request):
        session = await get_session(request)
        async with session.until_revoked() as until:
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"data: open\n\n")
            await asyncio.Event().wait()
        assert until.is_revoked
        await response.write(b"event: revoked\n\n")
        done.set()
        return response

    client = await serve(service, wait=wait)
    cookie_of(await client.post("/login/alice"))
    response = await client.get("/wait")
    assert b"data: open\n\n" == await response.content.readuntil(b"\n\n")

    assert 1 == await other_node.call("clear_all_sessions")

    async with asyncio.timeout(DEADLINE_SECONDS):
        assert b"event: revoked\n\n" == await response.read()
    assert done.is_set()


async def test_an_expired_session_closes_its_websocket(watching, clock):
    """Nobody notifies of that."""
    _, socket, _ = watching

    clock.advance(IDLE_SECONDS + 1)

    assert CLOSED == await closing_of(socket)


async def test_the_end_of_its_lifetime_closes_a_websocket_however_much_the_session_is_used(watching, service, clock):
    """Up to then it stays open."""
    client, socket, _ = watching
    step = IDLE_SECONDS // 2
    for _ in range(LIFETIME_SECONDS // step - 1):
        clock.advance(step)
        assert {"user_id": "alice"} == await (await client.get("/read")).json()
        await service.flush()
    await looked_again(service)
    await socket.send_str("still here")
    assert "still here" == await socket.receive_str()

    clock.advance(step + 1)

    assert CLOSED == await closing_of(socket)


async def looked_again(service):
    """Returns when the sessions that somebody waits for have been looked at once more."""
    store = service.get_session_store()
    live_among, looked = store.live_among, asyncio.Event()

    async def looking(digests):
        live = await live_among(digests)
        looked.set()
        return live

    store.live_among = looking
    async with asyncio.timeout(DEADLINE_SECONDS):
        await looked.wait()
    store.live_among = live_among


async def test_a_sweep_elsewhere_closes_the_websockets_of_what_it_deletes(watching, other_node):
    """Also where this node's clock has not got that far."""
    _, socket, _ = watching

    assert 1 == await other_node.call("sweep", seconds_later=IDLE_SECONDS + 1)

    assert CLOSED == await closing_of(socket)


async def test_behind_pgbouncer_the_recheck_closes_it(pgbouncer_url, serve, other_process, clock, monkeypatch):
    """It would pass a notification to whoever has the connection then: nobody listens there."""
    heard = []
    options = {**SETTINGS, "clock": clock, "statement_cache_size": 0}
    async with DefaultSessionService.from_url(pgbouncer_url, **options) as service:
        notify = service.revocations._notify

        def record(handle):
            heard.append(handle)
            notify(handle)

        monkeypatch.setattr(service.revocations, "_notify", record)
        client = await serve(service, chat=chat)
        cookie = cookie_of(await client.post("/login/alice"))
        socket = await client.ws_connect("/chat")
        await socket.send_str("hello")
        assert "hello" == await socket.receive_str()

        node = OtherNode(other_process, pgbouncer_url, clock)
        assert await node.call("revoke_session", handle_of(digest_of(cookie)), statement_cache_size=0)

        assert CLOSED == await closing_of(socket)
        await socket.close()
    assert [] == heard


async def test_sessions_of_others_and_changes_of_ones_own_close_nothing(watching, service, other_node):
    """The websocket stays open, whatever else is saved or ended."""
    client, socket, _ = watching
    await client.post("/set", json={"color": "red"})
    answer = await other_node.http("POST", "/login/bob")
    assert await other_node.call("revoke_session", handle_of(digest_of(answer["cookie"])))

    await looked_again(service)
    await socket.send_str("still here")
    assert "still here" == await socket.receive_str()


async def test_an_outage_closes_nothing(watching, service, other_node):
    """Not to know whether a session has ended is not to know that it has."""
    _, socket, _ = watching
    store = service.get_session_store()
    live_among, failed = store.live_among, asyncio.Event()

    async def failing(digests):
        failed.set()
        raise SessionUnavailable

    store.live_among = failing
    assert 1 == await other_node.call("clear_all_sessions")
    async with asyncio.timeout(DEADLINE_SECONDS):
        await failed.wait()
    await socket.send_str("still here")
    assert "still here" == await socket.receive_str()

    store.live_among = live_among

    assert CLOSED == await closing_of(socket)


def watchers():
    """The tasks that look after open websockets."""
    return [task for task in asyncio.all_tasks() if task.get_name() == "watching for sessions that end"]


async def gone(*tasks):
    """Returns when *tasks* have ended by themselves."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        await asyncio.wait(tasks)


async def test_revocation_watcher_is_idle_without_waiters(watching, service, monkeypatch):
    """No query; and soon no connection and no task. Who comes then is watched again."""
    monkeypatch.setattr(revocation, "RECHECK_SECONDS", 0.01)
    monkeypatch.setattr(revocation, "LINGER_SECONDS", 0)
    client, socket, cookie = watching
    assert 1 == service.revocations.watched
    (watcher,) = watchers()

    await socket.close()
    await gone(watcher)

    assert (0, []) == (service.revocations.watched, watchers())
    again = await client.ws_connect("/chat")
    await again.send_str("hello")
    assert "hello" == await again.receive_str()
    assert await service.revoke_session(handle_of(digest_of(cookie)))
    assert CLOSED == await closing_of(again)


async def test_streams_that_come_and_go_share_one_watcher(watching):
    """Connecting to the database for each would cost more than waiting a little for the next."""
    client, socket, _ = watching
    before = watchers()

    await socket.close()
    for _ in range(3):
        another = await client.ws_connect("/chat")
        await another.send_str("hello")
        assert "hello" == await another.receive_str()
        await another.close()

    assert 1 == len(before)
    assert before == watchers()


REQUEST = ContextVar("REQUEST", default=None)


async def test_the_watcher_belongs_to_no_request(serve, service):
    """Its queries are not told as those of whoever opened the first websocket."""
    asked_for = asyncio.Queue()
    store = service.get_session_store()
    live_among = store.live_among

    async def looking(digests):
        asked_for.put_nowait(REQUEST.get())
        return await live_among(digests)

    async def wait(request):
        REQUEST.set("the first")
        await (await get_session(request)).revoked()
        return web.Response()

    store.live_among = looking
    client = await serve(service, wait=wait)
    cookie_of(await client.post("/login/alice"))
    request = asyncio.create_task(client.get("/wait"))

    async with asyncio.timeout(DEADLINE_SECONDS):
        assert await asked_for.get() is None
        await service.clear_all_sessions()
        await request


async def test_a_block_goes_on_when_its_own_request_moves_the_session(serve, service):
    """It waits for the end of what it moved to."""
    moved = asyncio.Event()

    async def move(request):
        session = await get_session(request)
        async with session.until_revoked() as block:
            session.rotate()
            await session.save()
            moved.set()
            await asyncio.Event().wait()
        return web.json_response(block.is_revoked)

    client = await serve(service, move=move)
    old = digest_of(cookie_of(await client.post("/login/alice")))
    request = asyncio.create_task(client.get("/move"))
    async with asyncio.timeout(DEADLINE_SECONDS):
        await moved.wait()
        while old in service.revocations._waiting:
            await asyncio.sleep(0)
    assert not request.done()

    assert 1 == await service.clear_sessions_for_user("alice")

    async with asyncio.timeout(DEADLINE_SECONDS):
        assert await (await request).json()


async def test_a_handler_that_swallows_the_cancelling_is_closed_all_the_same(serve, service):
    """The browser hears of the end, whatever the handler goes on with."""
    done = asyncio.Event()

    async def deaf(request):
        session = await get_session(request)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async with session.until_revoked(socket):
            await socket.send_str("open")
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        await done.wait()
        return socket

    client = await serve(service, deaf=deaf)
    cookie_of(await client.post("/login/alice"))
    socket = await client.ws_connect("/deaf")
    assert "open" == await socket.receive_str()

    assert 1 == await service.clear_sessions_for_user("alice")

    assert CLOSED == await closing_of(socket)
    done.set()


async def test_until_revoked_without_the_middleware_is_refused(serve, service):
    """aiohttp-session's own setup knows of no request that goes on."""

    async def wait(request):
        session = await get_session(request)
        with pytest.raises(RuntimeError, match=r"bodhi\.session\.setup"):
            session.until_revoked()
        return web.Response(text="refused")

    def install(app, service):
        aiohttp_session.setup(app, service.storage)

    client = await serve(service, install=install, wait=wait)

    assert "refused" == await (await client.get("/wait")).text()


async def test_a_session_that_is_not_stored_reads_as_ended(serve, service):
    """A visitor without one cannot be told that it ended."""

    async def wait(request):
        await (await get_session(request)).revoked()
        return web.Response(text="at once")

    client = await serve(service, wait=wait)

    async with asyncio.timeout(DEADLINE_SECONDS):
        assert "at once" == await (await client.get("/wait")).text()


async def test_only_what_ends_sessions_notifies(postgres_url):
    """Logins, saves and touches of everybody would be heard by every node otherwise."""
    heard = []
    connection = await asyncpg.connect(postgres_url)
    await connection.add_listener("bodhi_session_ended", lambda *told: heard.append(told[-1]))
    async with DefaultSessionService.from_url(postgres_url, **SETTINGS) as service:
        _, session = await service.create({"user_id": "alice"})
        await service.save(session, {"user_id": "alice", "color": "red"})
        await service.flush()
        assert not await service.revoke_session("A" * 16)
        assert 0 == await service.clear_sessions_for_user("bob")
        await connection.fetchval("SELECT 1")
        assert [] == heard

        old = session.handle
        session_id, session = await service.rotate(session, {"user_id": "alice"})
        await service.delete(digest_of(session_id))
        for _ in range(3):
            await service.create({"user_id": "alice"})
        assert 3 == await service.clear_sessions_for_user("alice")

    async with asyncio.timeout(DEADLINE_SECONDS):
        while len(heard) < 3:
            await connection.fetchval("SELECT 1")
    assert [old, session.handle, ""] == heard
    await connection.close()


async def test_listening_goes_on_after_the_connection_was_lost(watching, raw, other_node, dialect, monkeypatch):
    """A restarted server, for one: what was missed meanwhile is looked at."""
    monkeypatch.setattr(revocation, "RECHECK_SECONDS", NEVER_SECONDS)
    monkeypatch.setattr(notifications, "RECONNECT_SECONDS", 0.01)
    _, socket, _ = watching
    if dialect == "postgres":
        listening = "datname = current_database() AND query LIKE 'LISTEN %'"
        ended = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {listening}"
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not await raw.rows(ended):
                await asyncio.sleep(0)

    assert 1 == await other_node.call("clear_all_sessions")

    assert CLOSED == await closing_of(socket)
