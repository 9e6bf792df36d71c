"""Promise 10: a visitor who stored nothing has no row and no cookie, and costs no query."""

import asyncio

import pytest
from aiohttp import web
from aiohttp_session import new_session

from bodhi.session import get_session
from session.pages import cookie_of, sent

VISITS = 1_000
UNKNOWN = "u" * 43


async def _visits(client, method, path, count=VISITS):
    """The statuses and the cookies of many requests, ten at a time."""
    outcomes = set()

    async def some():
        for _ in range(count // 10):
            async with client.request(method, path) as response:
                outcomes.add((response.status, cookie_of(response)))

    await asyncio.gather(*(some() for _ in range(10)))
    return outcomes


async def test_a_thousand_anonymous_visits_leave_nothing(bare_client, raw, statements):
    """No rows, no cookies, no queries."""
    statements.clear()

    assert {(200, None)} == await _visits(bare_client, "GET", "/read")

    assert [] == statements
    assert [] == await raw.sessions()


async def _only_looks(session):
    session.get("a")
    assert "a" not in session
    assert 0 == len(session)
    session.pop("a", None)
    session.setdefault  # noqa: B018 - looked at, not called


async def _asks_for_a_save(session):
    session.changed()


async def _sets_and_removes(session):
    session["a"] = 1
    del session["a"]


async def _empties(session):
    session.update(a=1)
    session.clear()


async def _logs_out(session):
    session.invalidate()


async def _rotates(session):
    session.rotate()


async def _saves(session):
    await session.save()


async def _max_age(session):
    session.max_age = 60


NOTHINGS = [_only_looks, _asks_for_a_save, _sets_and_removes, _empties, _logs_out, _rotates, _saves, _max_age]


@pytest.mark.parametrize("get", [get_session, new_session])
async def test_storing_nothing_makes_no_session(get, serve, service, raw, statements, subtests):
    """Whatever a handler does with a session that stays empty: no row, no write, and no cookie but a logout's."""

    async def handler(request):
        await NOTHINGS[int(request.query["nothing"])](await get(request))
        return web.Response()

    client = await serve(service, keeps_cookies=False, nothing=handler)
    for number, nothing in enumerate(NOTHINGS):
        for cookie in (None, UNKNOWN, "malformed"):
            statements.clear()
            with subtests.test(nothing.__name__, cookie=cookie):
                headers = sent(cookie) if cookie else {}
                response = await client.get("/nothing", params={"nothing": number}, headers=headers)

                removed = nothing is _logs_out and cookie is not None
                assert (200, "" if removed else None) == (response.status, cookie_of(response))
                if get is get_session:
                    # A logout waits until a standby knows as well that there is none.
                    ended = ["delete_session"] if nothing is _logs_out else []
                    assert (["load_session", *ended] if cookie == UNKNOWN else []) == statements
                assert [] == await raw.sessions()


async def test_an_unknown_cookie_costs_no_write(bare_client, raw, statements):
    """One look, and nothing else."""
    statements.clear()

    response = await bare_client.get("/read", headers=sent(UNKNOWN))

    assert (200, None) == (response.status, cookie_of(response))
    assert ["load_session"] == statements
    assert [] == await raw.sessions()


MALFORMED = [
    "",
    "x",
    "u" * 42,
    "u" * 44,
    "u" * 42 + "=",
    "u" * 42 + "+",
    '"' + "u" * 43 + '"',
    "u" * 21 + " " + "u" * 21,
    "u" * 5000,
]


async def test_a_malformed_cookie_costs_no_query(bare_client, statements, subtests):
    """What cannot be an id is not looked up."""
    statements.clear()
    for value in MALFORMED:
        with subtests.test(value=value[:50]):
            response = await bare_client.get("/read", headers=sent(value))

            assert (200, "{}", None) == (response.status, await response.text(), cookie_of(response))
            assert [] == statements


@pytest.mark.parametrize("cookie", [None, UNKNOWN, "malformed"])
async def test_what_a_new_session_costs(cookie, bare_client, statements):
    """One look at the clock, for which its data is encrypted, and one insert; an unknown id is looked up twice.

    The second time among the sessions that ended moments ago.
    """
    statements.clear()

    await bare_client.post("/set", json={"a": 1}, headers=sent(cookie) if cookie else {})

    looked_up = ["load_session", "recent_end"] if cookie == UNKNOWN else []
    assert [*looked_up, "read_beginning", "create_session"] == statements


EMPTYINGS = {
    "clear": lambda session: session.clear(),
    "pop": lambda session: [session.pop(key) for key in list(session)],
    "invalidate": lambda session: session.invalidate(),
}


async def test_an_emptied_session_is_gone(serve, service, raw, subtests):
    """Its row and its cookie go, whoever's it was: an empty session does not exist."""

    async def empty(request):
        EMPTYINGS[request.query["how"]](await get_session(request))
        return web.Response()

    client = await serve(service, empty=empty)
    for how in EMPTYINGS:
        for start in ({"a": 1}, {"user_id": "alice"}, {"user_id": "alice", "a": 1}):
            with subtests.test(how, start=start):
                await client.post("/set", json=start)
                assert 1 == len(await raw.sessions())

                response = await client.get("/empty", params={"how": how})

                assert (200, "") == (response.status, cookie_of(response))
                assert [] == await raw.sessions()


async def test_a_session_saved_and_ended_in_one_request_leaves_no_cookie(serve, service, raw):
    """The browser of a first visitor never hears of a session that is over before the response."""

    async def handler(request):
        session = await get_session(request)
        session["a"] = 1
        await session.save()
        session.invalidate()
        return web.Response()

    client = await serve(service, both=handler)

    response = await client.get("/both")

    assert cookie_of(response) in (None, ""), "no id of a session that is gone"
    assert [] == await raw.sessions()


async def test_pages_without_a_session_say_nothing_of_it(client, statements):
    """Whoever does not ask for the session may be cached, and costs nothing, cookie or not."""
    await client.post("/set", json={"a": 1})
    statements.clear()

    response = await client.get("/plain")

    assert [] == statements
    assert not {"Vary", "Cache-Control", "Set-Cookie"} & set(response.headers)
