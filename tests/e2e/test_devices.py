"""List and revoke sessions: a user with several browsers, and an administrator."""

import asyncio

import pytest
from playwright.async_api import expect

from e2e.browsing import SMALL_PHONE, expect_login_page

pytestmark = pytest.mark.asyncio(loop_scope="session")

_BLINK = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0"
ANDROID = f"Mozilla/5.0 (Linux; Android 10; K) {_BLINK} Mobile Safari/537.36"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
EDGE = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_BLINK} Safari/537.36 Edg/141.0.0.0"
DEVICES = {
    "Chrome on Android": {"user_agent": ANDROID, **SMALL_PHONE},
    "Firefox on Linux": {"user_agent": FIREFOX},
    "Edge on Windows": {"user_agent": EDGE},
}


@pytest.fixture
def log_in_with(site, new_person):
    """Log in a user on each of these devices; return the browsers with their pages."""

    async def log_in_with(*devices, username="user", **options):
        people = [await new_person(site.url, **DEVICES[name], **options) for name in devices]
        pages = await asyncio.gather(*(person.log_in(username) for person in people))
        return list(zip(people, pages, strict=True))

    return log_in_with


async def open_sessions(page):
    """Follow the link in the navigation bar."""
    await page.get_by_role("link", name="Sessions", exact=True).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Your sessions")


def device(page, name):
    """Return the page's entry for the session of that browser."""
    return page.get_by_role("article", name=name)


async def end(card):
    """Revoke the session and confirm."""
    await card.get_by_text("End", exact=True).click()
    await card.get_by_role("button", name="End session").click()


async def expect_devices(page, this, *others):
    """Check that the page lists exactly these devices; *this* is the current one."""
    await expect(page.get_by_role("heading", level=2)).to_have_count(1 + len(others))
    await expect(page.get_by_role("heading", level=2).first).to_have_text(f"{this} This device")
    for name in others:
        await expect(device(page, name)).to_be_visible()


async def mark(page):
    """Mark the page; a reload removes the mark."""
    await page.evaluate("window.isMarked = true")


async def expect_no_reload(page):
    """Check that the page was not reloaded since *mark*."""
    assert await page.evaluate("window.isMarked"), "the page was loaded again"


async def expect_logged_out(page):
    """Check that the next click leads to the login page."""
    await page.get_by_role("link", name="Home").click()
    await expect_login_page(page)


async def test_sessions_are_ended_from_other_browsers(log_in_with):
    """One with a finger, all others with keys, without a reload; and the own one, which leads to the login page."""
    (walker, phone), (sitter, desk), (_, laptop) = await log_in_with(*DEVICES)
    await open_sessions(phone)
    await expect_devices(phone, "Chrome on Android", "Firefox on Linux", "Edge on Windows")
    await expect(phone.get_by_text("This device", exact=True)).to_have_count(1)
    await walker.screenshot(phone, "devices-phone")
    await mark(phone)

    laptops = device(phone, "Edge on Windows")
    await laptops.get_by_text("End", exact=True).tap()
    await expect(laptops).to_contain_text("That device is signed out at once.")
    await walker.screenshot(phone, "devices-confirm-phone")
    assert await phone.evaluate("document.documentElement.scrollWidth") <= SMALL_PHONE["viewport"]["width"]
    await laptops.get_by_role("link", name="Cancel").tap()
    await expect(laptops.get_by_text("End", exact=True)).to_be_focused()
    await expect(laptops.get_by_role("button", name="End session")).to_be_hidden()
    await expect_no_reload(phone)
    await laptops.get_by_text("End", exact=True).tap()
    await laptops.get_by_role("button", name="End session").tap()
    await expect(phone.get_by_text("Session ended. That device is signed out.")).to_be_focused()
    await expect(laptops).to_have_count(0)
    await phone.get_by_text("Sign out of all other devices").tap()
    await expect(phone.get_by_role("main")).to_contain_text("One other session ends at once. You stay signed in here.")
    await expect_no_reload(phone)
    await expect_logged_out(laptop)

    await open_sessions(desk)
    await expect_devices(desk, "Firefox on Linux", "Chrome on Android")
    await mark(desk)
    await desk.get_by_text("Sign out of all other devices").focus()
    await desk.keyboard.press("Enter")
    await expect(desk.get_by_role("main")).to_contain_text("One other session ends at once. You stay signed in here.")
    await desk.keyboard.press("Tab")
    await expect(desk.get_by_role("button", name="End one session")).to_be_focused()
    await desk.keyboard.press("Enter")
    await expect(desk.get_by_text("Signed out of all other devices.")).to_be_focused()
    await expect_devices(desk, "Firefox on Linux")
    await expect_no_reload(desk)
    await sitter.screenshot(desk, "devices-others-ended")
    await expect_logged_out(phone)

    await device(desk, "Firefox on Linux").get_by_role("button", name="Sign out").click()
    await expect_login_page(desk)
    assert {"auth_status": "logged_out"} == await sitter.who()


async def test_sessions_are_ended_without_javascript(log_in_with):
    """One, and then all others: each answer is a page that says what was done."""
    (_, phone), (sitter, desk), (_, laptop) = await log_in_with(*DEVICES, java_script_enabled=False)
    await open_sessions(desk)
    await device(desk, "Edge on Windows").get_by_text("End", exact=True).click()
    await device(desk, "Edge on Windows").get_by_role("link", name="Cancel").click()
    await expect(desk.get_by_role("button", name="End session").first).to_be_hidden()
    await end(device(desk, "Edge on Windows"))
    await expect(desk.get_by_role("status")).to_have_text("Session ended. That device is signed out.")
    await expect_devices(desk, "Firefox on Linux", "Chrome on Android")
    await sitter.screenshot(desk, "devices-no-javascript")
    await expect_logged_out(laptop)

    await open_sessions(phone)
    await phone.get_by_text("Sign out of all other devices").tap()
    await phone.get_by_role("button", name="End one session").tap()
    await expect(phone.get_by_role("status")).to_have_text("Signed out of all other devices.")
    await expect_devices(phone, "Chrome on Android")
    await expect_logged_out(desk)


async def test_an_administrator_ends_all_sessions_of_a_person(site, log_in_with, new_person):
    """Wherever they are logged in; the administrator stays, and the person can log in again."""
    (walker, phone), (_, desk) = await log_in_with("Chrome on Android", "Firefox on Linux")
    admin = await new_person(site.url)
    office = await admin.log_in("admin")
    await office.get_by_role("link", name="Admin", exact=True).click()
    await expect(office.get_by_role("heading", level=1)).to_have_text("Users")
    await mark(office)
    await office.get_by_label("Username or user ID").fill("USER")
    await office.keyboard.press("Enter")
    await expect(office.get_by_role("main")).to_contain_text("One user with “USER” in the name, username or user ID.")
    await expect_no_reload(office)
    await admin.screenshot(office, "admin-users")
    await office.get_by_role("link", name="user", exact=True).click()
    await expect(office.get_by_role("article", name="Firefox on Linux")).to_be_visible()
    await mark(office)
    await office.get_by_text("End all sessions", exact=True).click()
    await expect(office.get_by_role("main")).to_contain_text("2 sessions end at once, and the user has to")
    await admin.screenshot(office, "admin-user")
    await office.get_by_role("button", name="End 2 sessions").click()
    await expect(office.get_by_text("All sessions ended. The user is signed out everywhere.")).to_be_focused()
    await expect(office.get_by_role("main")).to_contain_text("Not signed in anywhere.")
    await expect_no_reload(office)

    await expect_logged_out(desk)
    await expect_logged_out(phone)
    assert "admin" == (await admin.who())["username"]
    await phone.get_by_role("button", name="Sign in").tap()
    await walker.expect_home(phone, "user")
