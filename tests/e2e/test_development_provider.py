"""A login in one minute: `bodhi serve --dev`, and a browser."""

import pytest
from playwright.async_api import expect

from e2e.browsing import expect_login_page
from e2e.running import Bodhi
from support.ports import free_port

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def development(databases, tmp_path):
    """A server with its own development provider."""
    ports = {"BODHI_PORT": str(free_port()), "BODHI_DEV_PORT": str(free_port())}
    with Bodhi(tmp_path, BODHI_DEV="true", **ports, **databases) as bodhi:
        yield bodhi


async def choose(page, username):
    """Press the button of a user at the development provider."""
    await page.get_by_role("button", name=username, exact=True).click()


@pytest.mark.parametrize("has_scripts", [True, False])
async def test_development_provider_logs_in_with_one_click(development, new_person, has_scripts):
    """No password and no consent; after a logout the provider asks again."""
    person = await new_person(development.url, java_script_enabled=has_scripts)
    page = await person.open("/")
    await expect_login_page(page)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("button", name="manager", exact=True)).to_be_visible()
    await person.screenshot(page, "development-provider")
    await choose(page, "manager")
    if not has_scripts:
        await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Hello")
    assert ("manager", "resource_manager") == ((who := await person.who())["username"], who["role"])

    await page.get_by_role("button", name="Sign out").click()
    await expect_login_page(page)
    await page.get_by_role("button", name="Sign in").click()
    await choose(page, "nobody")
    if not has_scripts:
        await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_role("button", name="Request access")).to_be_visible()
    assert (await person.who())["role"] is None
