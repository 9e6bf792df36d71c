import pytest

from bodhi.server.roles.service import ACCESS_REQUESTS
from bodhi.testing.identity_provider import Person
from server.pages.browser import HTML
from support.markup import read

PATH = "/ui/admin/access-requests"
HTMX = {"HX-Request": "true", "Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
HOSTILE = "<img src=x onerror=alert(1)>\"'"


@pytest.fixture
async def requesting_browser(server, provider, new_browser):
    """The browser of a user with a pending role request."""
    browser = await new_browser(server)
    await browser.log_in(provider, "nobody")
    return await browser.press("Request access")


@pytest.fixture
async def manager(server, provider, new_browser):
    """The browser of a manager."""
    browser = await new_browser(server)
    return await browser.log_in(provider, "manager")


async def test_home_of_a_manager_shows_pending_requests(requesting_browser, manager):
    """With a count and a way there."""
    await manager.open("/ui")
    assert "Access requests 1" == manager.page.one("h2", id="waiting-title").text

    await manager.follow("Review requests")

    assert (PATH, 200) == (manager.path, manager.status)
    assert "nobody" == manager.page.one("article").one("h2").text


async def test_approving_gives_the_role_and_ends_the_session(requesting_browser, manager, provider):
    """The person logs in again, and has it."""
    await manager.open(PATH)

    await manager.press("Approve", role="resource_power_user")

    assert (PATH, 200) == (manager.path, manager.status)
    assert "Request approved. The user gets the role at the next sign-in." == manager.page.one(id="notice").text
    assert [] == manager.page.all("article")
    await requesting_browser.open("/ui")
    assert "/ui/login" == requesting_browser.path
    await requesting_browser.log_in(provider, "nobody")
    assert "Power user" in [value.text for value in requesting_browser.page.all("dd")]


async def test_rejected_user_can_request_again(requesting_browser, manager):
    """The session goes on, without a role."""
    await manager.open(PATH)

    details = manager.page.one("details")
    assert ("Reject", "open" in details.attributes) == (details.one("summary").text, False)
    assert "danger" == details.one("button").attributes["class"]
    await manager.press("Reject request")

    assert "Request rejected." in manager.page.one(id="notice").text
    await requesting_browser.open("/ui")
    assert "Request access" == requesting_browser.page.one("h2", id="access-title").text


async def test_htmx_replaces_the_form_by_the_decision(requesting_browser, manager):
    """And the focus on it."""
    await manager.open(PATH)
    button = next(button for button in manager.page.all("button") if button.text == "Approve")
    target = button.attributes["hx-target"]
    assert {"form", "details"} <= {one.tag for one in manager.page.one("div", id=target.removeprefix("#")).all()}

    response = await manager.client.post(button.attributes["hx-post"], data={"role": "resource_user"}, headers=HTMX)

    part = read(await response.text())
    assert (200, "Request approved. The user gets the role User at the next sign-in.") == (response.status, part.text)
    assert {"tabindex": "-1", "autofocus": ""}.items() <= part.one("p").attributes.items()


@pytest.mark.parametrize("user", ["manager", "admin"])
async def test_role_choices_end_at_ones_own_role(server, new_browser, provider, requesting_browser, user):
    """The choice ends at one's own role."""
    browser = await new_browser(server)
    await browser.log_in(provider, user)
    await browser.open(PATH)

    names = [option.text for option in browser.page.one("select").all("option")]

    assert ["User", "Power user", "Manager", "Administrator"][: 3 if user == "manager" else 4] == names
    await browser.press("Approve", role="resource_admin")
    assert (400 if user == "manager" else 200) == browser.status


async def test_second_decision_shows_an_error(requesting_browser, manager):
    """On a page without a script, and in place with one."""
    await manager.open(PATH)
    other_tab = manager.page
    await manager.press("Reject request")

    manager.page = other_tab
    await manager.press("Approve")
    assert (409, "Already decided") == (manager.status, manager.page.one("h1").text)

    response = await manager.client.post(f"{PATH}/1/reject", headers=HTMX)
    part = read(await response.text())
    assert 409 == response.status
    assert "#notice" == response.headers["HX-Retarget"]
    assert "innerHTML" == response.headers["HX-Reswap"]
    assert "This request has already been decided." in part.text


async def test_user_name_is_escaped(server, new_browser, manager, provider):
    """Managers see what other people call themselves."""
    provider.add_person(Person(HOSTILE))
    browser = await new_browser(server)
    await browser.log_in(provider, HOSTILE)
    await browser.press("Request access")

    await manager.open(PATH)

    assert HOSTILE == manager.page.one("article").one("h2").text


async def test_list_shows_the_number_of_further_requests(server, manager):
    """Thirty fit on the page."""
    for number in range(31):
        await server.app[ACCESS_REQUESTS].create(f"id-{number}", f"person-{number:02}")

    await manager.open(PATH)

    assert [f"person-{number:02}" for number in range(30)] == [name.text for name in manager.page.all("h2")]
    assert "These are the 30 oldest of 31 requests." in manager.page.one("main").text


async def test_empty_list_is_shown(manager):
    """The page says so."""
    await manager.open(PATH)

    assert "There are no pending access requests." in manager.page.one("main").text


@pytest.mark.parametrize(
    ("user", "status", "title"), [(None, 401, "Sign in to continue"), ("power", 403, "Access denied")]
)
async def test_page_is_for_managers(browser, provider, user, status, title):
    """Others learn what they lack."""
    if user:
        await browser.log_in(provider, user)

    await browser.open(PATH)
    assert (status, title) == (browser.status, browser.page.one("h1").text)

    headers = {**HTML, "Sec-Fetch-Site": "same-origin"}
    for decision in ("approve", "reject"):
        response = await browser.client.post(f"{PATH}/1/{decision}", data={"role": "resource_user"}, headers=headers)
        assert status == response.status


async def test_cross_site_link_reaches_the_page(manager):
    """A colleague's message has the link; the cookie comes with the next step."""
    await manager.open(PATH, site="cross-site")
    assert "One moment" == manager.page.one("h1").text

    await manager.follow("Continue")

    assert (PATH, 200) == (manager.path, manager.status)


async def test_malformed_parameters_are_refused(manager):
    """As the API does, on a page."""
    for path, data, status in (
        ("1/approve", {"role": "resource_owner"}, 400),
        ("1/approve", {}, 400),
        ("7/approve", {"role": "resource_user"}, 404),
        ("x/approve", {"role": "resource_user"}, 400),
        ("7/reject", {}, 404),
        ("99999999999999999999/reject", {}, 400),
    ):
        headers = {**HTML, "Sec-Fetch-Site": "same-origin"}
        async with manager.client.post(f"{PATH}/{path}", data=data, headers=headers) as response:
            assert (status, "text/html; charset=utf-8") == (response.status, response.headers["Content-Type"])
