import pytest

from bodhi.server.sessions import listing
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


def cells(row):
    """Return the texts of a row's cells up to the times, by label."""
    labelled = {cell.attributes["data-label"]: cell.text for cell in row.all("td") if "data-label" in cell.attributes}
    return [row.one("th").text, labelled["Device"], labelled["Address"]]


async def test_administrators_see_all_sessions(admin, sessions, server, provider, new_browser):
    """Each with its user and a link to their page; also anonymous ones, and those of users who were never seen."""
    await (await new_browser(server)).log_in(provider, "user")
    handle = (await sessions.create({"user_id": "<a>&/b"}, device=FIREFOX))[1].handle
    nobodys = (await sessions.create({"cart": 1}))[1].handle

    await admin.open("/ui/admin")
    await admin.follow("All sessions")

    assert (PATH, 200, "4 sessions.") == (admin.path, admin.status, admin.page.all("p")[0].text)
    titles = ["User", "Device", "Address", "Signed in", "Last active", "Actions"]
    assert titles == [cell.text for cell in admin.page.one("thead").all("th")]
    rows = {row.attributes["id"].removeprefix("session-"): row for row in admin.page.one("tbody").all("tr")}
    links = {link.text: link.attributes["href"] for row in rows.values() for link in row.one("th").all("a")}
    assert {"admin", "user", "<a>&/b"} == links.keys()
    assert ["Python This device"] == [cells(row)[1] for row in rows.values() if row.all("td")[0].all("span")]
    assert ["Not signed in", "Unknown device", "Unknown"] == cells(rows[nobodys])
    assert ["<a>&/b", "Firefox on Linux", "192.0.2.7"] == cells(rows[handle])
    assert 2 == len(rows[handle].all("time"))
    await admin.open(links["<a>&/b"], site="same-origin")
    assert ("<a>&/b", [handle]) == (
        admin.page.one("h1").text,
        [one.attributes["id"].removeprefix("session-") for one in admin.page.all("article")[1:]],
    )


async def test_sessions_are_searched_and_sorted(admin, sessions, server):
    """By a form that works without scripts; search and order are kept by each other and by the next page."""
    for number in range(32):
        await sessions.create({"user_id": f"<id> {number:02}"}, device=FIREFOX)
    await sessions.create({"user_id": "<id> 32"}, device=Device("192.0.2.8", None))
    await admin.open(PATH)
    form = admin.page.one("search").one("form").attributes
    assert ("get", PATH, PATH, "#sessions") == (form["method"], form["action"], form["hx-get"], form["hx-target"])
    last_active = admin.page.all("th")[4]
    assert "descending" == last_active.attributes["aria-sort"]
    assert f"{PATH}?sort=active&order=asc" == last_active.one("a").attributes["href"]

    await admin.open(f"{PATH}?q=<ID>+firefox")
    assert "32 sessions with “ <ID> firefox ” in the user, device or address." == admin.page.all("p")[0].text
    await admin.follow("User")
    hidden = admin.page.one("search").all("input", type="hidden")
    kept = {one.attributes["name"]: one.attributes["value"] for one in hidden}
    assert {"sort": "user", "order": "asc"} == kept
    first = [cells(row)[0] for row in admin.page.one("tbody").all("tr")]
    assert ([f"<id> {number:02}" for number in range(30)], "ascending") == (
        first,
        admin.page.all("th")[0].attributes["aria-sort"],
    )
    await admin.follow("Next")
    assert ["<id> 30", "<id> 31"] == [cells(row)[0] for row in admin.page.one("tbody").all("tr")]
    await admin.follow("Previous")
    assert first == [cells(row)[0] for row in admin.page.one("tbody").all("tr")]

    response = await admin.client.get(f"{PATH}?q=192.0.2.8", headers=HTMX)
    part = read(await response.text())
    assert ["<id> 32"] == [cells(row)[0] for row in part.one("tbody").all("tr")]
    assert {"tabindex": "-1", "autofocus": ""}.items() <= part.all("p")[0].attributes.items()
    await admin.open(f"{PATH}?q=nobody")
    assert ("No session with “ nobody ” in the user, device or address.", []) == (
        admin.page.all("p")[0].text,
        admin.page.all("table"),
    )


async def test_too_many_sessions_are_not_sorted(admin, sessions, monkeypatch):
    """The page says so, and walks through all of them; a search says how far it came."""
    monkeypatch.setattr(listing, "MOST", 35)
    for number in range(70):
        await sessions.create({"user_id": f"id-{number}"}, device=FIREFOX)
    await admin.open(PATH)
    assert "71 sessions: too many to sort." == admin.page.all("p")[0].text
    assert [] == admin.page.one("thead").all("a")
    seen = []
    for _ in range(3):
        seen += [cells(row)[0] for row in admin.page.one("tbody").all("tr")]
        if "Next" in [link.text for link in admin.page.all("a")]:
            await admin.follow("Next")
    assert (71, 71) == (len(seen), len(set(seen)))

    await admin.open(f"{PATH}?q=nobody")
    assert "0 with “ nobody ” among 35 of 71 sessions." in admin.page.all("p")[0].text
    await admin.follow("Next")
    await admin.follow("Next")
    assert "0 with “ nobody ” among 1 of 71 sessions." in admin.page.all("p")[0].text
    await admin.follow("Previous")
    assert "among 35 of 71 sessions." in admin.page.all("p")[0].text


@pytest.mark.parametrize("sort", ["active", "created", "user", "device", "address"])
@pytest.mark.parametrize("link", ["Next", "Previous"])
async def test_list_starts_again_where_its_order_changes(admin, sessions, monkeypatch, sort, link):
    """Once there are too many sessions to sort, and once there are not; the page says so."""
    for number in range(64):
        agent = FIREFOX.user_agent if number % 2 else None
        await sessions.create({"user_id": f"id-{number:02}"}, device=Device(f"192.0.2.{number}", agent))
    changed = "The list is in another order now, because the number of sessions has changed. This is its first page."

    for before, after in ((65, 64), (64, 65)):
        monkeypatch.setattr(listing, "MOST", before)
        await admin.open(f"{PATH}?sort={sort}")
        first = [row.attributes["id"] for row in admin.page.one("tbody").all("tr")]
        if link == "Previous":
            await admin.follow("Next")
            await admin.follow("Next")
        (target,) = [one.attributes["href"] for one in admin.page.all("a") if one.text == link]
        monkeypatch.setattr(listing, "MOST", after)
        await admin.open(f"{PATH}?sort={sort}")
        other = [row.attributes["id"] for row in admin.page.one("tbody").all("tr")]
        assert first != other

        await admin.open(target)

        assert (200, changed) == (admin.status, admin.page.all("p")[0].text)
        assert other == [row.attributes["id"] for row in admin.page.one("tbody").all("tr")]
        (back,) = {one.attributes["href"] for one in admin.page.all("a", **{"data-cancel": ""})}
        assert ("after" in back, "before" in back) == (False, False)
        response = await admin.client.get(target, headers=HTMX)
        assert changed in read(await response.text()).text
        await admin.follow("Next")
        assert changed not in admin.page.text


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
    assert ("/ui/login?state=logged_out", 0) == (response.headers["HX-Redirect"], await sessions.count_sessions())


@pytest.mark.parametrize(
    "path",
    [
        f"{PATH}?after=x",
        f"{PATH}?done=all",
        f"{PATH}?after=%00",
        f"{PATH}?sort=id",
        f"{PATH}?q=%00",
        f"{PATH}?before=WyJ4Il0",
    ],
)
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
