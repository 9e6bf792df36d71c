"""Promise 1: a request that was sent before a login or a logout begins no session in the place of the browser's."""

import asyncio

import pytest
from aiohttp import web

from bodhi.session import get_session, new_session
from bodhi.session.handles import digest_of, handle_of
from session.pages import cookie_of, sent


class WaitingRequest:
    """A handler that waits before it asks for its session and stores a key."""

    def __init__(self):
        self._arrived = asyncio.Event()
        self._may_go_on = asyncio.Event()

    async def handler(self, request):
        """Answer what the session holds after the change."""
        self._arrived.set()
        await self._may_go_on.wait()
        session = await get_session(request)
        session["polled"] = True
        return web.json_response(dict(session))

    async def arrived(self):
        """Return once a request waits."""
        async with asyncio.timeout(60):
            await self._arrived.wait()

    def go_on(self):
        """Let the request ask for its session."""
        self._may_go_on.set()


@pytest.fixture
def waiting():
    """A request under way that has not asked for its session."""
    return WaitingRequest()


async def _logged_in(node, cookie):
    assert (await node.http("POST", "/login/alice", cookie=cookie))["cookie"]


async def _logged_out(node, cookie):
    assert "" == (await node.http("POST", "/logout", cookie=cookie))["cookie"]


async def _revoked(node, cookie):
    assert await node.call("revoke_session", handle_of(digest_of(cookie)))


async def _cleared(node, cookie):
    assert 1 == await node.call("clear_all_sessions")


async def test_a_request_sent_before_the_login_does_not_log_out(serve, service, waiting, raw):
    """The browser that polls stays logged in."""
    client = await serve(service, poll=waiting.handler)
    await client.post("/set", json={"cart": 1})
    poll = asyncio.create_task(client.get("/poll"))
    await waiting.arrived()
    await client.post("/login/alice")

    waiting.go_on()
    response = await poll

    assert (200, None, {"polled": True}) == (response.status, cookie_of(response), await response.json())
    assert 1 == len(await raw.sessions())
    assert {"cart": 1, "user_id": "alice"} == await (await client.get("/read")).json()


@pytest.mark.parametrize("ending", [_logged_in, _logged_out, _revoked, _cleared])
async def test_a_request_under_way_begins_no_session_where_its_own_ended_elsewhere(
    ending, serve, service, waiting, other_node, raw
):
    """On another node, and however it ended."""
    client = await serve(service, keeps_cookies=False, poll=waiting.handler)
    cookie = cookie_of(await client.post("/set", json={"cart": 1}))
    poll = asyncio.create_task(client.get("/poll", headers=sent(cookie)))
    await waiting.arrived()
    await ending(other_node, cookie)
    sessions = len(await raw.sessions())

    waiting.go_on()
    response = await poll

    assert (200, None) == (response.status, cookie_of(response))
    assert sessions == len(await raw.sessions())


async def test_a_request_that_arrives_just_after_the_login_begins_no_session(bare_client, clock):
    """The browser sent both at once, and the slower one has the old id."""
    before = cookie_of(await bare_client.post("/set", json={"cart": 1}))
    await bare_client.post("/login/alice", headers=sent(before))
    clock.advance(5)

    assert cookie_of(await bare_client.post("/set", json={"late": True}, headers=sent(before))) is None


async def test_a_request_that_waited_for_long_begins_no_session(serve, service, waiting, clock, monkeypatch):
    """However long it was under way after the login."""
    now = [1000.0]
    monkeypatch.setattr("bodhi.session.request_session.monotonic", lambda: now[0])
    client = await serve(service, poll=waiting.handler)
    await client.post("/set", json={"cart": 1})
    poll = asyncio.create_task(client.get("/poll"))
    await waiting.arrived()
    await client.post("/login/alice")
    clock.advance(300)
    now[0] += 300

    waiting.go_on()

    assert cookie_of(await poll) is None


@pytest.mark.parametrize(
    ("path", "seconds"),
    [("/logout", 1), ("/login/alice", 11), ("/logout", -3600), ("/login/alice", -3600), ("/login/alice", -11)],
)
async def test_a_request_of_later_begins_a_session(path, seconds, bare_client, clock):
    """After an end at once, since the browser holds no other session; after a login some seconds later.

    Also where the clock of the database was set back meanwhile.
    """
    before = cookie_of(await bare_client.post("/set", json={"cart": 1}))
    await bare_client.post(path, headers=sent(before))
    clock.advance(seconds)

    assert cookie_of(await bare_client.post("/set", json={"a": 1}, headers=sent(before))) not in {None, before}


@pytest.mark.parametrize("how", ["login", "new_session", "rotate"])
async def test_what_asks_for_a_session_gets_one(how, serve, service, raw):
    """A login is never passed over, nor is a session that the handler begins by itself."""

    async def begin(request):
        session = await (new_session(request) if how == "new_session" else get_session(request))
        session["user_id" if how == "login" else "a"] = "bob"
        if how == "rotate":
            session.rotate()
        return web.Response()

    client = await serve(service, keeps_cookies=False, begin=begin)
    before = cookie_of(await client.post("/set", json={"cart": 1}))
    await client.post("/logout", headers=sent(before))

    assert cookie_of(await client.get("/begin", headers=sent(before))) not in {None, "", before}
    assert 1 == len(await raw.sessions())


async def test_a_session_that_expired_is_replaced_at_once(bare_client, clock):
    """Nobody ended it: the browser holds no other one."""
    before = cookie_of(await bare_client.post("/set", json={"cart": 1}))
    clock.advance(3_600)

    assert cookie_of(await bare_client.post("/set", json={"a": 1}, headers=sent(before))) not in {None, before}


async def test_ends_are_not_kept_for_long(service, raw, clock):
    """Nor is what they were: their rows hold no more than digests and times, and a sweep deletes the old ones."""
    for _ in range(3):
        session_id, _ = await service.create({"a": 1})
        await service.delete(digest_of(session_id))
    assert 3 == len(await raw.rows("SELECT digest FROM bodhi_session_ended"))
    clock.advance(600)

    await service.sweep()

    assert [] == await raw.rows("SELECT digest FROM bodhi_session_ended")


async def test_the_number_of_ends_is_bounded(service, raw, clock, monkeypatch):
    """A sweep deletes the oldest ones of too many."""
    monkeypatch.setattr("bodhi.session.sql_store.upkeep.MOST_ENDED", 2)
    digests = []
    for _ in range(5):
        session_id, _ = await service.create({"a": 1})
        digests.append(digest_of(session_id))
        await service.delete(digests[-1])
        clock.advance(1)

    await service.sweep()

    rows = await raw.rows("SELECT digest FROM bodhi_session_ended ORDER BY ended_at")
    assert digests[-2:] == [bytes(row["digest"]) for row in rows]
