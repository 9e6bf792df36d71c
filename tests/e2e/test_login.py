"""Log in through an independent provider."""

import asyncio
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import expect

from e2e.browsing import PHONE, expect_login_page, expect_realm_asks, sign_in

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_login_leads_to_the_home_page_of_the_user(site, person):
    """From the first page to the realm and back, with the role that the realm gives them."""
    page = await person.open()
    await expect_login_page(page)
    await person.screenshot(page, "login")

    await page.get_by_role("button", name="Sign in").click()
    await expect_realm_asks(page)
    await person.screenshot(page, "realm")
    await sign_in(page, "manager")

    await person.expect_home(page, "manager")
    await expect(page.get_by_role("main")).to_contain_text("Grace Hopper")
    await expect(page.get_by_role("main")).to_contain_text("Manager")
    await person.screenshot(page, "home")
    expected = {
        "auth_status": "logged_in",
        "user_id": site.realm.id_of("manager"),
        "username": "manager",
        "first_name": "Grace",
        "last_name": "Hopper",
        "role": "resource_manager",
    }
    assert expected == await person.who()


async def test_login_returns_to_the_fragment_of_the_page(site, person):
    """Though a server never sees it: of an application's page, and again after an attempt that failed."""
    page = await person.open("/ui/login?return_to=/ui/sessions?a%3Db#/orders/7?tab=%D9%85")
    await page.get_by_role("button", name="Sign in").click()
    await expect_realm_asks(page)

    await page.goto(f"{person.url}/ui/auth/callback?error=access_denied&error_description=No&state={'x' * 32}")
    await expect(page.get_by_role("alert")).to_contain_text("You cancelled the sign-in")
    person.expect_problems("400 (Bad Request)")
    await page.get_by_role("link", name="Try again").click()
    await expect_login_page(page)
    await page.get_by_role("button", name="Sign in").click()
    await expect_realm_asks(page)
    await sign_in(page, "user")

    await expect(page).to_have_url(f"{person.url}/ui/sessions?a=b#/orders/7?tab=%D9%85")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("sessions", ignore_case=True)


async def test_logged_in_user_is_sent_on_to_the_fragment(person):
    """The browser keeps it through the redirect."""
    page = await person.log_in("user")

    await page.goto(f"{person.url}/ui/login?return_to=/ui/sessions#/orders/7")

    await expect(page).to_have_url(f"{person.url}/ui/sessions#/orders/7")


async def test_browser_stores_only_the_session_id(person):
    """No script can read the cookie, other sites do not get it, and the code is gone from the address."""
    page = await person.log_in("user")

    cookie = await person.cookie()
    expected = {"httpOnly": True, "sameSite": "Strict", "path": "/", "expires": -1}
    assert expected == {name: cookie[name] for name in expected}
    assert "" == await page.evaluate("document.cookie")
    assert [0, 0] == await page.evaluate("[localStorage.length, sessionStorage.length]")
    assert "" == urlsplit(page.url).query
    # Back does not lead to a code that was used.
    await page.go_back()
    assert "code=" not in page.url


async def test_a_planted_session_id_is_not_used_by_the_login(person):
    """A begun login has no session yet, and the login gets an id of the server's making."""
    planted = "p" * 43
    await person.context.add_cookies([{"name": "bodhiapp_session_id", "value": planted, "url": person.url}])
    page = await person.begin_login()
    assert planted == (await person.cookie())["value"]
    await sign_in(page, "user")
    await person.expect_home(page, "user")

    assert planted != (await person.cookie())["value"]


async def test_a_login_works_without_javascript(site, new_person):
    """One more button to press."""
    person = await new_person(site.url, java_script_enabled=False)
    page = await person.begin_login()
    await sign_in(page, "user")
    await expect(page.get_by_role("button", name="Continue")).to_be_visible()
    await person.screenshot(page, "callback-no-javascript")
    await page.get_by_role("button", name="Continue").click()

    await person.expect_home(page, "user")
    assert "user" == (await person.who())["username"]

    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_role("button", name="Sign out").click()  # the realm's page sends itself with a script only
    await expect_login_page(page)
    await expect(page.get_by_role("status")).to_have_text("You have been signed out.")
    assert {"auth_status": "logged_out"} == await person.who()


async def test_a_sign_out_is_said_once(site, new_person):
    """To screen readers too; the page that is loaded again is that of anybody."""
    person = await new_person(site.url)
    page = await person.log_in("user")
    await page.get_by_role("button", name="Sign out").click()
    await expect_login_page(page)
    await expect(page.get_by_role("status")).to_have_text("You have been signed out.")
    await person.screenshot(page, "signed-out")

    await page.reload()

    await expect_login_page(page)
    await expect(page.get_by_role("status")).to_be_empty()
    assert f"{person.url}/ui/login" == page.url


async def test_a_login_works_on_a_phone(site, new_person):
    """Nothing is wider than the screen."""
    person = await new_person(site.url, **PHONE)
    page = await person.open("/ui/login")
    await person.screenshot(page, "login-phone")
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["viewport"]["width"]

    await page.get_by_role("button", name="Sign in").tap()
    await sign_in(page, "manager")
    await person.expect_home(page, "manager")
    await person.screenshot(page, "home-phone")
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["viewport"]["width"]


async def test_a_login_works_with_the_keyboard(person):
    """The first stop of the tabulator leads to the content, the next ones to the button."""
    page = await person.open("/ui/login")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Sign in")).to_be_focused()
    await page.keyboard.press("Enter")

    await expect(page.get_by_label("User name")).to_be_focused()
    await page.keyboard.type("user")
    await page.keyboard.press("Enter")
    await person.expect_home(page, "user")


@pytest.mark.parametrize("first_finished", [0, 1])
async def test_two_tabs_log_in(person, first_finished):
    """Both were begun before either is finished; both finish, in either order."""
    tabs = [await person.begin_login(), await person.begin_login()]
    first, second = tabs[first_finished], tabs[1 - first_finished]
    await sign_in(first, "user")
    await person.expect_home(first, "user")
    await sign_in(second, "user")
    await person.expect_home(second, "user")

    assert "user" == (await person.who())["username"]
    await first.reload()
    await person.expect_home(first, "user")


async def test_two_tabs_come_back_at_once(site, new_person):
    """Of two answers that arrive together one logs the person in; whichever page the other gets, both tabs are in."""
    person = await new_person(site.url, java_script_enabled=False)  # so that both wait for their button
    tabs = [await person.begin_login(), await person.begin_login()]
    for tab in tabs:
        await sign_in(tab, "user")
        await expect(tab.get_by_role("button", name="Continue")).to_be_visible()
    await asyncio.gather(*(tab.get_by_role("button", name="Continue").click() for tab in tabs))

    for tab in tabs:
        await expect(tab.get_by_role("button", name="Continue")).to_have_count(0)
    person.problems.clear()
    for tab in tabs:
        await tab.goto(f"{person.url}/ui")
        await person.expect_home(tab, "user")


@pytest.mark.parametrize("has_scripts", [True, False])
async def test_login_returns_to_the_requested_page(site, new_person, has_scripts):
    """Also for who comes from another site: at first without the cookie, which that one keeps from being sent."""
    person = await new_person(site.url, java_script_enabled=has_scripts)
    page = await person.open("/ui/login?return_to=/ui/sessions%3Fa%3Db")
    await page.get_by_role("button", name="Sign in").click()
    await sign_in(page, "user")
    if not has_scripts:
        await page.get_by_role("button", name="Continue").click()
    await expect(page).to_have_url(f"{site.url}/ui/sessions?a=b")

    link = f'<a href="{site.url}/ui/login?return_to=/ui/sessions">A report</a>'
    await page.route(f"{site.realm.auth_url}/link", lambda route: route.fulfill(content_type="text/html", body=link))
    await page.goto(f"{site.realm.auth_url}/link")
    await page.get_by_role("link", name="A report").click()
    await expect(page).to_have_url(f"{site.url}/ui/sessions")


async def test_a_second_tab_is_logged_in_already(person):
    """Nobody is asked twice."""
    await person.log_in("user")

    page = await person.open()
    await person.expect_home(page, "user")
    page = await person.open("/ui/login")
    await expect(page.get_by_role("heading", level=1)).to_have_text("You are signed in")


async def test_login_with_a_wrong_state_is_refused(site, person):
    """The page says so and offers to begin again, and the real answer still works afterwards."""
    page = await person.begin_login()
    state = parse_qs(urlsplit(await _authorization_url(page, person)).query)["state"][0]
    forged = await person.open(f"/ui/auth/callback?code=stolen&state={state[::-1]}&iss={site.realm.issuer}")

    await expect(forged.get_by_role("heading", level=1)).to_have_text("Sign-in failed")
    await person.screenshot(forged, "wrong-state")
    assert {"auth_status": "logged_out"} == await person.who()
    assert 0 == site.realm.granted("authorization_code") + site.realm.refused("authorization_code")
    person.expect_problems("400")

    await sign_in(page, "user")
    await person.expect_home(page, "user")
    await forged.get_by_role("link", name="Try again").click()
    await expect(forged.get_by_role("heading", level=1)).to_have_text("You are signed in")


async def test_callback_works_only_in_the_browser_that_started_the_login(site, new_person):
    """Somebody else's answer, complete with its state, logs nobody in: no login by trickery."""
    attacker = await new_person(site.url, java_script_enabled=False)  # so that it is not handed over at once
    page = await attacker.begin_login()
    await sign_in(page, "user")
    await expect(page.get_by_role("button", name="Continue")).to_be_visible()

    victim = await new_person(site.url)
    trap = await victim.context.new_page()
    await trap.goto(page.url)
    await expect(trap.get_by_role("heading", level=1)).to_have_text("Sign-in failed")
    victim.expect_problems("400")
    assert {"auth_status": "logged_out"} == await victim.who()


async def _authorization_url(page, person):
    """Return an authorization URL from the API."""
    answer = await person.context.request.post(
        f"{person.url}/bodhi/v1/auth/initiate", headers={"Sec-Fetch-Site": "same-origin"}
    )
    assert 201 == answer.status
    return (await answer.json())["location"]
