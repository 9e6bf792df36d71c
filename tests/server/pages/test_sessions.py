import pytest

from bodhi.session import SESSIONS
from bodhi.session.records import Device
from server.pages.browser import HTML
from support.markup import read

PATH = "/ui/sessions"
HTMX = {"HX-Request": "true", "Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
FIREFOX = Device("192.0.2.7", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
HANDLE = "A" * 16


@pytest.fixture
async def user(server, provider, new_browser):
    """The browser of a logged-in user."""
    return await (await new_browser(server)).log_in(provider, "user")


@pytest.fixture
def other_session(server, provider):
    """Creates another session of the same or another user; returns its handle."""

    async def make(username="user", device=FIREFOX):
        data = {"user_id": provider.person(username).user_id}
        return (await server.app[SESSIONS].create(data, device=device))[1].handle

    return make


async def handles(server, provider):
    """Return the handles of the user's live sessions."""
    return await server.app[SESSIONS].get_session_ids_for_user(provider.person("user").user_id)


async def test_page_lists_the_user_s_sessions(user, other_session):
    """This one first; nobody else's."""
    await other_session()
    await other_session("manager")
    await user.open("/ui")

    await user.follow("Sessions")

    assert (PATH, 200, "Your sessions") == (user.path, user.status, user.page.one("h1").text)
    assert ["Python This device", "Firefox on Linux"] == [title.text for title in user.page.all("h2")]
    this, other = user.page.all("article")
    assert ("Sign out", "/ui/logout") == (this.one("button").text, this.one("form").attributes["action"])
    assert "192.0.2.7" in other.text
    assert "One other session ends at once." in user.page.one("main").text


async def test_session_is_revoked_after_confirmation(server, user, other_session, provider):
    """Which is folded away until the first."""
    handle = await other_session()
    await user.open(PATH)
    (article,) = [one for one in user.page.all("article") if one.attributes["id"] == f"session-{handle}"]
    details = article.one("details")
    assert ("End", "open" in details.attributes) == (details.one("summary").text, False)

    await press(user, details.one("form"))

    assert (PATH, "Session ended. That device is signed out.") == (user.path, user.page.one(id="notice").text)
    assert ["Python This device"] == [title.text for title in user.page.all("h2")]
    assert 1 == len(await handles(server, provider))


async def test_ending_the_current_session_signs_out(server, user, provider):
    """The cookie is deleted, and the login page follows."""
    (own,) = await handles(server, provider)

    await user._go("POST", f"{PATH}/{own}/end", {**HTML, "Sec-Fetch-Site": "same-origin"})

    assert "/ui/login" == user.path
    await user.open("/ui")
    assert "/ui/login" == user.path


async def test_other_sessions_are_revoked(server, user, other_session, provider):
    """The page says so, and offers it no more."""
    for _ in range(3):
        await other_session()
    await user.open(PATH)
    assert "3 other sessions end at once." in user.page.one("main").text

    await user.press("End 3 sessions")

    assert "Signed out of all other devices." == user.page.one(id="notice").text
    assert ["Python This device"] == [title.text for title in user.page.all("h2")]
    assert "Sign out of all other devices" not in user.page.text
    assert 1 == len(await handles(server, provider))


async def test_htmx_shows_the_outcome_in_place(server, user, other_session, provider):
    """One session's card, or the whole list, with the focus on the words."""
    first, _ = await other_session(), await other_session()
    await user.open(PATH)
    buttons = {button.attributes["hx-post"]: button.attributes for button in user.page.all("button")[1:]}

    one = f"{PATH}/{first}/end"
    assert (f"#session-{first}", "outerHTML") == (buttons[one]["hx-target"], buttons[one]["hx-swap"])
    response = await user.client.post(one, headers=HTMX)
    part = read(await response.text())
    left = part.one("div", id="end-others")
    assert (200, f"Session ended. That device is signed out. {left.text}") == (response.status, part.text)
    assert {"tabindex": "-1", "autofocus": ""}.items() <= part.all("p")[0].attributes.items()
    assert "true" == left.attributes["hx-swap-oob"]
    assert "One other session ends at once. You stay signed in here." == left.one("p").text

    others = f"{PATH}/end-others"
    assert ("#sessions", "outerHTML") == (buttons[others]["hx-target"], buttons[others]["hx-swap"])
    response = await user.client.post(others, headers=HTMX)
    part = read(await response.text())
    assert "Signed out of all other devices." == part.one("p", tabindex="-1").text
    assert ["Python This device"] == [title.text for title in part.all("h2")]
    (own,) = await handles(server, provider)
    response = await user.client.post(f"{PATH}/{own}/end", headers=HTMX)
    assert ("/ui/login?state=logged_out", "") == (response.headers["HX-Redirect"], await response.text())


async def test_many_sessions_are_on_several_pages(user, other_session):
    """A link leads on."""
    for _ in range(30):
        await other_session()
    await user.open(PATH)
    assert 30 == len(user.page.all("article"))

    await user.follow("Show newer sessions")

    assert 1 == len(user.page.all("article"))


async def test_current_session_is_listed_first(server, provider, new_browser, other_session):
    """Its place in the list is on the second page, which shows it as well."""
    for _ in range(31):
        await other_session()
    user = await (await new_browser(server)).log_in(provider, "user")

    await user.open(PATH)
    assert ["Python This device", *["Firefox on Linux"] * 30] == [title.text for title in user.page.all("h2")]
    assert "31 other sessions end at once." in user.page.one("main").text
    await user.follow("Show newer sessions")
    assert ["Python This device", "Firefox on Linux"] == [title.text for title in user.page.all("h2")]


@pytest.mark.parametrize("handle", [HANDLE, "x", "%00"])
async def test_other_user_s_session_is_not_found(server, user, other_session, handle):
    """Whether it exists or not."""
    foreign = await other_session("manager")
    for one in (handle, foreign):
        headers = {**HTML, "Sec-Fetch-Site": "same-origin"}
        async with user.client.post(f"{PATH}/{one}/end", headers=headers) as response:
            assert (404, True) == (response.status, "The session does not exist or has ended." in await response.text())


async def test_page_requires_a_login(browser, provider):
    """With a role or without."""
    await browser.open(PATH)
    assert (401, "Sign in to continue") == (browser.status, browser.page.one("h1").text)

    await browser.log_in(provider, "nobody")
    await browser.open(PATH)
    assert (200, "Your sessions") == (browser.status, browser.page.one("h1").text)


async def test_cross_site_link_reaches_the_page(user):
    """A message has the link; the cookie comes with the next step."""
    await user.open(PATH, site="cross-site")
    assert "One moment" == user.page.one("h1").text

    await user.follow("Continue")

    assert (PATH, 200) == (user.path, user.status)


async def press(browser, form):
    """Submit the form with its only button."""
    headers = {**HTML, "Sec-Fetch-Site": "same-origin"}
    await browser._go("POST", form.attributes["action"], headers, data={})
