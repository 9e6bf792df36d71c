import pytest

from bodhi.server.access.profiles import PROFILES
from bodhi.server.access.scopes import Role
from server.pages.browser import HTML
from support.markup import read

PATH = "/ui/admin"
HTMX = {"HX-Request": "true", "Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
HOSTILE = "<script>alert(1)</script> \N{RIGHT-TO-LEFT OVERRIDE}gnp.exe \N{GRINNING FACE}\n" + "x" * 300
HOSTILE_ID = "../a b%2F&c=<d>\"'"


@pytest.fixture
async def manager(server, provider, new_browser):
    """The browser of a manager."""
    return await (await new_browser(server)).log_in(provider, "manager")


@pytest.fixture
def profiles(server):
    """Stores some known users."""
    return server.app[PROFILES]


def rows(page):
    """Return the table rows, without the ids below the names."""
    (table,) = page.all("table")
    titles = ["Username", "Name", "Role", "Sessions", "Last active"]
    assert titles == [cell.text for cell in table.one("thead").all("th")]
    cells = ([row.one("th").all("bdi")[0], *row.all("td")[1:3]] for row in table.one("tbody").all("tr"))
    return [[cell.text for cell in row] for row in cells]


async def test_managers_list_known_users(server, provider, new_browser, manager, profiles):
    """By name, with their role and how many sessions they have; of those above them not how many."""
    for username in ("user", "user", "admin", "nobody"):
        await (await new_browser(server)).log_in(provider, username)
    await profiles.remove("gone")

    await manager.open("/ui")
    await manager.follow("Admin")

    assert (PATH, 200, "Users") == (manager.path, manager.status, manager.page.one("h1").text)
    assert [
        ["No username", "Removed", "0"],
        ["admin", "Administrator", "Above you"],
        ["manager", "Manager", "1"],
        ["nobody", "No role yet", "1"],
        ["user", "User", "2"],
    ] == rows(manager.page)
    assert "5 users." in manager.page.one("main").text
    assert "admin" not in [link.text for link in manager.page.all("a")]
    assert ["Never"] + [True] * 4 == [
        cell.all("time")[0].attributes["datetime"].endswith("Z") if cell.all("time") else cell.text
        for cell in manager.page.all("td", **{"data-label": "Last active"})
    ]


async def test_users_can_be_searched(manager, profiles):
    """By a form that works without a script; the text stays in it."""
    await profiles.note("id-1", "Ann", Role.USER)
    await manager.open(PATH)
    form = manager.page.one("search").one("form")
    assert ("get", PATH, "q") == (
        form.attributes["method"],
        form.attributes["action"],
        form.all("input")[0].attributes["name"],
    )

    await manager.open(f"{PATH}?q=+aNN")

    assert [["Ann", "User", "0"]] == rows(manager.page)
    assert "One user with “ aNN ” in the name, username or user ID" in manager.page.one("main").text
    assert "aNN" == manager.page.one("input", name="q").attributes["value"]
    await manager.open(f"{PATH}?q=%25")
    assert ([], 200) == (manager.page.all("table"), manager.status)
    assert "No user with “ % ” in the name, username or user ID." in manager.page.one("main").text


async def test_htmx_search_returns_only_the_list(manager, profiles):
    """In the place of the old one, with the focus on how many there are."""
    await profiles.note("id-1", "Ann", Role.USER)
    await manager.open(PATH)
    form = manager.page.one("search").one("form").attributes
    assert (PATH, "#users") == (form["hx-get"], form["hx-target"])
    assert manager.page.one("div", id="users").all("table")

    response = await manager.client.get(f"{PATH}?q=ann", headers=HTMX)

    part = read(await response.text())
    assert [["Ann", "User", "0"]] == rows(part)
    assert {"tabindex": "-1", "autofocus": ""}.items() <= part.all("p")[0].attributes.items()


async def test_user_list_has_several_pages(manager, profiles):
    """What is looked for is looked for on the next one, too; nobody is there twice."""
    for number in range(35):
        await profiles.note(f"a&b {number:02}", f"ann {number:02}", None)
        await profiles.note(f"c {number:02}", f"ann & bob {number:02}", None)

    await manager.open(f"{PATH}?q=n+%26+b")
    first = rows(manager.page)
    assert "35 users with “ n & b ” in the name, username or user ID." in manager.page.one("main").text
    await manager.follow("Next")

    assert "35 users with" in manager.page.one("main").text
    assert [f"ann & bob {number:02}" for number in range(35)] == [row[0] for row in first + rows(manager.page)]


async def test_headings_sort_the_list(manager, profiles):
    """A heading says how it is sorted, and leads the other way round; search and filters stay."""
    for user_id, name in {"1": "ann", "2": "bob"}.items():
        await profiles.note(user_id, name, Role.POWER_USER, full_name=name[::-1])
    await manager.open(f"{PATH}?q=n&role=resource_power_user")
    await profiles.note("3", "nat", Role.POWER_USER, full_name="aaa")
    heads = {cell.text: cell for cell in manager.page.one("thead").all("th")}
    assert ["ascending", None, None, None, None] == [cell.attributes.get("aria-sort") for cell in heads.values()]
    hrefs = {name: cell.one("a").attributes["href"] for name, cell in heads.items()}
    kept = f"{PATH}?q=n&role=resource_power_user"
    assert {
        "Username": f"{kept}&sort=username&order=desc",
        "Name": f"{kept}&sort=name&order=asc",
        "Role": f"{kept}&sort=role&order=desc",
        "Sessions": f"{kept}&sort=sessions&order=desc",
        "Last active": f"{kept}&sort=active&order=desc",
    } == hrefs

    await manager.follow("Name")
    assert ["nat", "ann"] == [row[0] for row in rows(manager.page)]
    await manager.follow("Name")
    assert ["ann", "nat"] == [row[0] for row in rows(manager.page)]
    assert "descending" == manager.page.all("th")[1].attributes["aria-sort"]
    fields = {one.attributes["name"]: one.attributes["value"] for one in manager.page.one("search").all("input")}
    assert {"q": "n", "sort": "name", "order": "desc"} == fields
    chosen = [one.text for one in manager.page.one("search").all("option") if "selected" in one.attributes]
    assert ["Power user"] == chosen


async def test_list_is_walked_in_both_directions(manager, profiles):
    """With filter and order kept."""
    for number in range(65):
        await profiles.note(f"id-{number:02}", f"user {number:02}", None)
    await manager.open(f"{PATH}?role=none&sort=name&order=desc")
    first = rows(manager.page)
    assert ("65 users.", []) == (
        manager.page.all("p")[-1].text,
        [a for a in manager.page.all("a") if a.text == "Previous"],
    )

    await manager.follow("Next")
    second = rows(manager.page)
    await manager.follow("Next")
    assert (65, 5) == (len({row[0] for row in first + second + rows(manager.page)}), len(rows(manager.page)))
    assert "Next" not in [link.text for link in manager.page.all("a")]
    await manager.follow("Previous")
    assert second == rows(manager.page)
    await manager.follow("Previous")
    assert first == rows(manager.page)


async def test_user_ids_are_copied_by_a_button(manager, profiles):
    """Without scripts the id is there to be selected."""
    await profiles.note("id-ann", "ann", None)
    await manager.open(f"{PATH}?q=id-ann")

    row = manager.page.one("tbody")
    button = row.one("button").attributes
    assert ("button", "id-ann", "id-ann") == (button["type"], button["data-copy"], row.one("code").text)


async def test_names_and_ids_are_escaped(manager, profiles):
    """Each for itself: no letter of a name changes how what comes after it is read."""
    await profiles.note(HOSTILE_ID, HOSTILE, Role.USER)

    await manager.open(f"{PATH}?q=..%2FA")

    row = manager.page.one("tbody").one("tr")
    assert [" ".join(HOSTILE.split()), HOSTILE_ID] == [text.text for text in row.all("bdi")]
    await manager.open(row.one("a").attributes["href"], site="same-origin")
    assert (200, HOSTILE_ID) == (manager.status, manager.page.one("code").text)
    assert " ".join(HOSTILE.split()) == manager.page.one("h1").text


@pytest.mark.parametrize(
    "query",
    [
        "q=%00",
        f"q={'x' * 101}",
        "q=a&q=b",
        "after=",
        "after=%0A",
        "after=x",
        "before=WzEsMl0",
        "after=WyJcdTAwMDAiLCIxIl0",
        "sort=id",
        "order=up",
        "role=king",
        "sessions=no",
    ],
)
async def test_malformed_parameters_are_refused(manager, query):
    """On a page."""
    await manager.open(f"{PATH}?{query}")

    assert (400, "Request failed") == (manager.status, manager.page.one("h1").text)


@pytest.mark.parametrize(
    ("user", "status", "title"),
    [(None, 401, "Sign in to continue"), ("power", 403, "Access denied"), ("nobody", 401, "You have no role yet")],
)
async def test_pages_are_for_managers(browser, provider, user, status, title):
    """Others do not find them in the bar, either."""
    if user:
        await browser.log_in(provider, user)
        assert "Admin" not in [link.text for link in browser.page.all("a")]

    for path in (PATH, f"{PATH}/person?id=x"):
        await browser.open(path)
        assert (status, title) == (browser.status, browser.page.one("h1").text)
        assert f"{title}." not in browser.page.one("main").text  # which says more than that once more
    for path in ("person/end-all?id=x", f"person/sessions/{'A' * 16}/end?id=x"):
        headers = {**HTML, "Sec-Fetch-Site": "same-origin"}
        assert status == (await browser.client.post(f"{PATH}/{path}", headers=headers)).status


async def test_navigation_depends_on_the_role(server, provider, new_browser):
    """Managers decide about users; the server is the administrators'."""
    for user, titles in {
        "manager": ["Users", "Access requests"],
        "admin": ["Users", "All sessions", "Access requests", "All API tokens", "Settings", "Activity"],
    }.items():
        browser = await (await new_browser(server)).log_in(provider, user)
        await browser.open(PATH)
        area = browser.page.one("nav", **{"aria-label": "Administration"})
        assert titles == [link.text for link in area.all("a")]
        for link in area.all("a"):
            await browser.open(link.attributes["href"], site="same-origin")
            assert (200, link.text) == (browser.status, browser.page.one("h1").text)
