"""Promise 1: what was logged out, revoked, cleared or swept is not brought back by a request already under way."""

import asyncio

import pytest
from aiohttp import web

from bodhi.session import get_session, new_session
from bodhi.session.handles import digest_of, handle_of
from session.pages import cookie_of, sent


async def _logged_out(node, cookie):
    answer = await node.http("POST", "/logout", cookie=cookie)
    assert (200, "") == (answer["status"], answer["cookie"])


async def _revoked(node, cookie):
    assert await node.call("revoke_session", handle_of(digest_of(cookie)))


async def _cleared_for_its_user(node, cookie):
    assert 1 == await node.call("clear_sessions_for_user", "alice")


async def _all_cleared(node, cookie):
    assert 1 == await node.call("clear_all_sessions")


async def _swept(node, cookie):
    # The clock of the held request stays behind: only the missing row can stop it.
    assert 1 == await node.call("sweep", seconds_later=3_600)


ENDINGS = [_logged_out, _revoked, _cleared_for_its_user, _all_cleared, _swept]

CHANGES = {
    "sets a key": lambda session: session.update(late=True),
    "changes a nested value": lambda session: session["cart"].append("pear"),
    "removes a key": lambda session: session.pop("cart"),
    "asks for a save": lambda session: session.changed(),
    "sets max_age": lambda session: setattr(session, "max_age", 60),
    "empties all but the user": lambda session: [session.pop(key) for key in list(session) if key != "user_id"],
}


@pytest.fixture
async def signed_in(serve, service):
    """Gives a client at a site with further handlers, logged in as alice, and its cookie."""

    async def sign_in(**handlers):
        client = await serve(service, **handlers)
        await client.post("/set", json={"cart": ["apple"]})
        cookie = cookie_of(await client.post("/login/alice"))
        return client, cookie

    return sign_in


@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_request_under_way_does_not_revive_a_session_that_another_process_ended(
    ending, signed_in, hold, other_node, service, raw
):
    """The row stays away, the response says nothing about the cookie, and it is no error."""
    held = hold()
    client, cookie = await signed_in(held=held.handler)
    request = asyncio.create_task(client.get("/held"))
    await held.reached()

    await ending(other_node, cookie)
    held.go_on()
    response = await request

    assert (200, None) == (response.status, cookie_of(response))
    assert [] == await raw.sessions()
    assert 1 == service.counters.blocked_saves
    assert {} == await (await client.get("/read")).json()


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_no_kind_of_change_revives_a_session(change, signed_in, hold, service, raw):
    """Whatever the request under way does with its session, the row stays away and the cookie untouched."""
    held = hold(change)
    client, _ = await signed_in(held=held.handler)
    request = asyncio.create_task(client.get("/held"))
    await held.reached()

    await service.clear_sessions_for_user("alice")
    held.go_on()
    response = await request

    assert (200, None) == (response.status, cookie_of(response))
    assert [] == await raw.sessions()


@pytest.mark.parametrize(
    "change",
    [lambda session: session.update(user_id="bob"), lambda session: session.pop("user_id"), lambda s: s.rotate()],
    ids=["another user logs in", "the user leaves", "rotates"],
)
async def test_a_change_of_privilege_fails_where_its_session_has_ended(change, signed_in, hold, service, raw):
    """A login on a session that was ended meanwhile is refused with 401, without a row and without a cookie."""
    held = hold(change)
    client, _ = await signed_in(held=held.handler)
    request = asyncio.create_task(client.get("/held"))
    await held.reached()

    await service.clear_all_sessions()
    held.go_on()
    response = await request

    assert (401, None) == (response.status, cookie_of(response))
    assert [] == await raw.sessions()


async def test_a_session_emptied_late_says_nothing_about_the_cookie(serve, service, hold, raw):
    """To empty a session that has ended deletes nobody's cookie: it may be that of a later login."""
    held = hold(lambda session: session.clear())
    client = await serve(service, held=held.handler)
    await client.post("/set", json={"cart": ["apple"]})
    request = asyncio.create_task(client.get("/held"))
    await held.reached()

    await service.clear_all_sessions()
    held.go_on()

    assert cookie_of(await request) is None
    assert [] == await raw.sessions()


async def test_the_new_session_lives_on_when_a_request_under_way_still_has_the_old_one(
    signed_in, hold, other_node, service
):
    """A login in another process moves the session; the request with the old id writes nothing and tells nothing."""
    held = hold()
    client, cookie = await signed_in(held=held.handler)
    request = asyncio.create_task(client.get("/held"))
    await held.reached()

    login = await other_node.http("POST", "/login/bob", cookie=cookie)
    held.go_on()
    response = await request

    assert (200, None) == (response.status, cookie_of(response))
    assert {"cart": ["apple"], "user_id": "alice", "late": True} == await response.json(), "it keeps what it has read"
    assert "{}" == (await other_node.http("GET", "/read", cookie=cookie))["text"], "the old id is dead"
    new = await other_node.http("GET", "/read", cookie=login["cookie"])
    assert '{"cart": ["apple"], "user_id": "bob"}' == new["text"]
    assert 1 == await service.count_sessions()


async def test_only_the_request_that_logs_out_deletes_the_cookie(signed_in, hold, service, raw):
    """A logout is a logout, also of a session that has ended already."""
    held = hold(lambda session: session.invalidate())
    client, _ = await signed_in(held=held.handler)
    request = asyncio.create_task(client.get("/held"))
    await held.reached()

    await service.clear_all_sessions()
    held.go_on()
    response = await request

    assert (200, "") == (response.status, cookie_of(response))
    assert [] == await raw.sessions()


async def test_an_unknown_cookie_is_left_alone(client):
    """Nobody but a logout removes a cookie, dead or not."""
    response = await client.get("/read", headers=sent("x" * 43))

    assert (200, None) == (response.status, cookie_of(response))


@pytest.mark.parametrize("kind", ["stream", "websocket", "explicit save"])
async def test_streams_do_not_revive_a_session_either(kind, signed_in, service, raw):
    """Headers that go out, a websocket's end and session.save() are saves like any other."""
    loaded, go_on = asyncio.Event(), asyncio.Event()

    async def handler(request):
        session = await get_session(request)
        response = web.WebSocketResponse() if kind == "websocket" else web.StreamResponse()
        loaded.set()
        await go_on.wait()
        session["before"] = True
        if kind == "explicit save":
            await session.save()
        await response.prepare(request)
        session["after"] = True
        if kind == "explicit save":
            await session.save()
        return response

    client, _ = await signed_in(held=handler)
    request = asyncio.create_task(client.ws_connect("/held") if kind == "websocket" else client.get("/held"))
    await loaded.wait()
    await service.clear_all_sessions()
    go_on.set()
    answer = await request
    if kind == "websocket":
        await answer.receive()
        await answer.close()
        answer = answer._response
    else:
        await answer.read()

    assert cookie_of(answer) is None
    assert [] == await raw.sessions()


@pytest.mark.parametrize("way", ["invalidate", "new_session"])
async def test_data_carried_over_by_hand_does_not_revive_a_session(way, serve, service, hold, raw):
    """Copying a session's data into a new one is how old code rotates ids: it fails as a rotation does."""
    loaded, go_on = asyncio.Event(), asyncio.Event()

    async def handler(request):
        session = await get_session(request)
        data = dict(session)
        loaded.set()
        await go_on.wait()
        if way == "invalidate":
            session.invalidate()
        else:
            session = await new_session(request)
        session.update(data)
        return web.Response()

    client = await serve(service, held=handler)
    await client.post("/login/alice")
    request = asyncio.create_task(client.get("/held"))
    await loaded.wait()

    await service.clear_sessions_for_user("alice")
    go_on.set()
    response = await request

    assert [] == await raw.sessions()
    assert (401, None) == (response.status, cookie_of(response))


async def test_a_logout_among_many_saves_is_final(signed_in, service, raw):
    """Twenty requests that change a session while it is logged out leave it ended, whoever comes last."""
    client, cookie = await signed_in()
    headers = sent(cookie)
    saves = [client.post("/set", json={f"key {number}": number}, headers=headers) for number in range(20)]

    responses = await asyncio.gather(*saves[:10], client.post("/logout", headers=headers), *saves[10:])

    assert {200} == {response.status for response in responses}
    assert await service.load(cookie) is None
    assert 0 == await service.count_sessions_for_user("alice")


async def test_a_touch_does_not_revive_a_session(client, service, clock, raw):
    """The use of a session is noted and written later; by then the session may have ended."""
    await client.post("/set", json={"a": 1})
    clock.advance(120)
    await client.get("/read")

    await service.clear_all_sessions()

    assert 0 == await service.flush()
    assert [] == await raw.sessions()
