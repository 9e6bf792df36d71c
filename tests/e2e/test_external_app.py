"""An external application requests access for a user, and gets what the user approves."""

import json

import pytest
from playwright.async_api import expect

from e2e.browsing import PHONE, sign_in

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def reported_user(page):
    """Return what bodhi reported to the application about the user."""
    await expect(page.get_by_role("heading", level=1)).to_have_text("Connected")
    return json.loads(await page.get_by_role("status").inner_text())


def expected_of(site, role):
    """Return what bodhi should report to an application with that scope."""
    return {
        "auth_status": "logged_in",
        "user_id": site.realm.id_of("user"),
        "username": "user",
        "first_name": "Barbara",
        "last_name": "Liskov",
        "role": role,
    }


@pytest.mark.parametrize(("acts_as_user", "role"), [(True, "scope_user_user"), (False, None)])
async def test_an_approved_application_calls_the_api(site, person, notes, acts_as_user, role):
    """With the token that the realm gives it: as the person with a scope, or only told who they are without."""
    await person.log_in("user")
    page = await person.context.new_page()
    await page.goto(notes.own_url)
    if acts_as_user:
        await page.get_by_label("act as you").check()
    await page.get_by_role("button", name="Connect to bodhi").click()

    await expect(page.get_by_role("heading", level=1)).to_have_text("Notes requests access")
    await expect(page.get_by_role("main")).to_contain_text("Keeps what you jot down.")
    await person.screenshot(page, "app-review")
    await page.get_by_role("button", name="Approve").click()

    assert expected_of(site, role) == await reported_user(page)
    # The gates: it may be known who somebody is, without their being let in.
    gated = await person.context.request.get(
        f"{site.url}/bodhi/v1/tokens", headers={"Authorization": f"Bearer {notes.tokens[-1]}"}
    )
    assert (401, "api_auth_error-missing_auth") == (gated.status, (await gated.json())["error"]["code"])


async def test_user_without_a_session_logs_in_first_and_returns_to_the_review(site, new_person, notes):
    """And comes back to the application's question, on a phone."""
    person = await new_person(site.url, **PHONE)
    page = await person.context.new_page()
    await page.goto(notes.own_url)
    await page.get_by_role("button", name="Connect to bodhi").tap()
    await page.get_by_role("button", name="Sign in").tap()
    await sign_in(page, "user")

    await expect(page.get_by_role("heading", level=1)).to_have_text("Notes requests access")
    await person.screenshot(page, "app-review-phone")
    await page.get_by_role("button", name="Approve").tap()
    assert expected_of(site, None) == await reported_user(page)


async def test_an_application_keeps_its_handle_on_the_window_that_it_opened(site, new_person, notes):
    """Until the person has decided in it, over the login: applications take a closed window for a refusal."""
    person = await new_person(site.url)
    asked = {"app_client_id": notes.client_id, "flow_type": "popup", "requested": {"notes": ["read"]}}
    made = await person.context.request.post(f"{site.url}/bodhi/v1/apps/request-access", data=asked)
    page = await person.context.new_page()
    await page.goto(notes.own_url)

    async with page.expect_popup() as opening:
        await page.evaluate(
            "url => { window.popup = window.open(url, '', 'width=600,height=700'); }", (await made.json())["review_url"]
        )
    popup = await opening.value
    await popup.get_by_role("button", name="Sign in").click()
    await sign_in(popup, "user")
    await popup.get_by_role("button", name="Approve").click()
    await expect(popup.get_by_role("heading", level=1)).to_have_text("Access approved")

    assert not await page.evaluate("popup.closed")
    await popup.goto(f"{site.url}/ui")  # where nobody's handle reaches
    await expect(popup.get_by_role("heading", level=1)).to_have_text("Hello, Barbara")
    assert await page.evaluate("popup.closed")


async def test_a_denied_application_gets_nothing(person, notes):
    """It is told so, and has no token."""
    await person.log_in("user")
    page = await person.context.new_page()
    await page.goto(notes.own_url)
    await page.get_by_role("button", name="Connect to bodhi").click()
    await page.get_by_role("button", name="Deny").click()

    await expect(page.get_by_role("main")).to_contain_text("The answer was: denied.")
    assert [] == notes.tokens


async def test_a_withdrawn_approval_ends_at_once(site, person, notes):
    """The token is the realm's and still good there; here it is worth nothing."""
    await person.log_in("user")
    page = await person.context.new_page()
    await page.goto(notes.own_url)
    await page.get_by_role("button", name="Connect to bodhi").click()
    await page.get_by_role("button", name="Approve").click()
    await reported_user(page)

    api, here = person.context.request, {"Sec-Fetch-Site": "same-origin"}
    listed = await (await api.get(f"{site.url}/bodhi/v1/user/app-access-requests")).json()
    assert ["Notes"] == [one["app_name"] for one in listed["requests"]]
    path = f"/bodhi/v1/access-requests/{listed['requests'][0]['id']}"
    assert 204 == (await api.delete(site.url + path, headers=here)).status

    bearer = {"Authorization": f"Bearer {notes.tokens[-1]}"}
    assert {"auth_status": "logged_out"} == await (await api.get(f"{site.url}/bodhi/v1/user", headers=bearer)).json()
