"""What keeps a login alive, and what ends it."""

import asyncio

import pytest
from playwright.async_api import expect

from e2e.browsing import expect_login_page, expect_realm_asks

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def token_has_expired(realm):
    """Return when an access token with a lifetime of a second has expired."""
    issued_by = realm.now
    while realm.now <= issued_by + 1:
        await asyncio.sleep(0.05)


async def test_tokens_are_refreshed_behind_the_scenes(site, person):
    """A token of a second, twice: the refresh token that was rotated is the one that is used next, and used once."""
    site.realm.set_access_token_seconds(1)
    page = await person.log_in("user")
    await token_has_expired(site.realm)
    await page.reload()
    await person.expect_home(page, "user")
    refreshed = site.realm.granted("refresh_token")
    assert refreshed >= 1

    await token_has_expired(site.realm)
    site.realm.set_access_token_seconds(300)
    tabs = await asyncio.gather(*(person.open() for _ in range(4)))
    for tab in tabs:
        await person.expect_home(tab, "user")

    assert (refreshed + 1, 0) == (site.realm.granted("refresh_token"), site.realm.refused("refresh_token"))


async def test_a_logout_ends_the_realm_s_session_as_well(site, person):
    """Whoever logs in next in this browser is asked who they are."""
    page = await person.log_in("user")
    cookie = await person.cookie()
    assert 1 == site.realm.sessions_of("user")
    other = await person.open()
    await page.get_by_role("button", name="Sign out").click()

    await expect_login_page(page)
    assert page.url.startswith(f"{site.url}/ui/login")
    await person.screenshot(page, "logged-out")
    assert 0 == site.realm.sessions_of("user")
    assert {"auth_status": "logged_out"} == await person.who()
    assert await person.cookie() is None
    await other.reload()
    await expect_login_page(other)

    # Nor is the cookie worth anything to who kept it.
    await person.context.add_cookies([{"name": cookie["name"], "value": cookie["value"], "url": site.url}])
    assert {"auth_status": "logged_out"} == await person.who()
    await person.context.clear_cookies(name=cookie["name"])

    await page.get_by_role("button", name="Sign in").click()
    await expect_realm_asks(page)


async def test_the_realm_ends_sessions(site, person, new_person):
    """Back-channel logout: all of that person's sessions, and nobody else's."""
    page = await person.log_in("user")
    phone, other = await new_person(site.url), await new_person(site.url)
    await phone.log_in("user")
    await other.log_in("power")

    told = await asyncio.to_thread(site.realm.end_sessions, "user")

    assert [{"client_id": site.client_id, "error": None}] * 2 == told
    assert {"auth_status": "logged_out"} == await person.who() == await phone.who()
    assert "power" == (await other.who())["username"]
    await page.reload()
    await expect_login_page(page)
    await page.get_by_role("button", name="Sign in").click()
    await expect_realm_asks(page)


async def test_a_logout_in_one_browser_leaves_the_other_alone(site, person, new_person):
    """The realm names the session that ended, not the person."""
    other = await new_person(site.url)
    await other.log_in("user")
    page = await person.log_in("user")
    await page.get_by_role("button", name="Sign out").click()
    await expect_login_page(page)

    assert {"auth_status": "logged_out"} == await person.who()
    assert "user" == (await other.who())["username"]


async def test_outage_of_the_realm_logs_out_no_session(site, person):
    """What an expired token needs cannot be had: the page says so, and the session is there afterwards."""
    site.realm.set_access_token_seconds(1)
    page = await person.log_in("user")
    await token_has_expired(site.realm)
    with site.realm.suspended():
        answer = await person.context.request.get(f"{site.url}/bodhi/v1/tokens", timeout=30_000)
        assert 503 == answer.status
        assert "auth_error-idp_unavailable" == (await answer.json())["error"]["code"]
    site.realm.set_access_token_seconds(300)

    await page.reload()
    await person.expect_home(page, "user")
    await expect(page.get_by_role("main")).to_contain_text("Barbara Liskov")
