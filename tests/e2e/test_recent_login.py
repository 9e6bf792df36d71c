"""A user with an old login makes a change that requires a recent one."""

import pytest
from playwright.async_api import expect

from bodhi.server.databases import session_service
from bodhi.session.handles import digest_of
from bodhi.settings import load_settings

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def sign_in_long_ago(person, databases, folder):
    """Backdate this browser's login by a day, in bodhi's database."""
    settings = load_settings(environ={"BODHI_HOME": str(folder / "bodhi"), **databases}, cwd=folder)
    cookie = await person.cookie()

    def change(data, _):
        data["signed_in_at"] -= 86_400

    async with session_service(settings, sweep_seconds=None, auto_migrate=False) as sessions:
        await sessions.atomically(digest_of(cookie["value"]), change)


async def test_a_form_leads_to_the_realm_and_back(site, person, databases, tmp_path):
    """What it was for stays undone until it is sent again."""
    page = await person.log_in("power")
    await sign_in_long_ago(person, databases, tmp_path)
    await page.goto(f"{site.url}/ui/tokens")
    form = page.get_by_role("button", name="Create token")
    await form.click()

    await expect(page.get_by_role("main")).to_contain_text("Sign in again to continue")
    await person.screenshot(page, "sign-in-again")
    person.expect_problems("403")
    # The sign-in at the realm is recent: it sends the browser back at once, and says so.
    await page.get_by_role("button", name="Sign in again").click()

    await expect(page.get_by_role("heading", level=1)).to_have_text("API tokens")
    assert f"{site.url}/ui/tokens" == page.url
    await expect(page.get_by_role("main")).to_contain_text("You have no API tokens yet")
    await form.click()
    await expect(page.get_by_role("main")).to_contain_text("bodhiapp_")
