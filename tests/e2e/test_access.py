"""How users get a role."""

import asyncio

import pytest
from playwright.async_api import expect

from e2e.browsing import PHONE, expect_login_page, sign_in
from support.ports import free_port

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_user_without_a_role_requests_one_and_gets_access(site, person, new_person):
    """The request comes to a manager, the role to the realm, and the person in again with it."""
    page = await person.log_in("nobody")
    assert (await person.who())["role"] is None
    await person.screenshot(page, "no-role")
    await page.get_by_role("button", name="Request access").click()
    await expect(page.get_by_role("heading", name="Access requested")).to_be_visible()
    await person.screenshot(page, "access-requested")

    admin = await new_person(site.url, **PHONE)
    desk = await admin.log_in("admin")
    await admin.screenshot(desk, "home-admin-phone")
    await desk.get_by_role("link", name="Review requests").click()
    asked = desk.get_by_role("article", name="nobody")
    await expect(asked).to_be_visible()
    await admin.screenshot(desk, "access-requests-phone")
    await asked.get_by_label("Role").select_option(label="Power user")
    await asked.get_by_role("button", name="Approve").click()
    await expect(asked).to_contain_text("gets the role Power user")
    await expect(asked.get_by_role("button")).to_have_count(0)
    await admin.screenshot(desk, "access-approved-phone")

    assert "resource_power_user" == site.realm.roles(site.client_id)["nobody"]
    assert {"auth_status": "logged_out"} == await person.who()
    await page.reload()
    await expect_login_page(page)
    await page.get_by_role("button", name="Sign in").click()
    await person.expect_home(page, "nobody")
    await expect(page.get_by_role("main")).to_contain_text("Power user")
    assert "resource_power_user" == (await person.who())["role"]


async def test_a_rejected_request_can_be_made_again(site, person, new_person):
    """Without JavaScript, on both sides."""
    page = await person.log_in("nobody")
    await page.get_by_role("button", name="Request access").click()
    await expect(page.get_by_role("heading", name="Access requested")).to_be_visible()

    manager = await new_person(site.url, java_script_enabled=False)
    desk = await manager.begin_login()
    await sign_in(desk, "manager")
    await desk.get_by_role("button", name="Continue").click()
    await desk.get_by_role("link", name="Review requests").click()
    await expect(desk.get_by_role("button", name="Approve")).to_be_visible()
    await manager.screenshot(desk, "access-requests")
    await desk.get_by_text("Reject", exact=True).click()
    await desk.get_by_role("button", name="Reject request").click()
    await expect(desk.get_by_role("main")).to_contain_text("There are no pending access requests")

    await page.reload()
    await expect(page.get_by_role("button", name="Request access")).to_be_visible()
    assert site.realm.roles(site.client_id)["nobody"] is None


async def test_first_user_to_log_in_becomes_the_administrator(realm, serve, new_person):
    """A server that registers itself at the realm: one of two who come at once, and it is ready."""
    bodhi = serve(free_port())
    people = [await new_person(bodhi.url), await new_person(bodhi.url)]
    page = await people[0].open("/ui/login")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sign-in is not set up yet")
    await people[0].screenshot(page, "not-set-up")

    made = await people[0].context.request.post(
        f"{bodhi.url}/bodhi/v1/setup", data={"name": "A bodhi of our own"}, headers={"Sec-Fetch-Site": "same-origin"}
    )
    assert (200, {"status": "resource-admin"}) == (made.status, await made.json())
    await page.reload()
    await expect(page.get_by_role("main")).to_contain_text("becomes the administrator")

    pages = [await one.begin_login() for one in people]
    await asyncio.gather(*(sign_in(page, name) for page, name in zip(pages, ("user", "power"), strict=True)))
    for one, page, name in zip(people, pages, ("user", "power"), strict=True):
        await one.expect_home(page, name)

    assert {None, "resource_admin"} == {(await one.who())["role"] for one in people}
    told = await people[0].context.request.get(f"{bodhi.url}/bodhi/v1/info")
    assert "ready" == (await told.json())["status"]
