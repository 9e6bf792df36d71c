import logging
from datetime import UTC, datetime, timedelta

import pytest

from bodhi.database import open_database
from bodhi.server.access.principal import SessionUser
from bodhi.server.access.scopes import Role, TokenScope
from bodhi.server.tokens.service import API_TOKENS, ApiTokens
from server.pages.browser import HTML
from server.pages.conftest import environment
from support.markup import read

PATH, ALL = "/ui/tokens", "/ui/admin/tokens"
DEACTIVATED = "Token deactivated. Programs that use it have lost access."
HTMX = {"HX-Request": "true", "Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
HOSTILE = "<img src=x onerror=alert(1)>\"' \N{RIGHT-TO-LEFT OVERRIDE}\n" + "x" * 60


@pytest.fixture
async def power(server, provider, new_browser):
    """The browser of a power user."""
    return await (await new_browser(server)).log_in(provider, "power")


@pytest.fixture
async def admin(server, provider, new_browser):
    """The browser of an administrator."""
    return await (await new_browser(server)).log_in(provider, "admin")


@pytest.fixture
def make(server):
    """Create a token of a user; return its id."""

    async def make(user_id, **options):
        owner = SessionUser(user_id, user_id, Role.ADMIN, "token")
        return (await server.app[API_TOKENS].create(owner, **{"scope": TokenScope.USER, **options})).record.id

    return make


async def is_accepted(browser, token):
    """Return whether the API accepts *token*."""
    async with browser.client.get("/bodhi/v1/user", headers={"Authorization": f"Bearer {token}"}) as response:
        return (await response.json())["auth_status"] != "logged_out"


def cards(page):
    """Return name, status, scope and expiry of each token."""
    return [
        [card.one("h2").text, *(card.all("dd")[number].text for number in (0, 1))]
        for card in page.all("article")
        if card.attributes.get("id", "").startswith("token-")
    ]


async def test_a_token_is_made_and_shown_once(power, caplog):
    """In the answer to the form, and nowhere else: no address, no log and no later page has it."""
    await power.open("/ui")
    await power.follow("API tokens")
    assert "You have no API tokens yet." in power.page.one("main").text

    with caplog.at_level(logging.DEBUG):
        await power.press("Create token", name="  My <CI>  ", scope="scope_token_power_user", days="30")

    token = power.page.one(id="made").text
    assert (PATH, 201, "My <CI>") == (power.path, power.status, power.page.all("h2")[2].text)
    assert "This is the only time it is shown" in power.page.one("main").text
    assert [["My <CI>", "Active", "Power user"]] == cards(power.page)
    expires = datetime.fromisoformat(power.page.all("time")[1].attributes["datetime"])
    assert abs(expires - datetime.now(UTC) - timedelta(days=30)) < timedelta(minutes=1)
    assert await is_accepted(power, token)
    assert token not in caplog.text
    await power.open(PATH)
    assert (200, False) == (power.status, token in power.page.text)


async def test_token_gets_the_configured_lifetime(database_url, serve, provider, new_browser):
    """Unless another time is chosen; the form tells which it is."""
    settings = {**environment(provider, database_url), "BODHI_API_TOKEN_LIFETIME": "3600"}
    power = await (await new_browser(await serve(**settings))).log_in(provider, "power")
    await power.open(PATH)
    choices = [option.text for option in power.page.all("select")[1].all("option")]
    assert ["In 1 hour (default)", "In 7 days", "In 30 days", "In 90 days", "In 365 days"] == choices

    await power.press("Create token")

    assert [["Unnamed token", "Active", "User"]] == cards(power.page)
    made, expires = (datetime.fromisoformat(time.attributes["datetime"]) for time in power.page.all("time"))
    assert timedelta(hours=1) == expires - made


async def test_htmx_inserts_a_new_token_above_the_list(power):
    """With the focus on it, and a button that copies it where there are scripts."""
    await power.open(PATH)
    form = power.page.one("form", **{"class": "fields"}).attributes
    assert (PATH, "#tokens") == (form["hx-post"], form["hx-target"])

    response = await power.client.post(PATH, headers=HTMX, data={"scope": "scope_token_user"})

    part = read(await response.text())
    assert (201, "no-store") == (response.status, response.headers["Cache-Control"])
    assert {"tabindex": "-1", "autofocus": ""}.items() <= part.all("article")[0].attributes.items()
    assert part.one(id="made").text == part.all("button")[0].attributes["data-copy"]
    assert await is_accepted(power, part.one(id="made").text)


async def test_token_expires_in_90_days_unless_chosen_otherwise(power):
    """Never is the last of the choices."""
    await power.open(PATH)
    (expires,) = power.page.all("select", name="days")
    assert ["In 7 days", "In 30 days", "In 90 days", "In 365 days", "Never"] == [
        option.text for option in expires.all("option")
    ]

    await power.press("Create token")

    created, expires = (datetime.fromisoformat(time.attributes["datetime"]) for time in power.page.all("time"))
    assert abs(expires - created - timedelta(days=90)) < timedelta(minutes=1)
    await power.press("Create token", name="without an end", days="")
    assert "Never" == power.page.one(id=power.page.all("article")[2].attributes["id"]).all("dd")[-1].text


async def test_form_is_empty_after_a_token_was_created(power):
    """It comes anew with the list, and the value of the token is in its button alone."""
    await power.open(PATH)

    response = await power.client.post(PATH, headers=HTMX, data={"scope": "scope_token_user", "name": "CI"})

    part = read(await response.text())
    form = part.one("form", **{"class": "fields"})
    assert "" == form.one("input", name="name").attributes["value"]
    assert "In 90 days" == next(one.text for one in form.all("option") if "selected" in one.attributes)
    token = part.one(id="made").text
    assert [token] == [one.attributes["data-copy"] for one in part.all("button") if "data-copy" in one.attributes]


async def test_own_token_is_deactivated_and_reactivated(power):
    """At once and in its place, as often as its owner likes."""
    await power.open(PATH)
    await power.press("Create token", name="first")
    first = power.page.one(id="made").text

    await power.press("Deactivate")
    assert (PATH, DEACTIVATED) == (
        power.path,
        power.page.one(id="notice").text,
    )
    assert [["first", "Inactive"]] == [card[:2] for card in cards(power.page)]
    assert not await is_accepted(power, first)
    await power.press("Reactivate")
    assert "Token reactivated. Programs can use it again." == power.page.one(id="notice").text
    assert await is_accepted(power, first)

    form = next(one for one in power.page.all("form") if one.text == "Deactivate").attributes
    response = await power.client.post(form["hx-post"], headers=HTMX)
    part = read(await response.text())
    assert (200, f"#{part.one('article').attributes['id']}") == (response.status, form["hx-target"])
    assert DEACTIVATED == part.one("p", autofocus="").text
    assert "Reactivate" in [one.text for one in part.all("button")]
    assert 404 == (await power.client.post(form["hx-post"], headers=HTMX)).status


async def test_own_token_is_renamed(power):
    """It stays as active as it was."""
    await power.open(PATH)
    await power.press("Create token", name="old")
    token = power.page.one(id="made").text

    await power.press("Save name", name="  <b>new</b> ")

    assert (PATH, "Token renamed.") == (power.path, power.page.one(id="notice").text)
    assert [["<b>new</b>", "Active"]] == [card[:2] for card in cards(power.page)]
    assert await is_accepted(power, token)
    await power.press("Deactivate")
    await power.press("Save name", name="newer")
    assert [["newer", "Inactive"]] == [card[:2] for card in cards(power.page)]


async def test_own_token_is_deleted_after_a_confirmation(power):
    """Unfolded first; it cannot be undone, and says so."""
    await power.open(PATH)
    await power.press("Create token", name="old")
    token = power.page.one(id="made").text
    details = next(one for one in power.page.all("details") if one.one("summary").text == "Delete")
    assert "open" not in details.attributes
    assert "This cannot be undone." in details.text
    assert "danger" == details.one("button").attributes["class"]

    await power.press("Delete token")

    notice = "Token deleted. Programs that used it have lost access."
    assert (PATH, notice, []) == (power.path, power.page.one(id="notice").text, cards(power.page))
    assert not await is_accepted(power, token)
    assert 404 == (await power.client.post(details.one("button").attributes["hx-post"], headers=HTMX)).status


async def test_use_of_a_token_is_shown(power):
    """As its owner sees it."""
    await power.open(PATH)
    await power.press("Create token")
    token = power.page.one(id="made").text
    assert "Never" == power.page.all("article")[2].all("dd")[3].text

    assert await is_accepted(power, token)

    await power.open(PATH)
    used = datetime.fromisoformat(power.page.all("article")[1].all("dd")[3].one("time").attributes["datetime"])
    assert abs(datetime.now(UTC) - used) < timedelta(minutes=5)


async def test_token_deactivated_by_an_administrator_is_not_reactivated(power, admin, make, provider):
    """Its owner can delete it only."""
    await make(provider.person("power").user_id)
    await admin.open(ALL)
    await admin.press("Deactivate token")

    await power.open(PATH)

    assert "Inactive" == cards(power.page)[0][1]
    buttons = [button.text for button in power.page.all("button")]
    assert ("Reactivate" in buttons, "Delete token" in buttons) == (False, True)


async def test_tokens_of_other_users_cannot_be_changed(power, make):
    """They are not listed, and an id alone changes none."""
    foreign = await make("ann", name="foreign")
    await power.open(PATH)
    assert [] == cards(power.page)

    headers = {**HTML, "Sec-Fetch-Site": "same-origin"}
    for token_id, status in ((foreign, 404), ("00000000-0000-0000-0000-000000000000", 404), ("x", 400)):
        for action in ("disable", "enable", "rename", "delete"):
            url = f"{PATH}/{token_id}/{action}"
            assert status == (await power.client.post(url, headers=headers, data={"name": "x"})).status
    assert 403 == (await power.client.post(f"{ALL}/{foreign}/disable", headers=headers)).status


async def test_many_own_tokens_are_on_several_pages(power, make, provider):
    """The newest first."""
    for number in range(31):
        await make(provider.person("power").user_id, name=f"token {number}")
    await power.open(PATH)
    assert ("token 30", 30) == (cards(power.page)[0][0], len(cards(power.page)))

    await power.follow("Show older tokens")

    assert [["token 0", "Active", "User"]] == cards(power.page)
    assert "Show older tokens" not in power.page.text


@pytest.mark.parametrize(
    "data",
    [
        {"scope": "scope_token_manager"},
        {"scope": "scope_token_user", "days": "1"},
        {"scope": "scope_token_user", "name": "x" * 101},
        {"scope": "scope_token_user", "name": "\0"},
        {},
    ],
)
async def test_malformed_parameters_are_refused(power, data):
    """And no token is made."""
    headers = {**HTML, "Sec-Fetch-Site": "same-origin"}
    assert 400 == (await power.client.post(PATH, headers=headers, data=data)).status
    await power.open(PATH)
    assert [] == cards(power.page)


@pytest.mark.parametrize(("user", "status"), [(None, 401), ("user", 403)])
async def test_own_tokens_are_for_power_users(browser, provider, user, status):
    """As those of the API are."""
    if user:
        await browser.log_in(provider, user)
        assert "API tokens" not in [link.text for link in browser.page.all("a")]
    await browser.open(PATH)
    assert status == browser.status


def cells(page):
    """Return name, user, permissions and status of each token in the table."""
    rows = page.one("tbody").all("tr")
    return [[row.one("th").one("bdi").text, *(cell.text for cell in row.all("td")[:3])] for row in rows]


async def test_administrators_see_all_tokens(admin, make, database_url):
    """With whose they are, what they may do, and how they stand; the name is text whatever it holds."""
    await make("ann", name=HOSTILE)
    async with open_database(database_url) as database:
        owner = SessionUser("<b>&/", "bob", Role.ADMIN, "token")
        long_ago = ApiTokens(database, clock=lambda: 0, default_lifetime_seconds=60)
        await long_ago.create(owner, scope=TokenScope.POWER_USER)
    await admin.open("/ui/admin")
    await admin.follow("All API tokens")

    assert (ALL, "2 tokens.") == (admin.path, admin.page.one("main").all("p")[0].text)
    assert [
        ["Unnamed token", "<b>&/", "Power user", "Expired"],
        [" ".join(HOSTILE.split()), "ann", "User", "Active"],
    ] == cells(admin.page)
    titles = ["Token", "User", "Permissions", "Status", "Created", "Last used", "Expires", "Actions"]
    assert titles == [cell.text for cell in admin.page.one("thead").all("th")]
    await admin.follow("<b>&/")
    assert (200, "<b>&/") == (admin.status, admin.page.one("h1").text)


async def test_administrators_disable_tokens(admin, make, caplog, provider):
    """Whoever's it is; the log says who did it."""
    other, token_id = await make("bob"), await make("ann")
    await admin.open(ALL)
    with caplog.at_level(logging.INFO, "bodhi.server.tokens.service"):
        await admin.press("Deactivate token")

    assert (ALL, DEACTIVATED) == (
        admin.path,
        admin.page.one(id="notice").text,
    )
    assert ["Inactive", "Active"] == [row[3] for row in cells(admin.page)]
    assert [1, 0] == [len(row.all("form")) for row in reversed(admin.page.one("tbody").all("tr"))]
    record = [one for one in caplog.records if one.name == "bodhi.server.tokens.service"][-1]
    admin_id = provider.person("admin").user_id
    assert f"api token disabled token_id={token_id} by={admin_id}" == record.getMessage()
    assert {"by": admin_id} == record.fields
    # With whose it is only that one's.
    assert 404 == (await admin.client.post(f"{ALL}/{other}/disable?id=ann", headers=HTMX)).status
    response = await admin.client.post(f"{ALL}/{other}/disable?id=bob", headers=HTMX)
    assert (200, DEACTIVATED) == (
        response.status,
        read(await response.text()).text,
    )


async def test_htmx_replaces_the_row_of_a_disabled_token(admin, make):
    """By one that is as wide."""
    await make("ann")
    await admin.open(f"{ALL}?id=ann")
    button = admin.page.one("tbody").one("button").attributes

    response = await admin.client.post(button["hx-post"], headers=HTMX)

    part = read(await response.text())
    assert (200, DEACTIVATED) == (response.status, part.text)
    assert str(len(admin.page.one("thead").all("th"))) == part.one("tr").one("td").attributes["colspan"]
    assert admin.page.one("tbody").one("tr").attributes["id"] == button["hx-target"].removeprefix("#")


async def test_many_tokens_are_on_several_pages(admin, make):
    """Newest first, of one person where one is asked for; search and order are kept, and a search keeps the person."""
    for number in range(32):
        await make("a&b" if number else "bob", name=f"token-{number:02}")
    await admin.open(f"{ALL}?id=a%26b")
    assert ("31 tokens.", "token-31", 30) == (
        admin.page.one("main").all("p")[1].text,
        cells(admin.page)[0][0],
        len(cells(admin.page)),
    )
    await admin.follow("Next")
    assert ["token-01"] == [row[0] for row in cells(admin.page)]
    await admin.follow("Token")
    assert ("token-01", 30) == (cells(admin.page)[0][0], len(cells(admin.page)))
    await admin.follow("Next")
    assert ["token-31"] == [row[0] for row in cells(admin.page)]
    hidden = {one.attributes["name"]: one.attributes["value"] for one in admin.page.all("input", type="hidden")}
    assert {"id": "a&b", "sort": "name", "order": "asc"} == hidden

    await admin.open(f"{ALL}?id=a%26b&sort=name&order=desc&q=TOKEN-3")
    assert "2 tokens with “ TOKEN-3 ” in the name, prefix or user." == admin.page.one("main").all("p")[1].text
    assert ["token-31", "token-30"] == [row[0] for row in cells(admin.page)]
    await admin.follow("Show the tokens of all users")
    assert (32, ALL) == (int(admin.page.one("main").all("p")[0].text.split()[0]), admin.path)


async def test_htmx_replaces_the_found_tokens(admin, make):
    """The focus is on how many there are."""
    await make("ann", name="printer")
    await make("bob", name="backup")
    await admin.open(ALL)
    form = admin.page.one("search").one("form").attributes
    assert ("get", ALL, ALL, "#tokens") == (form["method"], form["action"], form["hx-get"], form["hx-target"])

    response = await admin.client.get(f"{ALL}?q=bob", headers=HTMX)

    part = read(await response.text())
    assert [["backup", "bob", "User", "Active"]] == cells(part)
    assert {"tabindex": "-1", "autofocus": ""}.items() <= part.all("p")[0].attributes.items()
    await admin.open(f"{ALL}?q=nobody")
    assert "No token with “ nobody ” in the name, prefix or user." == admin.page.one("main").all("p")[0].text
    assert [] == admin.page.all("table")


@pytest.mark.parametrize("query", ["after=x", "before=WyJ4Il0&sort=used", "sort=scope", "q=%00", "id=", "done=all"])
async def test_malformed_parameters_of_the_list_are_refused(admin, query):
    """On a page."""
    await admin.open(f"{ALL}?{query}")

    assert (400, "Request failed") == (admin.status, admin.page.one("h1").text)
