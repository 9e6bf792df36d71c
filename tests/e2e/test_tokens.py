"""API tokens in a browser: created, copied, renamed, deactivated and deleted."""

import pytest
from playwright.async_api import expect

from e2e.browsing import PHONE

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_token_is_created_copied_and_changed_in_its_place(site, new_person):
    """The form empties, and each change is confirmed where it was made."""
    person = await new_person(site.url, permissions=["clipboard-read", "clipboard-write"])
    page = await person.log_in("power")
    await page.get_by_role("link", name="API tokens").click()
    name = page.get_by_label("Name", exact=True)
    await expect(page.get_by_label("Expires")).to_have_value("90")

    await name.fill("backup")
    await page.get_by_role("button", name="Create token").click()

    created = page.get_by_role("article", name="Copy your new token")
    await expect(created).to_be_focused()
    await expect(name).to_have_value("")
    await created.get_by_role("button").click()
    await expect(created.get_by_role("button")).to_have_text("Copied")
    token = await created.locator("code").text_content()
    assert token == await page.evaluate("navigator.clipboard.readText()")
    await expect(created.get_by_role("button")).to_have_text("Copy token")

    card = page.get_by_role("article", name="backup")
    await card.get_by_role("button", name="Deactivate").click()
    await expect(card.get_by_text("Token deactivated.")).to_be_focused()
    await card.get_by_role("button", name="Reactivate").click()
    await expect(card.get_by_text("Token reactivated.")).to_be_focused()
    await card.get_by_text("Rename", exact=True).click()
    await card.get_by_label("New name").fill("nightly")
    await card.get_by_role("button", name="Save name").click()
    card = page.get_by_role("article", name="nightly")
    await expect(card.get_by_text("Token renamed.")).to_be_focused()
    await person.screenshot(page, "token-renamed")
    await card.get_by_text("Delete", exact=True).click()
    await card.get_by_role("button", name="Delete token").click()
    await expect(page.get_by_text("Token deleted.")).to_be_focused()
    await expect(card).to_have_count(0)


async def test_token_is_deleted_with_the_keyboard(site, new_person):
    """Unfold, and press."""
    person = await new_person(site.url)
    page = await person.log_in("power")
    await page.goto(f"{person.url}/ui/tokens")
    await page.get_by_role("button", name="Create token").press("Enter")
    summary = page.get_by_role("article", name="Unnamed token").get_by_text("Delete", exact=True)

    await summary.focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Delete token")).to_be_focused()
    await page.keyboard.press("Enter")

    await expect(page.get_by_text("Token deleted.")).to_be_focused()


async def test_navigation_is_one_row_on_a_phone(site, new_person):
    """It scrolls to the page that is shown, and with the keyboard."""
    person = await new_person(site.url, **PHONE)
    page = await person.log_in("admin")
    await page.goto(f"{person.url}/ui/admin/activity")

    for name in ("Pages", "Administration"):
        links = await page.get_by_role("navigation", name=name).get_by_role("link").all()
        assert 1 == len({(await link.bounding_box())["y"] for link in links})
    area = page.get_by_role("navigation", name="Administration")
    await expect(area.get_by_role("link", name="Activity")).to_be_in_viewport(ratio=0.99)
    await area.get_by_role("link", name="Users").focus()
    await expect(area.get_by_role("link", name="Users")).to_be_in_viewport(ratio=0.99)
    assert 390 == await page.evaluate("document.documentElement.scrollWidth")
