"""Promise 7: a login moves the session to a new id in one transaction, or fails."""

import asyncio

import pytest
from aiohttp import web
from aiohttp_session import new_session

from bodhi.session import get_session
from bodhi.session.handles import digest_of
from session.pages import cookie_of, sent

STRANGER = "A" * 43


async def rotate(request):
    """A change of privilege that says so itself."""
    session = await get_session(request)
    session.rotate()
    return web.Response()


async def login_anew(request):
    """A login as aiohttp-session's documentation recommends it."""
    session = await new_session(request)
    session["user_id"] = "alice"
    return web.Response()


PRIVILEGE_CHANGES = {
    "login": "/login/alice",
    "login with new_session": "/anew",
    "rotate": "/rotate",
}


@pytest.fixture
async def site(serve, service):
    """A browser without a cookie jar."""
    return await serve(service, keeps_cookies=False, rotate=rotate, anew=login_anew)


@pytest.mark.parametrize("path", PRIVILEGE_CHANGES.values(), ids=PRIVILEGE_CHANGES)
async def test_a_change_of_privilege_gives_a_new_id(path, site, service):
    """The ids before and after differ, and the old one is dead at once."""
    before = cookie_of(await site.post("/set", json={"cart": 1}))

    after = cookie_of(await site.post(path, headers=sent(before)))

    assert after not in (None, "", before)
    assert "{}" == await (await site.get("/read", headers=sent(before))).text()
    assert await service.load(after) is not None
    assert 1 == await service.count_sessions()


@pytest.mark.parametrize(
    ("user_id", "path"),
    [(None, "/login/alice"), ("alice", "/login/bob"), ("alice", "/remove/user_id")],
    ids=["login", "another user", "back to nobody"],
)
async def test_every_change_of_the_user_rotates(user_id, path, site, service):
    """Whoever the session belongs to, and to nobody after it: each change has an id of its own."""
    data = {"cart": 1} if user_id is None else {"cart": 1, "user_id": user_id}
    before = cookie_of(await site.post("/set", json=data))

    after = cookie_of(await site.post(path, headers=sent(before)))

    assert after not in (None, "", before)
    assert await service.load(before) is None
    assert 1 == (await service.load(after)).data["cart"]


async def test_saving_without_a_change_of_user_keeps_the_id(site):
    """Setting the same user again is no login."""
    cookie = cookie_of(await site.post("/login/alice"))

    assert cookie_of(await site.post("/login/alice", headers=sent(cookie))) is None
    assert cookie_of(await site.post("/set", json={"a": 1}, headers=sent(cookie))) is None


async def test_a_rotation_keeps_the_data_and_drops_none(site, service):
    """What the visitor had put into the cart is still there after the login."""
    before = cookie_of(await site.post("/set", json={"cart": ["apple"], "theme": "dark"}))

    after = cookie_of(await site.post("/login/alice", headers=sent(before)))

    assert {"cart": ["apple"], "theme": "dark", "user_id": "alice"} == (await service.load(after)).data


async def test_new_session_starts_empty(site, service):
    """It takes the old session's place, not its data."""
    before = cookie_of(await site.post("/set", json={"cart": ["apple"]}))

    after = cookie_of(await site.post("/anew", headers=sent(before)))

    assert {"user_id": "alice"} == (await service.load(after)).data
    assert await service.load(before) is None


async def test_the_move_is_one_transaction(site, statements):
    """There is no moment with both ids or with none."""
    before = cookie_of(await site.post("/set", json={"cart": 1}))
    statements.clear()

    await site.post("/login/alice", headers=sent(before))

    assert ["load_session", "lock_session", "rotate_session"] == statements


@pytest.mark.parametrize("path", PRIVILEGE_CHANGES.values(), ids=PRIVILEGE_CHANGES)
@pytest.mark.parametrize("error", [None, RuntimeError("a bug")], ids=["outage", "bug"])
async def test_a_rotation_that_fails_fails_the_login(path, error, site, service, break_store, raw):
    """No success, no cookie, and no logged-in row under the old id or another; the visitor is as before."""
    before = cookie_of(await site.post("/set", json={"cart": 1}))
    rows = await raw.sessions()
    break_store(service, "locked", "create", error=error)

    response = await site.post(path, headers=sent(before))

    assert (500 if error else 503, None) == (response.status, cookie_of(response))
    assert rows == await raw.sessions()
    assert '{"cart": 1}' == await (await site.get("/read", headers=sent(before))).text()


async def test_a_rotation_that_fails_half_way_is_undone(site, service, monkeypatch, raw):
    """A failure after the row has moved, and before the transaction ends, moves it back."""
    before = cookie_of(await site.post("/set", json={"cart": 1}))
    rows = await raw.sessions()

    async def failing(*_, **__):
        raise RuntimeError("a bug")

    monkeypatch.setattr(service.get_session_store(), "_trim_user", failing)
    for path in ("/login/alice", "/anew"):
        assert 500 == (await site.post(path, headers=sent(before))).status

    assert rows == await raw.sessions()


async def _planted(kind, service, other, clock):
    """An id of a kind that must not be adopted."""
    if kind == "unknown":
        return STRANGER
    if kind == "malformed":
        return "my-session"
    session_id, stored = await (other if kind == "another key's" else service).create({"cart": 1})
    if kind == "expired":
        clock.advance(100_000)
    elif kind == "deleted":
        await service.delete(stored.record.digest)
    elif kind == "rotated away":
        await service.rotate(stored, stored.data)
    clock.advance(60)  # what ended a moment ago begins no session at all: see promise 1
    return session_id


async def test_an_id_that_the_client_chose_is_never_adopted(site, service, make_service, clock, subtests):
    """Whatever the browser sends, a session that begins has an id of bodhi's making."""
    other = await make_service(keys=["k" * 40])
    for kind in ("unknown", "expired", "deleted", "rotated away", "malformed", "another key's"):
        for path in ("/login/alice", "/anew", "/set"):
            with subtests.test(kind, path=path):
                planted = await _planted(kind, service, other, clock)

                response = await site.post(path, json={"a": 1}, headers=sent(planted))

                issued = cookie_of(response)
                assert 200 == response.status
                assert issued not in (None, "", planted)
                assert 43 == len(issued)
                assert await service.load(planted) is None
                assert "cart" not in (await service.load(issued)).data


async def test_two_logins_of_one_session_give_one_session(site, service, hold, serve):
    """The second of two logins at once finds its session gone and fails: it must not leave a second way in."""
    held = hold(lambda session: session.update(user_id="mallory"))
    client = await serve(service, keeps_cookies=False, held=held.handler)
    before = cookie_of(await client.post("/set", json={"cart": 1}))
    slow = asyncio.create_task(client.get("/held", headers=sent(before)))
    await held.reached()

    fast = await client.post("/login/alice", headers=sent(before))
    held.go_on()
    late = await slow

    assert (401, None) == (late.status, cookie_of(late))
    assert 1 == await service.count_sessions()
    assert "alice" == (await service.load(cookie_of(fast))).data["user_id"]


async def test_a_response_with_the_old_id_leaves_the_new_cookie_alone(site, service, hold, serve):
    """A slow page of another tab, asked for before the login, does not take the login's cookie away."""
    held = hold()
    client = await serve(service, held=held.handler)
    await client.post("/set", json={"cart": 1})
    slow = asyncio.create_task(client.get("/held"))
    await held.reached()

    after = cookie_of(await client.post("/login/alice"))
    held.go_on()
    late = await slow

    assert (200, None) == (late.status, cookie_of(late))
    assert {"cart": 1, "user_id": "alice"} == await (await client.get("/read")).json()
    assert {"cart": 1, "user_id": "alice"} == (await service.load(after)).data


async def test_a_taken_id_is_never_overwritten(site, service, monkeypatch, raw):
    """A generator that repeats itself gets no stranger's session: another id is drawn, and the row stays as it is."""
    taken = cookie_of(await site.post("/set", json={"stranger": True}))
    rows = await raw.sessions()
    drawn = iter([taken, taken, "B" * 43, taken, "C" * 43])
    monkeypatch.setattr("bodhi.session.manager.new_session_id", lambda: next(drawn))

    first = cookie_of(await site.post("/set", json={"a": 1}))
    second = cookie_of(await site.post("/login/alice", headers=sent(first)))

    assert ("B" * 43, "C" * 43) == (first, second)
    assert rows[0] in await raw.sessions()
    assert {digest_of(taken), digest_of(second)} == {row["digest"] for row in await raw.sessions()}


@pytest.mark.parametrize("path", ["/set", "/login/alice", "/anew"])
async def test_a_generator_that_only_repeats_itself_fails_the_request(path, site, monkeypatch, raw):
    """An id that is in use is not given out, however often it is drawn; the visitor's own session is as it was."""
    taken = cookie_of(await site.post("/set", json={"stranger": True}))
    own = cookie_of(await site.post("/set", json={"own": True})) if path != "/set" else None
    rows = await raw.sessions()
    monkeypatch.setattr("bodhi.session.manager.new_session_id", lambda: taken)

    response = await site.post(path, json={"a": 1}, headers=sent(own) if own else {})

    assert (500, None) == (response.status, cookie_of(response))
    assert rows == await raw.sessions()


async def test_without_randomness_there_is_no_session(site, monkeypatch, raw):
    """There is no fallback to a weaker generator."""

    def broken(_):
        raise OSError("no randomness")

    monkeypatch.setattr("secrets.token_urlsafe", broken)

    response = await site.post("/set", json={"a": 1})

    assert (500, None) == (response.status, cookie_of(response))
    assert [] == await raw.sessions()


async def test_a_rotation_keeps_its_session_when_it_is_emptied(site, service, raw, serve):
    """A session that holds nothing any more is not rotated but ended: there are no empty sessions."""

    async def empty(request):
        session = await get_session(request)
        session.clear()
        session.rotate()
        return web.Response()

    client = await serve(service, keeps_cookies=False, empty=empty)
    cookie = cookie_of(await client.post("/login/alice"))

    response = await client.post("/empty", headers=sent(cookie))

    assert (200, "") == (response.status, cookie_of(response))
    assert [] == await raw.sessions()


async def test_rotating_a_session_that_is_not_stored_makes_none(serve, service, raw):
    """A visitor without a session has nothing to move."""
    client = await serve(service, rotate=rotate)

    response = await client.post("/rotate")

    assert (200, None) == (response.status, cookie_of(response))
    assert [] == await raw.sessions()
