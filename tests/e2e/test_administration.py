"""The tables of users and of all sessions: with the keyboard, with a finger, and without scripts."""

import pytest
from playwright.async_api import expect

from e2e.barriers import expect_no_barriers
from e2e.browsing import PHONE, expect_login_page
from e2e.test_devices import ANDROID, EDGE, FIREFOX

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def log_in_everybody(site, new_person):
    """Log in a user on two devices, a manager on one, and an administrator; return the administrator's browser."""

    async def log_in_everybody(**options):
        for username, agent in (("user", ANDROID), ("user", EDGE), ("manager", FIREFOX)):
            await (await new_person(site.url, user_agent=agent)).log_in(username)
        admin = await new_person(site.url, user_agent=FIREFOX, **options)
        return admin, await admin.log_in("admin")

    return log_in_everybody


async def expect_rows(page, *names):
    """Check the first cell of each row of the table."""
    await expect(page.locator("tbody th .name")).to_have_text(names)


async def expect_fits(page):
    """Check that nothing reaches beyond the window."""
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_users_are_sorted_and_their_ids_copied_with_the_keyboard(log_in_everybody):
    """Each heading is a link that tells how the table is sorted."""
    admin, page = await log_in_everybody()
    await admin.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.goto(f"{admin.url}/ui/admin")
    await expect_rows(page, "admin", "manager", "user")

    await page.get_by_role("link", name="Sessions", exact=True).last.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("columnheader", name="Sessions")).to_have_attribute("aria-sort", "descending")
    await expect_rows(page, "user", "admin", "manager")
    await expect_no_barriers(page)
    await admin.screenshot(page, "admin-users-sorted")

    await page.get_by_role("button", name="Copy ID").first.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Copied")).to_be_focused()
    copied = await page.evaluate("navigator.clipboard.readText()")
    await page.get_by_role("link", name="user", exact=True).click()
    await expect(page.get_by_role("main")).to_contain_text(copied)

    await page.goto(f"{admin.url}/ui/admin?sort=sessions")
    await page.get_by_label("Role").select_option("User")
    await page.get_by_label("Name, username or user ID").press("Enter")
    await expect(page.get_by_text("One user.")).to_be_focused()
    assert "role=resource_user" in page.url
    assert "sort=sessions" in page.url
    await page.get_by_label("Name, username or user ID").fill("nobody at all")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("No user with “nobody at all”")).to_be_focused()
    await expect_no_barriers(page)


async def test_role_is_changed_only_to_another_one(log_in_everybody):
    """The button waits for a choice, and does so again where the choice is taken back."""
    _, page = await log_in_everybody()
    await page.get_by_role("link", name="Admin", exact=True).click()
    await page.get_by_role("link", name="user", exact=True).click()
    change = page.get_by_role("button", name="Change role")

    await expect(change).to_be_disabled()
    await page.get_by_label("New role").select_option("Power user")
    await expect(change).to_be_enabled()
    await page.get_by_label("New role").select_option("User")
    await expect(change).to_be_disabled()
    await page.get_by_label("New role").select_option("Power user")
    await change.click()
    await expect(page.get_by_role("status")).to_contain_text("Role changed.")
    await expect(change).to_be_disabled()


async def test_sessions_of_all_users_are_found_and_ended_with_the_keyboard(log_in_everybody):
    """In place of the row it is said that the session has ended; one's own is ended by signing out."""
    admin, page = await log_in_everybody()
    await page.goto(f"{admin.url}/ui/admin/sessions")
    await expect(page.get_by_role("columnheader", name="Last active")).to_have_attribute("aria-sort", "descending")
    await page.get_by_role("link", name="User", exact=True).focus()
    await page.keyboard.press("Enter")
    await expect_rows(page, "admin", "manager", "user", "user")
    await expect_no_barriers(page)
    await admin.screenshot(page, "admin-sessions")

    await page.get_by_label("User, device or address").fill("USER android")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("One session with “USER android”")).to_be_focused()
    await page.get_by_text("End", exact=True).focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="End session")).to_be_focused()
    await expect_no_barriers(page)
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Session ended. That device is signed out.")).to_be_focused()
    await expect_no_barriers(page)

    await page.goto(f"{admin.url}/ui/admin/sessions?sort=user")
    await expect_rows(page, "admin", "manager", "user")
    own = page.get_by_role("row", name="This device")
    await own.get_by_role("button", name="Sign out").click()
    await expect_login_page(page)


async def test_tokens_of_all_users_are_found_and_deactivated_with_the_keyboard(site, new_person):
    """In place of the row it is said what was done."""
    admin = await new_person(site.url)
    page = await admin.log_in("admin")
    await page.goto(f"{admin.url}/ui/tokens")
    for name in ("printer", "backup"):
        await page.get_by_label("Name", exact=True).fill(name)
        await page.get_by_role("button", name="Create token").click()
        await expect(page.get_by_role("heading", name=name)).to_be_visible()
    await page.goto(f"{admin.url}/ui/admin/tokens")
    await expect_rows(page, "backup", "printer")
    await page.get_by_role("link", name="Token", exact=True).focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("columnheader", name="Token")).to_have_attribute("aria-sort", "ascending")
    await expect_no_barriers(page)
    await admin.screenshot(page, "admin-tokens")

    await page.get_by_label("Name, prefix or user").fill("ADMIN printer")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("One token with “ADMIN printer”")).to_be_focused()
    await page.get_by_text("Deactivate", exact=True).focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Deactivate token")).to_be_focused()
    await expect_no_barriers(page)
    for width in (1280, 1000, 800, 640, 390, 320):
        await page.set_viewport_size({"width": width, "height": 800})
        await expect_fits(page)
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Token deactivated.")).to_be_focused()
    await expect_no_barriers(page)


async def test_tables_fit_into_every_window(log_in_everybody):
    """Where there is no room for rows, they are cards; the navigation scrolls."""
    admin, page = await log_in_everybody()
    for path in ("/ui/admin", "/ui/admin/sessions", "/ui/admin/settings"):
        await page.goto(f"{admin.url}{path}")
        for width in (1280, 1000, 900, 800, 700, 641, 640, 390, 320):
            await page.set_viewport_size({"width": width, "height": 800})
            await expect_fits(page)


async def test_tables_are_cards_on_a_phone(log_in_everybody):
    """With links to sort by above them."""
    admin, page = await log_in_everybody(**PHONE)
    for path in ("/ui/admin?sort=active", "/ui/admin/sessions?q=linux", "/ui/admin/tokens", "/ui/sessions"):
        await page.goto(f"{admin.url}{path}")
        await expect_fits(page)
        await expect_no_barriers(page)
    await page.goto(f"{admin.url}/ui/admin/sessions")
    await page.get_by_role("link", name="Device").tap()
    await expect(page).to_have_url(f"{admin.url}/ui/admin/sessions?sort=device&order=asc")
    await admin.screenshot(page, "admin-sessions-phone")


async def test_tables_work_without_scripts(log_in_everybody):
    """User ids are shown; search, filter and order are links and forms."""
    admin, page = await log_in_everybody(java_script_enabled=False)
    await page.get_by_role("link", name="Admin", exact=True).click()
    await expect(page.get_by_role("button", name="Copy ID")).to_have_count(0)
    await expect(page.locator("tbody code").first).to_be_visible()
    await page.get_by_role("link", name="Username").click()
    await expect_rows(page, "user", "manager", "admin")
    await page.get_by_label("Role").select_option("Manager")
    await page.get_by_role("button", name="Search").click()
    await expect_rows(page, "manager")
    await page.get_by_role("link", name="All sessions").click()
    await page.get_by_label("User, device or address").fill("edge")
    await page.get_by_role("button", name="Search").click()
    await expect_rows(page, "user")
    await page.get_by_text("End", exact=True).click()
    await page.get_by_role("button", name="End session").click()
    await expect(page.get_by_role("status")).to_have_text("Session ended. That device is signed out.")
    await admin.screenshot(page, "admin-sessions-no-javascript")
