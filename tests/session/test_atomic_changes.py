"""``session.atomically()``: what only one of several requests may have."""

import asyncio

import pytest
from aiohttp import web

from bodhi.session import Session, SessionError, SessionGone, get_session
from session.pages import cookie_of, sent


def take(data, now_ms):
    """Takes the ticket out of the session, and leaves a note that it was there."""
    data["taken"] = True
    return data.pop("ticket", None)


async def test_of_concurrent_atomic_changes_one_takes_the_value(service, serve):
    """However many ask at the same time; the others find it gone."""

    async def handler(request):
        session = await get_session(request)
        return web.json_response(await session.atomically(take))

    client = await serve(service, take=handler)
    await client.post("/set", json={"ticket": "t-1"})

    answers = await asyncio.gather(*(client.post("/take") for _ in range(20)))

    assert ["t-1"] == [ticket for answer in answers if (ticket := await answer.json())]
    assert {"taken": True} == await (await client.get("/read")).json()


@pytest.mark.parametrize("given", [{}, {"visits": 1}])
async def test_atomic_change_before_the_first_save_names_what_to_do(service, serve, given):
    """A session without a row has nothing to lock; once it is saved, the same call works."""

    async def handler(request):
        session = await get_session(request)
        session.update(given)
        with pytest.raises(SessionGone, match=r"^the session is not stored yet: save it first$"):
            await session.atomically(take)
        session["ticket"] = "t-1"
        await session.save()
        return web.json_response(await session.atomically(take))

    client = await serve(service, take=handler)

    assert "t-1" == await (await client.post("/take")).json()
    assert {**given, "taken": True} == await (await client.get("/read")).json()


async def test_an_atomic_change_after_a_logout_has_no_session_to_change(service, serve):
    """As before the first save."""

    async def handler(request):
        session = await get_session(request)
        session.invalidate()
        await session.save()
        with pytest.raises(SessionGone, match="is not stored yet"):
            await session.atomically(take)
        return web.Response()

    client = await serve(service, end=handler)
    await client.post("/set", json={"ticket": "t-1"})

    assert 200 == (await client.post("/end")).status


async def test_pending_changes_are_saved_after_an_atomic_change(service, serve, other_node):
    """What the request changed before is saved after it, beside what others saved meanwhile."""
    cookie = None

    async def handler(request):
        session = await get_session(request)
        session["mine"] = [1]
        await other_node.http("POST", "/set", cookie=cookie, json={"theirs": 2})
        seen = await session.atomically(lambda data, _: dict(data))
        session["mine"].append(3)
        return web.json_response(seen)

    client = await serve(service, change=handler)
    cookie = cookie_of(await client.post("/set", json={"ticket": "t-1"}))

    seen = await (await client.post("/change")).json()

    assert {"ticket": "t-1", "theirs": 2} == seen
    assert {"ticket": "t-1", "theirs": 2, "mine": [1, 3]} == await (await client.get("/read")).json()


async def test_a_change_that_changes_nothing_writes_nothing(service, statements):
    """A question costs one locked read."""
    session_id, _ = await service.create({"ticket": "t-1"})
    session = await service.load(session_id)
    statements.clear()

    after, answer = await service.atomically(session.record.digest, lambda data, _: data["ticket"])

    assert ("t-1", session.record.version) == (answer, after.record.version)
    assert ["lock_session"] == statements


async def test_atomic_change_receives_the_database_time(service, clock):
    """Nodes whose clocks differ agree on it."""
    _, session = await service.create({"ticket": "t-1"})
    clock.advance(7)

    _, now_ms = await service.atomically(session.record.digest, lambda _, now_ms: now_ms)

    assert clock.now_ms == now_ms


async def test_atomic_change_of_an_ended_session_fails(service):
    """Deleted stays deleted."""
    session_id, session = await service.create({"ticket": "t-1"})
    await service.delete(session.record.digest)

    with pytest.raises(SessionGone):
        await service.atomically(session.record.digest, take)
    assert await service.load(session_id) is None


@pytest.mark.parametrize("change", [dict.clear, lambda data: data.update(user_id="mallory")])
async def test_atomic_change_must_not_empty_a_session_or_change_its_user(service, change):
    """That would end the session or make it another user's without a new id; nothing of it is saved."""
    session_id, session = await service.create({"ticket": "t-1"})

    with pytest.raises(SessionError):
        await service.atomically(session.record.digest, lambda data, _: change(data))
    assert {"ticket": "t-1"} == (await service.load(session_id)).data


async def test_an_error_in_the_change_saves_nothing(service):
    """The transaction is rolled back, and the next request finds the row free."""
    session_id, session = await service.create({"ticket": "t-1"})

    def fail(data, _):
        del data["ticket"]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await service.atomically(session.record.digest, fail)
    assert {"ticket": "t-1"} == (await service.load(session_id)).data


async def test_a_new_time_to_live_counts_from_the_change(service, clock):
    """A second step of a login gives it its ten minutes again."""
    session_id, session = await service.create({"ticket": "t-1"}, max_age_seconds=600)
    clock.advance(500)
    await service.atomically(session.record.digest, take, max_age_seconds=600)
    clock.advance(599)

    assert await service.load(session_id) is not None
    clock.advance(1)
    assert await service.load(session_id) is None


async def test_a_short_row_under_a_plain_cookie(service, serve, clock):
    """``row_seconds`` ends the row; the cookie says nothing of it and ends with the browser."""

    async def handler(request):
        session = await get_session(request)
        session["step"] = 1
        session.row_seconds = 600
        return web.Response()

    client = await serve(service, begin=handler, keeps_cookies=False)
    response = await client.post("/begin")
    cookie = cookie_of(response)

    assert "max-age" not in response.headers["Set-Cookie"].lower()
    clock.advance(599)
    assert {"step": 1} == await (await client.get("/read", headers=sent(cookie))).json()
    clock.advance(1)
    assert {} == await (await client.get("/read", headers=sent(cookie))).json()


async def test_requests_that_go_on_from_the_same_session_share_no_values(service):
    """A nested value that one of them changes is not the other's."""
    session_id, first = await service.create({"cart": {"items": []}})
    one, two = Session(await service.load(session_id)), Session(await service.load(session_id))
    newer, _ = await service.atomically(first.record.digest, lambda data, _: data["cart"]["items"].append(1))
    one.adopt(newer)
    two.adopt(newer)
    one["cart"]["items"].append(2)

    assert [1] == two["cart"]["items"]
    assert (True, False) == (one.is_changed, two.is_changed)
