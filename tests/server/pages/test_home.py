import re
from datetime import UTC, datetime, timedelta

from bodhi.server.access.scopes import Role
from bodhi.testing.identity_provider import Person
from server.pages.browser import HTML
from support.markup import read
from support.raw_database import RawDatabase

ROLES = {
    "admin": "Administrator",
    "manager": "Manager",
    "power": "Power user",
    "user": "User",
    "nobody": "No role yet",
}
HOSTILE_NAME = "<script>alert(1)</script>\"'&{{ 7 * 7 }}"


async def test_home_without_a_session_redirects_to_login(browser):
    """There is nothing to see before."""
    for path in ("/", "/ui", "/ui/", "/ui/chat"):
        await browser.open(path)

        assert "/ui/login" == browser.path


async def test_home_shows_the_user_and_the_role(server, new_browser, provider):
    """Name, username, id and role in plain words."""
    for user, role in ROLES.items():
        browser = await new_browser(server)
        await browser.log_in(provider, user)

        person = provider.person(user)
        account = browser.page.one("article", **{"aria-labelledby": "you-title"})
        names = [term.text for term in account.all("dt")]
        values = [value.text for value in account.all("dd")]
        expected = {
            "Name": f"{person.given_name} {person.family_name}",
            "Username": user,
            "Role": role,
            "User ID": f"{person.user_id} Copy",
        }
        assert expected == dict(zip(names, values, strict=True))
        assert browser.page.all("p")[0].text.endswith(".")
        assert (user in {"admin", "manager"}) == bool(browser.page.all("a", href="/ui/admin"))


async def test_home_shows_own_sessions_and_the_last_sign_in(server, new_browser, provider):
    """Their number, this device, and a way to all of them."""
    browsers = [await new_browser(server) for _ in range(2)]
    for browser in browsers:
        await browser.log_in(provider, "user")
    headers = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
    await (await new_browser(server)).log_in(provider, "power")

    await browser.open("/ui", **headers)

    section = browser.page.one("article", **{"aria-labelledby": "home-sessions-title"})
    assert "Your sessions 2" == section.one("h2").text
    names = [term.text for term in section.all("dt")]
    device, address, signed_in = section.all("dd")
    assert ["This device", "Address", "Last sign-in"] == names
    assert ("Python", "127.0.0.1") == (device.text, address.text)  # as at the sign-in
    ago = datetime.now(UTC) - datetime.fromisoformat(signed_in.one("time").attributes["datetime"])
    assert timedelta(seconds=-2) < ago < timedelta(minutes=5)
    await browser.follow("Manage sessions")
    assert "/ui/sessions" == browser.path


async def test_navigation_marks_the_current_page(browser, provider):
    """To screen readers as well."""
    await browser.log_in(provider, "manager")

    (current,) = browser.page.all("a", **{"aria-current": "page"})
    assert "Home" == current.text
    await browser.follow("Admin")
    assert ["Admin", "Users"] == [link.text for link in browser.page.all("a", **{"aria-current": "page"})]
    await browser.follow("Access requests")
    (area,) = browser.page.all("a", **{"aria-current": "true"})
    (current,) = browser.page.all("a", **{"aria-current": "page"})
    assert ("Admin", "Access requests") == (area.text, current.text)


async def test_user_name_is_escaped(browser, provider):
    """No markup of the page's comes from the provider."""
    provider.add_person(Person("hostile", HOSTILE_NAME, "O'Neill & Söhne"), Role.USER)

    await browser.log_in(provider, "hostile")

    assert f"Hello, {HOSTILE_NAME}" == browser.page.one("h1").text
    assert (
        f"{HOSTILE_NAME} O'Neill & Söhne"
        == browser.page.one("article", **{"aria-labelledby": "you-title"}).all("dd")[0].text
    )


async def test_long_name_does_not_overflow_the_page(browser, provider):
    """Nothing is cut off."""
    provider.add_person(Person("x" * 200), Role.USER)

    await browser.log_in(provider, "x" * 200)

    assert "Hello, " + "x" * 200 == browser.page.one("h1").text


async def test_user_without_a_role_requests_access(browser, provider):
    """Once; from then on the page says that it was asked for."""
    await browser.log_in(provider, "nobody")

    await browser.press("Request access")

    assert "/ui" == browser.path
    assert "Access requested" == browser.page.one("h2", id="access-title").text
    assert "you are signed out. Sign in again to get your role." in browser.page.one(id="access").text
    (time,) = browser.page.one(id="access").all("time")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", time.attributes["datetime"])
    assert re.fullmatch(r"\d{1,2} [A-Z][a-z]+ \d{4}, \d\d:\d\d UTC", time.text)
    assert ["Sign out", "Copy"] == [button.text for button in browser.page.all("button")]


async def test_pages_lead_users_without_a_role_to_the_access_request(browser, provider):
    """Another sign-in would not help: they are signed in."""
    await browser.log_in(provider, "nobody")

    await browser.open("/ui/admin")

    assert (401, "You have no role yet") == (browser.status, browser.page.one("h1").text)
    assert "You can request access on the home page." in browser.page.one("main").text
    await browser.follow("Go to home page")
    await browser.press("Request access")
    assert "Access requested" == browser.page.one("h2", id="access-title").text


async def test_second_click_changes_nothing(browser, provider, database_url):
    """The page of another tab still has the button; the request stays the one that was made first, at its time."""
    await browser.log_in(provider, "nobody")
    other_tab = browser.page
    await browser.press("Request access")
    async with RawDatabase(database_url) as raw:
        before = await raw.rows("SELECT * FROM bodhi_access_request")

    browser.page = other_tab
    await browser.press("Request access")

    async with RawDatabase(database_url) as raw:
        assert before == await raw.rows("SELECT * FROM bodhi_access_request")
    assert 1 == len(before)
    assert ("/ui", 200) == (browser.path, browser.status)
    assert "Access requested" == browser.page.one("h2", id="access-title").text


async def test_htmx_request_returns_only_the_changed_part(browser, provider):
    """The part takes the place of the old one, and the focus with it."""
    await browser.log_in(provider, "nobody")
    htmx = {"HX-Request": "true", "Accept": "text/html", "Sec-Fetch-Site": "same-origin"}

    response = await browser.client.post("/ui/request-access", headers=htmx)

    assert 200 == response.status
    part = read(await response.text())
    assert "Access requested" == part.one("h2").text
    assert {"tabindex": "-1", "autofocus": ""}.items() <= part.one("h2").attributes.items()
    assert [] == part.all("html")
    assert "no-store" == response.headers["Cache-Control"]


async def test_user_with_a_role_gets_no_request_form(browser, provider):
    """There is no button, and none that is made up works."""
    await browser.log_in(provider, "user")
    assert ["Sign out", "Copy"] == [button.text for button in browser.page.all("button")]

    response = await browser.client.post("/ui/request-access", headers={**HTML, "Sec-Fetch-Site": "same-origin"})

    assert 422 == response.status
    assert "You already have access." in await response.text()


async def test_anonymous_user_cannot_request_access(browser):
    """A page that was left open, after the session has ended, leads to the login."""
    response = await browser.client.post("/ui/request-access", headers={**HTML, "Sec-Fetch-Site": "same-origin"})

    assert 401 == response.status
    assert 'href="/ui/login"' in await response.text()


async def test_api_token_cannot_request_access(browser, provider):
    """Pages are for browsers: whoever sends a token is sent to log in."""
    token = provider.issue_access_token("user", client_id="another")

    response = await browser.client.get(
        "/ui", headers={**HTML, "Authorization": f"Bearer {token}"}, allow_redirects=False
    )

    assert (303, "/ui/login") == (response.status, response.headers["Location"])


async def test_cross_site_link_keeps_the_login(browser, provider):
    """The cookie stays away from such a request; the next step, from here, brings it."""
    await browser.log_in(provider)

    await browser.open("/ui", site="cross-site")

    assert "One moment" == browser.page.one("h1").text
    refresh = browser.page.one("meta", **{"http-equiv": "refresh"})
    assert "0; url=/ui?arrived=1" == refresh.attributes["content"]
    await browser.follow("Continue")
    assert "Hello, Uma" == browser.page.one("h1").text
    assert [] == browser.page.all("meta", **{"http-equiv": "refresh"})


async def test_cross_site_bounce_happens_once(browser):
    """Who is not logged in ends at the login page."""
    await browser.open("/ui", site="cross-site")
    await browser.open("/ui?arrived=1", site="cross-site")

    assert "/ui/login" == browser.path
