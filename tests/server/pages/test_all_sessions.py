import pytest

from bodhi.session import SESSIONS
from bodhi.session.records import Device
from server.pages.browser import HTML
from support.markup import read

PATH = "/ui/admin/sessions"
HTMX = {"HX-Request": "true", "Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
FIREFOX = Device("192.0.2.7", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")


@pytest.fixture
async def admin(server, provider, new_browser):
    """The browser of an administrator."""
    return await (await new_browser(server)).log_in(provider, "admin")


@pytest.fixture
def sessions(server):
    """All sessions."""
    return server.app[SESSIONS]


async def test_administrators_see_all_sessions(admin, sessions, server, provider, new_browser):
    """Each with whose it is, and a way to the person; also those of nobody, and of who was never seen."""
    await (await new_browser(server)).log_in(provider, "user")
    handle = (await sessions.create({"user_id": "<a>&/b"}, device=FIREFOX))[1].handle
    nobodys = (await sessions.create({"cart": 1}))[1].handle

    await admin.open("/ui/admin")
    await admin.follow("All sessions")

    assert (PATH, 200, 4) == (admin.path, admin.status, len(admin.page.all("article")))
    people = {link.text: link.attributes["href"] for card in admin.page.all("article") for link in card.all("a")}
    assert {"admin", "user", "<a>&/b"} == people.keys()
    assert ["This device"] == [card.one("span").text for card in admin.page.all("article") if card.all("span")]
    assert "Not signed in" in [value.text for value in admin.page.one(id=f"session-{nobodys}").all("dd")]
    card = admin.page.one(id=f"session-{handle}")
    assert ("Firefox on Linux", "192.0.2.7" in card.text) == (card.one("h2").text, True)
    await admin.open(people["<a>&/b"], site="same-origin")
    assert ("<a>&/b", [handle]) == (
        admin.page.one("h1").text,
        [one.attributes["id"].removeprefix("session-") for one in admin.page.all("article")[1:]],
    )


async def test_administrator_revokes_one_session(admin, sessions):
    """With htmx in its place, and without; whoever's it is."""
    own = await sessions.get_session_ids_for_user("ann")
    handles = [(await sessions.create(data))[1].handle for data in ({"user_id": "ann"}, {"cart": 1}, {"cart": 2})]
    await admin.open(PATH)
    for handle in handles[:2]:
        button = admin.page.one(id=f"session-{handle}").one("button").attributes
        assert f"#session-{handle}" == button["hx-target"]
        response = await admin.client.post(button["hx-post"], headers=HTMX)
        assert (200, "Session ended. That device is signed out.") == (response.status, read(await response.text()).text)
        assert 404 == (await admin.client.post(button["hx-post"], headers=HTMX)).status
    form = admin.page.one(id=f"session-{handles[2]}").one("form")
    await admin._go("POST", form.attributes["action"], {**HTML, "Sec-Fetch-Site": "same-origin"})

    assert (PATH, "Session ended. That device is signed out.") == (admin.path, admin.page.one(id="notice").text)
    assert (own, 1) == ([], await sessions.count_sessions())


async def test_current_session_is_ended_by_signing_out(admin, sessions, provider):
    """The form is that of every page; the route of all other sessions leads to the login page."""
    (own,) = await sessions.get_session_ids_for_user(provider.person("admin").user_id)
    await admin.open(PATH)
    form = admin.page.one(id=f"session-{own}").one("form")
    assert ("Sign out", "/ui/logout") == (form.one("button").text, form.attributes["action"])

    await admin._go("POST", f"{PATH}/{own}/end", {**HTML, "Sec-Fetch-Site": "same-origin"})

    assert "/ui/login" == admin.path


async def test_administrator_revokes_all_sessions(admin, sessions, provider):
    """The own one too: that is said before, and the login page comes."""
    for user_id in ("ann", "bob"):
        await sessions.create({"user_id": user_id})
    await admin.open(PATH)
    assert "Everybody is signed out at once, on all nodes, including you." in admin.page.one("main").text

    await admin.press("End every session")

    assert ("/ui/login", 0) == (admin.path, await sessions.count_sessions())
    await admin.log_in(provider, "admin")
    response = await admin.client.post(f"{PATH}/end-all", headers=HTMX)
    assert ("/ui/login", 0) == (response.headers["HX-Redirect"], await sessions.count_sessions())


async def test_many_sessions_are_on_several_pages(admin, sessions):
    """Without a double."""
    for number in range(40):
        await sessions.create({"user_id": f"id-{number}"})
    await admin.open(PATH)
    seen = {card.attributes["id"] for card in admin.page.all("article")}

    await admin.follow("Show more")

    assert (30, 41) == (len(seen), len(seen | {card.attributes["id"] for card in admin.page.all("article")}))


@pytest.mark.parametrize("path", [f"{PATH}?after=x", f"{PATH}?done=all", f"{PATH}?after=%00"])
async def test_malformed_parameters_are_refused(admin, path):
    """On a page."""
    await admin.open(path)

    assert (400, "Request failed") == (admin.status, admin.page.one("h1").text)


async def test_page_is_for_administrators(browser, provider, sessions):
    """A manager ends nobody's session by it."""
    await browser.log_in(provider, "manager")
    handle = (await sessions.create({"user_id": "ann"}))[1].handle
    for path in ("sessions", "tokens", "settings", "activity"):
        await browser.open(f"/ui/admin/{path}")
        assert (403, "Access denied") == (browser.status, browser.page.one("h1").text)
    for path in ("end-all", f"{handle}/end", f"{handle}/end?id=ann"):
        headers = {**HTML, "Sec-Fetch-Site": "same-origin"}
        assert 403 == (await browser.client.post(f"{PATH}/{path}", headers=headers)).status

    assert 2 == await sessions.count_sessions()
