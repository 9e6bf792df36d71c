"""Promise 9: a session that another process ended is over at the next request, everywhere and at once."""

import asyncio

from aiohttp import web
from aiohttp_session import get_session

from bodhi.session.handles import digest_of, handle_of
from session.conftest import DEADLINE_SECONDS, TOUCH_SECONDS
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


async def test_a_use_that_is_noted_here_does_not_undo_a_revocation_there(client, service, other_node, clock, raw):
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
