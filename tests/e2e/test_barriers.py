"""The pages are accessible: contrast, names, labels, headings and landmarks, checked by axe-core."""

import pytest
from playwright.async_api import expect

from e2e.barriers import expect_no_barriers

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGES = (
    "/ui",
    "/ui/sessions",
    "/ui/tokens",
    "/ui/admin",
    "/ui/admin/person?id=00000000-0000-4000-8000-000000000005",
    "/ui/admin/sessions",
    "/ui/admin/access-requests",
    "/ui/admin/tokens",
    "/ui/admin/settings",
    "/ui/admin/activity",
)


async def test_pages_pass_accessibility_checks(site, person, new_person, notes):
    """From the login to the request for a role, and all that an administrator finds, with something on each page."""
    page = await person.open("/ui/login")
    await expect_no_barriers(page)
    page = await person.log_in("nobody")
    await expect_no_barriers(page)
    await page.get_by_role("button", name="Request access").click()
    await expect(page.get_by_role("heading", name="Access requested")).to_be_visible()
    await expect_no_barriers(page)
    for path in ("/ui/nowhere", "/ui/admin"):
        await page.goto(f"{person.url}{path}")
        await expect_no_barriers(page)
    person.expect_problems("404", "401")

    admin = await new_person(site.url)
    page = await admin.log_in("admin")
    for path in PAGES:
        await page.goto(f"{admin.url}{path}")
        await expect_no_barriers(page)
    await expect_settings_without_barriers(page, admin.url)
    admin.expect_problems("400")

    await page.goto(f"{admin.url}/ui/tokens")
    for _ in range(2):
        await page.get_by_role("button", name="Create token").click()
        await expect(page.get_by_role("heading", name="Copy your new token")).to_be_visible()
    await page.get_by_role("button", name="Deactivate").first.click()
    await expect(page.get_by_role("button", name="Reactivate")).to_be_visible()
    await expect_no_barriers(page)
    await page.goto(f"{admin.url}/ui/admin/tokens")
    await expect_no_barriers(page)

    power = await new_person(site.url)
    page = await power.log_in("power")
    await page.goto(f"{power.url}/ui/admin")
    await expect(page.get_by_text("Required role")).to_be_visible()
    await expect_no_barriers(page)
    power.expect_problems("403")

    page = admin.context.pages[0]
    await page.goto(notes.own_url)
    await page.get_by_role("button", name="Connect to bodhi").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Notes requests access")
    await expect_no_barriers(page)


async def expect_settings_without_barriers(page, url):
    """Check a setting whose new value is refused, one that was changed, and an empty list."""
    setting = page.locator("#BODHI_TOKEN_MEMORY")
    for text, outcome in (("3 weeks", "is not a duration"), ("20s", "All nodes use the new value")):
        await page.goto(f"{url}/ui/admin/settings?q=token_memory")
        await setting.get_by_text("Change", exact=True).click()
        await setting.get_by_label("New value").fill(text)
        await setting.get_by_role("button", name="Save on all nodes").click()
        await expect(setting).to_contain_text(outcome)
        await expect_no_barriers(page)
    await setting.get_by_role("button", name="Reset on all nodes").click()
    await expect(setting).to_contain_text("All nodes use their own value")
    await page.get_by_label("Name, description or value").fill("no such setting")
    await page.get_by_role("button", name="Filter").click()
    await expect(page.get_by_text("No setting matches.")).to_be_visible()
    await expect_no_barriers(page)
