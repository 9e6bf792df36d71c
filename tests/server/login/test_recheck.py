"""Logins without refresh tokens, and those whose access tokens live for days."""

import logging
import time

import pytest

from bodhi.server.access.profiles import PROFILES
from bodhi.server.access.scopes import Role
from bodhi.session import SESSIONS
from bodhi.session.handles import digest_of

PROTECTED = "/bodhi/v1/tokens"  # needs a power user
KEEP = {"BODHI_AUTH_WITHOUT_REFRESH": "keep"}
GROUPS = {"BODHI_AUTH_ROLES_CLAIM": "groups", "BODHI_AUTH_ROLES": "staff=resource_power_user,boss=resource_admin"}
HOUR = 3_600


@pytest.fixture
def no_refresh_token(provider):
    """Let the provider issue no refresh tokens."""
    provider.alter("code", lambda answer: answer.pop("refresh_token"), times=None)


async def change(server, browser, **values):
    """Change the data of the browser's session."""
    digest = digest_of(browser.session_cookie)
    await server.app[SESSIONS].atomically(digest, lambda data, _: data.update(values))


async def data_of(server, browser):
    """Return the data of the browser's session."""
    found = []
    await server.app[SESSIONS].atomically(digest_of(browser.session_cookie), lambda data, _: found.append(dict(data)))
    return found[0]


@pytest.fixture
def due(provider):
    """Lets a check of a browser's session be due, with an access token that expires then."""

    async def due(server, browser, *, expires_in=HOUR, **values):
        now = int(time.time())
        claims = {"exp": None} if "access_expiry_unknown" in values else {}
        token = provider.issue_access_token("power", expires_in=expires_in, **claims)
        times = {"access_expires_at": now + expires_in, "recheck_at": now - 5}
        await change(server, browser, access_token=token, **times, **values)

    return due


async def test_without_a_refresh_token_the_session_ends_with_the_access_token(
    start_server, open_browser, provider, due, no_refresh_token, caplog
):
    """One line says so, however many log in."""
    caplog.set_level(logging.WARNING)
    server = await start_server()
    browsers = [await open_browser(server) for _ in range(2)]
    for browser in browsers:
        await browser.log_in(provider, "power")

    await due(server, browsers[0], expires_in=-5)

    assert 401 == (await browsers[0].get(PROTECTED)).status
    assert "logged_out" == (await browsers[0].user())["auth_status"]
    assert 200 == (await browsers[1].get(PROTECTED)).status
    (line,) = [record.message for record in caplog.records if "no refresh token" in record.message]
    assert "BODHI_AUTH_WITHOUT_REFRESH" in line
    assert 0 == provider.counts["refresh"] + provider.counts["userinfo"]


async def test_it_goes_on_where_the_setting_says_so(start_server, open_browser, provider, due, no_refresh_token):
    """An expired access token cannot be checked: the provider is asked once, and its refusal means nothing."""
    server = await start_server(**KEEP)
    browser = await open_browser(server)
    user = await browser.log_in(provider, "power")
    provider.fail("userinfo", status=401, times=None)

    await due(server, browser, expires_in=-5)

    assert [200, 200] == [(await browser.get(PROTECTED)).status for _ in range(2)]
    assert user == await browser.user()
    assert 1 == provider.counts["userinfo"]


@pytest.mark.parametrize("setting", ["keep", "end"])
async def test_it_is_checked_at_userinfo(start_server, open_browser, provider, no_refresh_token, setting):
    """At the interval; what userinfo tells counts from then on."""
    server = await start_server(**GROUPS, BODHI_AUTH_WITHOUT_REFRESH=setting)
    browser = await open_browser(server)
    provider.alter("userinfo", lambda answer: answer.update(groups=["boss"]))
    assert "resource_admin" == (await browser.log_in(provider, "power"))["role"]
    provider.alter("userinfo", lambda answer: answer.update(groups=["staff"]))
    provider._faults["userinfo"].pop(0)
    provider._faults["userinfo"][0].left = None

    token = (await data_of(server, browser))["access_token"]
    now = int(time.time())
    await change(server, browser, recheck_at=now - 5)

    assert "resource_power_user" == (await browser.user())["role"]
    assert Role.POWER_USER is await server.app[PROFILES].role_of(provider.person("power").user_id)
    stored = await data_of(server, browser)
    assert (token, True) == (stored["access_token"], now + HOUR - 60 < stored["recheck_at"] <= now + HOUR + 60)
    assert 200 == (await browser.get(PROTECTED)).status
    assert 2 == provider.counts["userinfo"]


@pytest.mark.parametrize(
    ("setting", "values"), [("keep", {}), ("end", {}), ("keep", {"access_expiry_unknown": True, "expires_in": -5})]
)
@pytest.mark.parametrize(("status", "error"), [(401, ""), (403, "invalid_token"), (400, "token_inactive")])
async def test_a_refused_check_ends_the_session(
    start_server, open_browser, provider, due, no_refresh_token, setting, values, status, error
):
    """The user was locked: the access token is refused before it expires, or nobody knows when it does."""
    server = await start_server(BODHI_AUTH_WITHOUT_REFRESH=setting)
    browser = await open_browser(server)
    await browser.log_in(provider, "power")
    provider.fail("userinfo", status=status, body={"error": error}, times=None)

    await due(server, browser, **values)

    assert 401 == (await browser.get(PROTECTED)).status
    assert "logged_out" == (await browser.user())["auth_status"]
    assert 0 == await server.app[SESSIONS].count_sessions_for_user(provider.person("power").user_id)


@pytest.mark.parametrize("status", [500, 503, 403, 404])
async def test_a_failed_check_changes_nothing(start_server, open_browser, provider, due, no_refresh_token, status):
    """It is made again, but not with each request."""
    server = await start_server(**KEEP)
    browser = await open_browser(server)
    user = await browser.log_in(provider, "power")
    provider.fail("userinfo", status=status, times=None)

    await due(server, browser)

    assert [200, 200, 200] == [(await browser.get(PROTECTED)).status for _ in range(3)]
    assert user == await browser.user()
    assert 1 == provider.counts["userinfo"]
    assert (await data_of(server, browser))["recheck_at"] > time.time()


async def test_without_userinfo_there_is_nothing_to_check(start_server, open_browser, provider, due, no_refresh_token):
    """The session lives by its own timeouts."""
    server = await start_server(**KEEP, BODHI_AUTH_USERINFO="never")
    browser = await open_browser(server)
    await browser.log_in(provider, "power")

    await due(server, browser)

    assert [200, 200] == [(await browser.get(PROTECTED)).status for _ in range(2)]
    assert 0 == provider.counts["userinfo"]


async def test_long_lived_access_tokens_are_refreshed_at_the_interval(start_server, open_browser, provider, due):
    """Though they have not expired."""
    server = await start_server(BODHI_AUTH_RECHECK="2h")
    browser = await open_browser(server)
    now = int(time.time())
    await browser.log_in(provider, "power")
    assert now + 2 * HOUR <= (await data_of(server, browser))["recheck_at"] <= now + 2 * HOUR + 60

    await due(server, browser)

    assert [200, 200] == [(await browser.get(PROTECTED)).status for _ in range(2)]
    assert 1 == provider.counts["refresh"]
    assert (await data_of(server, browser))["recheck_at"] > now + HOUR


async def test_a_refused_refresh_at_the_interval_ends_the_session(start_server, open_browser, provider, due):
    """That is what it is for."""
    server = await start_server()
    browser = await open_browser(server)
    await browser.log_in(provider, "power")
    provider.fail("refresh", status=400, body={"error": "invalid_grant"})

    await due(server, browser)

    assert 401 == (await browser.get(PROTECTED)).status
    assert "logged_out" == (await browser.user())["auth_status"]


@pytest.mark.parametrize(
    "fault", [{"status": 503}, {"status": 400, "body": {"error": "invalid_request"}}, {"status": 401}]
)
async def test_an_outage_at_the_interval_does_not_matter(start_server, open_browser, provider, due, fault):
    """The access token is valid; the provider is asked again soon, but not with each request."""
    server = await start_server()
    browser = await open_browser(server)
    user = await browser.log_in(provider, "power")
    provider.fail("refresh", times=None, **fault)

    await due(server, browser)

    assert user == await browser.user()
    asked = provider.counts["refresh"]
    assert [200, 200] == [(await browser.get(PROTECTED)).status for _ in range(2)]
    assert asked == provider.counts["refresh"]


async def test_a_hanging_provider_at_the_interval_does_not_matter(start_server, open_browser, provider, due):
    """The request goes on once it has waited for its limit."""
    server = await start_server(BODHI_AUTH_TIMEOUT="0.2")
    browser = await open_browser(server)
    user = await browser.log_in(provider, "power")
    provider.hang("refresh", times=None)

    await due(server, browser)

    assert user == await browser.user()
    assert 200 == (await browser.get(PROTECTED)).status


async def test_the_interval_may_be_off(start_server, open_browser, provider):
    """Then access tokens are believed for as long as they live."""
    server = await start_server(BODHI_AUTH_RECHECK="0")
    browser = await open_browser(server)
    await browser.log_in(provider, "power")

    assert (await data_of(server, browser)).get("recheck_at") is None
