"""``session.max_age`` belongs to the stored session: it holds for every later cookie until another is set."""

import asyncio
import logging
import re
from functools import partial

import aiohttp_session
import pytest
from aiohttp import web

from bodhi.session import SessionStorage, get_session, new_session, setup
from bodhi.session.handles import digest_of
from session.conftest import IDLE_SECONDS, LIFETIME_SECONDS
from session.old_node import OldNode
from session.pages import cookie_of, sent, set_cookies

HOUR = 3_600
DAY = 86_400
MONTH = 30 * DAY
LONG = {"idle_seconds": MONTH, "lifetime_seconds": 3 * MONTH}


async def login(request):
    """Logs ann in; the query says what her session's max_age becomes, if anything."""
    session = await get_session(request)
    session["user_id"] = request.query.get("user", "ann")
    if chosen := request.query.get("max_age"):
        session.max_age = None if chosen == "none" else int(chosen)
    return web.json_response({"max_age": session.max_age})


async def choose(request):
    """Changes nothing but max_age."""
    session = await get_session(request)
    session.max_age = None if request.query["max_age"] == "none" else int(request.query["max_age"])
    return web.Response()


async def rotate(request):
    """Moves the session to a new id."""
    session = await get_session(request)
    session.rotate(renewed="renewed" in request.query)
    return web.json_response({"max_age": session.max_age})


async def begin(request):
    """Ends the session, and begins another."""
    if "invalidate" in request.query:
        session = await get_session(request)
        session.invalidate()
    else:
        session = await new_session(request)
    session["a"] = 1
    return web.Response()


HANDLERS = {"login": login, "choose": choose, "rotate": rotate, "begin": begin}


@pytest.fixture
async def service(make_service):
    """Timeouts that allow for a month."""
    return await make_service(**LONG)


@pytest.fixture
async def browser(serve, service):
    """A browser at an application that sets no max_age by itself."""
    return await serve(service, **HANDLERS)


def set_up_with(max_age):
    """Both ways to give an application a max_age."""
    return {
        "setup": partial(setup, max_age=max_age),
        "storage": lambda app, service: aiohttp_session.setup(app, SessionStorage(service, max_age=max_age)),
    }


def age_of(response):
    """The Max-Age of the response's cookie; None where it ends with the browser, "" where there is no cookie."""
    lines = set_cookies(response)
    assert 200 == response.status
    if not lines:
        return ""
    found = re.search(r"; Max-Age=(\d+); Expires=", lines[0])
    return int(found[1]) if found else None


async def test_a_rotation_keeps_the_choice(browser):
    """Once and again, in the cookie and for the handler."""
    assert MONTH == age_of(await browser.post(f"/login?max_age={MONTH}"))
    for _ in range(2):
        response = await browser.post("/rotate")
        assert MONTH == age_of(response)
        assert {"max_age": MONTH} == await response.json()


async def test_the_choice_counts_from_the_save_that_sets_it(browser, service, clock):
    """Later changes send no cookie and are one statement; a rotation sends the time that is left; then it ends."""
    begun = clock.now_ms
    await browser.post(f"/login?max_age={10 * DAY}")
    clock.advance(DAY)

    assert "" == age_of(await browser.post("/set", json={"n": 1}))
    response = await browser.post("/rotate")

    assert 9 * DAY == age_of(response)
    assert begun + 10 * DAY * 1000 == (await service.load(cookie_of(response))).record.ends_at
    clock.advance(9 * DAY)
    assert {} == await (await browser.get("/read")).json()


async def test_a_change_of_a_remembered_session_is_one_statement(browser, statements):
    """As of any other: its times and its choice stay as they are."""
    await browser.post(f"/login?max_age={MONTH}")
    statements.clear()

    await browser.post("/set", json={"n": 1})

    assert ["load_session", "save_session"] == statements


async def test_a_renewal_counts_the_choice_anew(browser, clock):
    """As the absolute timeout, from the login."""
    await browser.post(f"/login?max_age={10 * DAY}")
    clock.advance(DAY)

    assert 10 * DAY == age_of(await browser.post("/rotate?renewed"))


@pytest.mark.parametrize("default", [None, DAY])
@pytest.mark.parametrize("chosen", ["none", str(HOUR), str(MONTH)])
async def test_a_login_of_another_user_does_not_inherit_the_choice(chosen, default, serve, service):
    """It gets what the application gives to every session, and its own choice afterwards."""
    browser = await serve(service, install=set_up_with(default)["setup"], **HANDLERS)
    await browser.post(f"/login?max_age={chosen}")

    response = await browser.post("/login?user=bob")

    assert (default, {"max_age": default}) == (age_of(response), await response.json())
    record = (await service.load(cookie_of(response))).record
    assert (default * 1000 if default else 3 * MONTH * 1000) == record.ends_at - record.created_at
    assert default == age_of(await browser.post("/rotate"))
    assert HOUR == age_of(await browser.post(f"/login?user=cy&max_age={HOUR}"))
    assert HOUR == age_of(await browser.post("/rotate"))


async def test_a_choice_before_the_login_is_the_users_own(serve, service):
    """A box was ticked before the way to a login server; and it holds while nobody is logged in afterwards."""

    async def leave(request):
        del (await get_session(request))["user_id"]
        return web.Response()

    browser = await serve(service, **HANDLERS, leave=leave)
    await browser.post("/set", json={"n": 1})
    await browser.post(f"/choose?max_age={DAY}")

    assert DAY == age_of(await browser.post("/login"))
    assert DAY == age_of(await browser.post("/leave"))


@pytest.mark.parametrize("chosen", [HOUR, MONTH])
async def test_another_choice_takes_its_place(chosen, browser, clock):
    """In the cookie at once, and in those that follow."""
    await browser.post(f"/login?max_age={DAY}")
    clock.advance(60)

    assert chosen == age_of(await browser.post(f"/choose?max_age={chosen}"))
    assert chosen == age_of(await browser.post("/rotate"))


async def test_the_same_choice_counts_anew(browser, clock):
    """An application that sets it at every visit keeps its visitors."""
    await browser.post(f"/login?max_age={DAY}")
    clock.advance(DAY - 1)

    assert DAY == age_of(await browser.post(f"/choose?max_age={DAY}"))
    clock.advance(DAY - 1)
    assert {"user_id": "ann"} == await (await browser.get("/read")).json()


async def test_none_ends_it(browser, service):
    """The cookie ends with the browser, at once and after a rotation; the session, by the timeouts."""
    await browser.post(f"/login?max_age={DAY}")

    ended = await browser.post("/choose?max_age=none")
    rotated = await browser.post("/rotate")

    assert (None, None) == (age_of(ended), age_of(rotated))
    record = (await service.load(cookie_of(rotated))).record
    assert 3 * MONTH * 1000 == record.ends_at - record.created_at


@pytest.mark.parametrize("how", ["setup", "storage"])
async def test_a_login_that_is_not_to_be_remembered(how, serve, service):
    """Where the application's own cookies last for a month: nor is it by a later change or rotation."""
    browser = await serve(service, install=set_up_with(MONTH)[how], **HANDLERS)

    assert MONTH == age_of(await browser.post("/set", json={"n": 0}))
    assert None is age_of(await browser.post("/login?max_age=none"))
    assert "" == age_of(await browser.post("/set", json={"n": 1}))
    for page in ("/rotate", "/rotate?renewed"):
        assert None is age_of(await browser.post(page))


async def test_none_again_is_not_written_again(browser, statements):
    """It is known already."""
    await browser.post("/login?max_age=none")
    statements.clear()

    await browser.post("/choose?max_age=none")

    assert ["load_session"] == statements


@pytest.mark.parametrize("how", ["setup", "storage"])
async def test_a_choice_goes_before_the_applications(how, serve, service):
    """Shorter or longer, before and after the login."""
    browser = await serve(service, install=set_up_with(DAY)[how], **HANDLERS)

    assert HOUR == age_of(await browser.post(f"/login?max_age={HOUR}"))
    assert "" == age_of(await browser.post("/set", json={"n": 1}))
    assert HOUR == age_of(await browser.post("/rotate"))
    assert MONTH == age_of(await browser.post(f"/login?user=bob&max_age={MONTH}"))
    assert MONTH == age_of(await browser.post("/rotate"))


@pytest.mark.parametrize("page", ["/begin", "/begin?invalidate"])
async def test_another_session_has_no_choice(page, browser):
    """It belonged to the one that ended."""
    await browser.post(f"/login?max_age={MONTH}")

    assert None is age_of(await browser.post(page))
    assert None is age_of(await browser.post("/rotate"))


async def test_another_node_knows_the_choice(serve, make_service, service):
    """Another process answers the next request, with another default."""
    one = await serve(service, keeps_cookies=False, **HANDLERS)
    other = await serve(await make_service(**LONG), install=set_up_with(DAY)["setup"], keeps_cookies=False, **HANDLERS)

    for chosen, age in ((MONTH, MONTH), ("none", None)):
        cookie = cookie_of(await one.post(f"/login?max_age={chosen}"))
        rotated = await other.post("/rotate", headers=sent(cookie))
        assert age == age_of(rotated)
        assert age == age_of(await one.post("/rotate", headers=sent(cookie_of(rotated))))


async def test_of_two_requests_the_one_that_chooses_decides(serve, service, hold):
    """A request that loaded the session before rotates it after: its cookie follows the choice."""
    held = hold(lambda session: session.rotate())
    browser = await serve(service, held=held.handler, keeps_cookies=False, **HANDLERS)
    headers = sent(cookie_of(await browser.post("/login")))
    rotating = asyncio.create_task(browser.post("/held", headers=headers))
    await held.reached()

    await browser.post(f"/choose?max_age={DAY}", headers=headers)
    held.go_on()

    assert DAY == age_of(await rotating)


@pytest.mark.parametrize("max_age", [LIFETIME_SECONDS + 1, 10 * LIFETIME_SECONDS])
async def test_the_cookie_ends_with_the_session(max_age, serve, make_service, clock, caplog):
    """By the absolute timeout, however long it was to be; a warning says so, once."""
    browser = await serve(await make_service(), **HANDLERS)
    caplog.set_level(logging.WARNING, "bodhi.session")

    assert LIFETIME_SECONDS == age_of(await browser.post(f"/login?max_age={max_age}"))
    clock.advance(600)
    assert LIFETIME_SECONDS - 600 == age_of(await browser.post("/rotate"))
    assert LIFETIME_SECONDS - 600 == age_of(await browser.post(f"/choose?max_age={max_age}"))

    (warning,) = [line for line in caplog.messages if "max_age" in line]
    assert f"max_age {max_age} " in warning
    assert f"idle_seconds={IDLE_SECONDS} lifetime_seconds={LIFETIME_SECONDS}" in warning


@pytest.mark.parametrize(("max_age", "warnings"), [(IDLE_SECONDS, 0), (IDLE_SECONDS + 1, 1)])
async def test_a_choice_beyond_the_idle_timeout_warns(max_age, warnings, serve, make_service, caplog):
    """The application's too: without a request for so long the session ends, whatever the cookie says."""
    browser = await serve(await make_service(), install=set_up_with(max_age)["setup"], **HANDLERS)
    caplog.set_level(logging.WARNING, "bodhi.session")

    for number in range(2):
        assert max_age == age_of(await browser.post("/set", json={"n": number}))

    assert warnings == len([line for line in caplog.messages if "max_age" in line])


async def test_no_time_ends_the_session_at_once(browser, service):
    """The cookie says the same."""
    response = await browser.post("/login?max_age=0")

    assert 0 == age_of(response)
    assert await service.load(cookie_of(response)) is None


async def test_atomic_changes_leave_the_choice(browser, service):
    """With or without an end of their own."""
    session_id = cookie_of(await browser.post(f"/login?max_age={MONTH}"))

    for options in ({}, {"max_age_seconds": DAY}):
        await service.atomically(digest_of(session_id), lambda data, _: data.update(n=len(data)), **options)
        assert MONTH == (await service.load(session_id)).record.chosen_max_age

    assert DAY == age_of(await browser.post("/rotate"))


class TestBesideVersion010:
    """Nodes of 0.1.0 go on, on the migrated database."""

    @pytest.fixture
    def has_tables(self):
        """None: the node of 0.1.0 makes its own."""
        return False

    @pytest.fixture
    async def old_node(self, database_url, clock):
        """It was there first."""
        async with OldNode.on(database_url, clock) as node:
            yield node

    async def test_rows_of_before_have_no_choice(self, old_node, serve, make_service):
        """The application's max_age holds for them, until one is chosen."""
        cookie = await old_node.create({"user_id": "ann"})
        service = await make_service(**LONG)
        plain = await serve(service, keeps_cookies=False, **HANDLERS)
        by_setup = await serve(service, install=set_up_with(DAY)["setup"], keeps_cookies=False, **HANDLERS)

        for browser, age in ((plain, None), (by_setup, DAY)):
            response = await browser.post("/rotate", headers=sent(cookie))
            assert age == age_of(response)
            cookie = cookie_of(response)
        assert HOUR == age_of(await by_setup.post(f"/choose?max_age={HOUR}", headers=sent(cookie)))
        assert HOUR == age_of(await plain.post("/rotate", headers=sent(cookie)))

    async def test_an_old_node_leaves_the_choice(self, old_node, serve, make_service):
        """Whether it saves the session or moves it."""
        browser = await serve(await make_service(), keeps_cookies=False, **HANDLERS)
        cookie = cookie_of(await browser.post(f"/login?max_age={HOUR}"))

        await old_node.save(cookie, n=1)
        moved = await old_node.rotate(cookie, n=2)

        assert HOUR == age_of(await browser.post("/rotate", headers=sent(moved)))
