"""Logins that a browser without a session begins: in an encrypted cookie of it, and nowhere else."""

import base64
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import DummyCookieJar
from yarl import URL

from bodhi.server.login.api import LOGIN
from bodhi.server.login.begun_logins import LONGEST
from bodhi.session import SESSIONS
from server.login.conftest import Browser
from support.raw_database import RawDatabase

NAME = "bodhi_login"
START = "/bodhi/v1/auth/initiate"
OLD_KEY = "an-old-key-for-tests-of-at-least-32-characters"
NEW_KEY = "a-new-key-for-tests-of-at-least-32-characters"


def cookie_of(browser):
    """The cookie of the logins that the browser has begun."""
    return next((cookie.value for cookie in browser.session.cookie_jar if cookie.key == NAME), None)


def decoded(value):
    """The bytes in a cookie's value."""
    return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))


async def code_of(response):
    """Status and code of an error."""
    return response.status, (await response.json())["error"]["code"]


async def row_counts(database_url):
    """How many rows the tables have that a login writes to."""
    tables = ("bodhi_session", "bodhi_logout_token", "bodhi_provider_session", "bodhi_person")
    async with RawDatabase(database_url) as raw:
        return [len(await raw.rows(f"SELECT 1 FROM {table}")) for table in tables]


@pytest.fixture
async def finish_with(server):
    """Finishes a login with a cookie of the test's own."""
    async with Browser(server, cookie_jar=DummyCookieJar()) as stranger:

        async def finish(cookie, answer, browser=stranger):
            headers = {} if cookie is None else {"Cookie": cookie}
            return await browser.post("/bodhi/v1/auth/callback", json=answer, headers=headers)

        yield finish


async def answer_to(browser, provider, start=START):
    """The provider's answer to a login that the browser begins."""
    location = (await (await browser.post(start)).json())["location"]
    return dict(URL(await provider.log_in_url(location)).query)


async def test_no_anonymous_request_of_a_login_makes_a_row(browser, open_browser, server, provider, database_url):
    """Neither starts, by one browser or by many, nor answers to none of them."""
    for _ in range(20):
        await browser.begin()
        stranger = await open_browser(server)
        await stranger.begin()
        assert 303 == (await stranger.post("/ui/login", allow_redirects=False)).status
        assert 400 == (await stranger.finish({"code": "guessed", "state": "x" * 32})).status
        assert 400 == (await stranger.finish({**await answer_to(stranger, provider), "code": "guessed"})).status
        assert 400 == (await stranger.finish({**await answer_to(stranger, provider), "error": "denied"})).status

    assert [0, 0, 0, 0] == await row_counts(database_url)
    assert {NAME} == {cookie.key for cookie in browser.session.cookie_jar}


async def test_the_cookie_is_bounded(browser, provider):
    """At most five logins in three kilobytes, the newest of them, however long the pages are to which they lead."""
    pages = ["/" + str(number) * 600 for number in range(9)]
    answers = [await answer_to(browser, provider, URL(START).with_query(return_to=page)) for page in pages]
    assert 2_000 < len(cookie_of(browser)) <= LONGEST

    response = await browser.finish(answers[-1])
    assert URL((await response.json())["location"]).path == pages[-1]


async def test_one_page_that_is_too_long_is_forgotten_rather_than_the_login(start_server, open_browser, provider):
    """It leads home then: on a host with a long name, where the callback's address takes the room."""
    server = await start_server()
    browser = await open_browser(server)
    begun = server.app[LOGIN].logins.begin

    async def long_host(callback_url, **options):
        started = await begun(callback_url, **options)
        return replace(started, transaction={**started.transaction, "callback_url": "http://" + "h" * 300})

    server.app[LOGIN].logins.begin = long_host
    await browser.post(URL(START).with_query(return_to="/" + "x" * 1_999))

    assert 500 < len(cookie_of(browser)) <= LONGEST


async def test_the_cookie_shows_nothing(browser, provider):
    """Neither what binds the answer to the browser, nor where the login leads to, in any encoding."""
    location = (await (await browser.post(URL(START).with_query(return_to="/secret/report"))).json())["location"]
    sealed = cookie_of(browser)
    opened = sealed.encode() + decoded(sealed)

    for value in [parse_qs(urlsplit(location).query)[name][0] for name in ("state", "nonce")] + ["secret", "http"]:
        assert value.encode() not in opened


def flipped(value, place):
    """*value* with one bit of its bytes changed."""
    sealed = bytearray(decoded(value))
    sealed[place] ^= 1
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


HOSTILE = {
    "none": lambda _: None,
    "empty": lambda _: f"{NAME}=",
    "of the salt": lambda value: f"{NAME}={flipped(value, 3)}",
    "of the key id": lambda value: f"{NAME}={flipped(value, 18)}",
    "of the data": lambda value: f"{NAME}={flipped(value, 60)}",
    "of the tag": lambda value: f"{NAME}={flipped(value, -1)}",
    "cut short": lambda value: f"{NAME}={value[:-8]}",
    "much cut short": lambda value: f"{NAME}={value[:10]}",
    "no base64": lambda _: f"{NAME}=%%%\xfc",
    "too long": lambda value: f"{NAME}={value * 3}",
    "twice": lambda value: f"{NAME}={value}; {NAME}={flipped(value, 60)}",
    "another name": lambda value: f"{NAME.upper()}={value}; x{NAME}={value}; __Host-{NAME}={value}",
    "as a session": lambda value: f"bodhiapp_session_id={value}",
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
async def test_a_cookie_that_is_not_ours_is_none(browser, provider, finish_with, change):
    """400, as for whoever began nothing; and never an error of the server."""
    answer = await answer_to(browser, provider)

    response = await finish_with(change(cookie_of(browser)), answer)

    assert (400, "login_error-session_info_not_found") == await code_of(response)
    assert 0 == provider.counts["code"]
    assert 200 == (await browser.finish(answer)).status


@pytest.mark.parametrize(
    ("keys", "status"),
    [([OLD_KEY, NEW_KEY], 200), ([NEW_KEY, OLD_KEY], 200), ([NEW_KEY], 400)],
    ids=["a key beside it", "a newer key", "its key dropped"],
)
async def test_the_cookie_lives_as_long_as_its_key(start_server, open_browser, provider, finish_with, keys, status):
    """On any node that has the key; with a changed key it is none."""
    old = await open_browser(await start_server(BODHI_ENCRYPTION_KEY=OLD_KEY))
    answer = await answer_to(old, provider)
    node = await open_browser(await start_server(BODHI_ENCRYPTION_KEY=",".join(keys)))

    response = await finish_with(f"{NAME}={cookie_of(old)}", answer, node)

    assert status == response.status


async def test_the_cookie_goes_with_the_answer(browser, provider):
    """Whatever it came to; the other logins stay until one is completed."""
    first, second, third = [await answer_to(browser, provider) for _ in range(3)]
    provider.fail("code", status=503)
    for answer in ({"error": "access_denied", "state": first["state"]}, second):
        before = cookie_of(browser)
        assert 400 <= (await browser.finish(answer)).status
        assert len(cookie_of(browser)) < len(before)

    assert 200 == (await browser.finish(third)).status
    assert cookie_of(browser) is None
    assert "admin" == (await browser.user())["username"]


async def test_a_copied_cookie_completes_no_second_login(start_server, open_browser, provider, finish_with, caplog):
    """On another node, though the provider takes the code twice: one state leads to one login at most."""
    nodes = [await start_server(), await start_server()]
    browser, thief = [await open_browser(node) for node in nodes]
    answer = await answer_to(browser, provider)
    copied = f"{NAME}={cookie_of(browser)}"
    logins = nodes[0].app[LOGIN].logins
    completed = []

    async def remembered(*arguments):
        completed.append(await type(logins).complete(logins, *arguments))
        return completed[0]

    async def taken_twice(*_):
        return completed[0]

    logins.complete = remembered
    nodes[1].app[LOGIN].logins.complete = taken_twice
    assert 200 == (await browser.finish(answer)).status

    assert (400, "login_error-state_digest_mismatch") == await code_of(await finish_with(copied, answer, thief))
    assert 1 == await nodes[0].app[SESSIONS].count_sessions()


async def test_states_that_were_taken_are_remembered_within_bounds(browser, provider, server, monkeypatch):
    """The oldest are forgotten; their codes are spent at the provider by then."""
    monkeypatch.setattr("bodhi.server.login.begun_logins.MOST_TAKEN", 3)

    for _ in range(5):
        await browser.finish({**await answer_to(browser, provider), "code": "guessed"})

    assert 3 == len(server.app[LOGIN].begun._taken)
