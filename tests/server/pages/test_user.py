import logging

import pytest
from yarl import URL

from bodhi.server.access.principal import SessionUser
from bodhi.server.access.profiles import PROFILES
from bodhi.server.access.scopes import Role, TokenScope
from bodhi.server.tokens.service import API_TOKENS
from bodhi.session import SESSIONS
from bodhi.session.records import Device
from server.pages.browser import HTML
from server.pages.conftest import environment
from support.markup import read

PATH = "/ui/admin/person"
HTMX = {"HX-Request": "true", "Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
FIREFOX = Device("192.0.2.7", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
HANDLE = "A" * 16
ALL, ONE = f"{PATH}/end-all", PATH + "/sessions/{}/end"


@pytest.fixture
async def manager(server, provider, new_browser):
    """The browser of a manager."""
    return await (await new_browser(server)).log_in(provider, "manager")


@pytest.fixture
async def user(server, provider, new_browser):
    """The browser of a plain user."""
    return await (await new_browser(server)).log_in(provider, "user")


def address(path, user_id, **values):
    """Return a URL about that user."""
    return str(URL.build(path=path, query={"id": user_id, **values}))


async def handles(server, user_id):
    """Return the handles of the user's live sessions."""
    return await server.app[SESSIONS].get_session_ids_for_user(user_id)


async def open_user(browser, name):
    """Navigate to the user's page from the home page."""
    await browser.open("/ui")
    await browser.follow("Admin")
    await browser.follow(name)


async def test_user_page_shows_the_sessions(server, provider, manager, user):
    """Who they are, and where they are logged in."""
    user_id = provider.person("user").user_id
    await server.app[SESSIONS].create({"user_id": user_id}, device=FIREFOX)

    await open_user(manager, "user")

    assert (200, "user") == (manager.status, manager.page.one("h1").text)
    about, *sessions = manager.page.all("article")
    assert ("User", user_id) == (about.all("dd")[0].text, about.one("code").text)
    assert "Sessions 2" == manager.page.one(id="sessions-title").text
    assert ["Python", "Firefox on Linux"] == [session.one("h3").text for session in sessions]
    assert "192.0.2.7" in sessions[1].text
    assert "2 sessions end at once, and the user has to sign in again." in manager.page.one("main").text


async def test_user_page_shows_the_full_name(server, provider, manager, new_browser):
    """As the provider gives it; it is text."""
    provider.shape.id_token_claims = {"name": "Ann <b>de la Cruz</b>"}
    await (await new_browser(server)).log_in(provider, "user")

    await manager.open(address(PATH, provider.person("user").user_id))

    profile, *_ = manager.page.all("article")
    assert "Ann <b>de la Cruz</b>" in {value.text for value in profile.all("dd")}


async def test_session_is_revoked_after_confirmation(server, provider, manager, user, caplog):
    """That browser is logged out; the log says who did it, to whom and why."""
    user_id = provider.person("user").user_id
    other = (await server.app[SESSIONS].create({"user_id": user_id}, device=FIREFOX))[1].handle
    await open_user(manager, "user")
    (card,) = [one for one in manager.page.all("article") if one.text.startswith("Python")]
    details = card.one("details")
    assert ("End", "open" in details.attributes) == (details.one("summary").text, False)

    with caplog.at_level(logging.INFO, "bodhi.session.endings"):
        await manager._go("POST", details.one("form").attributes["action"], {**HTML, "Sec-Fetch-Site": "same-origin"})

    assert (PATH, "Session ended. That device is signed out.") == (manager.path, manager.page.one(id="notice").text)
    assert [other] == await handles(server, user_id)
    await user.open("/ui")
    assert "/ui/login" == user.path
    told = [record.fields for record in caplog.records if record.name == "bodhi.session.endings"]
    manager_id = provider.person("manager").user_id
    assert [("revoked", 1, user_id, manager_id)] == [
        (one["reason"], one["ended"], one["user_id"], one["by"]) for one in told
    ]


async def test_all_sessions_of_a_user_are_revoked(server, provider, manager, user):
    """And nobody else's."""
    user_id = provider.person("user").user_id
    for _ in range(3):
        await server.app[SESSIONS].create({"user_id": user_id})
    await open_user(manager, "user")

    await manager.press("End 4 sessions")

    notice = "All sessions ended. The user is signed out everywhere."
    assert (PATH, notice) == (manager.path, manager.page.one(id="notice").text)
    assert "Not signed in anywhere." in manager.page.one("main").text
    assert "End all sessions" not in manager.page.text
    assert [] == await handles(server, user_id)
    await user.open("/ui")
    assert "/ui/login" == user.path


async def test_htmx_shows_the_outcome_in_place(server, provider, manager, user):
    """Together with the sessions that are left, and the focus on the words."""
    user_id = provider.person("user").user_id
    for _ in range(2):
        await server.app[SESSIONS].create({"user_id": user_id})
    await open_user(manager, "user")
    (handle, *_) = await handles(server, user_id)
    buttons = {
        one.attributes["hx-post"]: one.attributes for one in manager.page.all("button") if "hx-post" in one.attributes
    }

    one = address(ONE.format(handle), user_id)
    assert ("#sessions", "outerHTML") == (buttons[one]["hx-target"], buttons[one]["hx-swap"])
    response = await manager.client.post(one, headers=HTMX)
    part = read(await response.text())
    assert (200, "Session ended. That device is signed out.") == (response.status, part.one("p", tabindex="-1").text)
    assert ("Sessions 2", 2) == (part.one("h2").text, len(part.all("article")))

    everything = address(ALL, user_id)
    assert ("#sessions", "outerHTML") == (buttons[everything]["hx-target"], buttons[everything]["hx-swap"])
    response = await manager.client.post(everything, headers=HTMX)
    part = read(await response.text())
    assert "All sessions ended. The user is signed out everywhere." == part.one("p", tabindex="-1").text
    assert "sessions" == part.all("section")[0].attributes["id"]
    assert ([], []) == (part.all("article"), await handles(server, user_id))


async def test_revoking_ones_own_sessions_redirects_to_login(server, provider, manager):
    """One says which it is; both lead to the login page, with htmx as well."""
    manager_id = provider.person("manager").user_id
    await open_user(manager, "manager")
    assert "Python This device" == manager.page.one("h3").text
    assert "you are signed out here too" in manager.page.one("main").text

    form = manager.page.all("article")[1].one("form")
    assert ("Sign out", "/ui/logout") == (form.one("button").text, form.attributes["action"])
    (handle,) = await handles(server, manager_id)
    await manager._go("POST", address(ONE.format(handle), manager_id), {**HTML, "Sec-Fetch-Site": "same-origin"})
    assert "/ui/login" == manager.path
    await manager.log_in(provider, "manager")
    await open_user(manager, "manager")
    await manager.press("End one session")
    assert "/ui/login" == manager.path
    await manager.log_in(provider, "manager")
    response = await manager.client.post(address(ALL, manager_id), headers=HTMX)

    assert ("/ui/login?state=logged_out", "") == (response.headers["HX-Redirect"], await response.text())
    assert [] == await handles(server, manager_id)
    await manager.open("/ui")
    assert "/ui/login" == manager.path


async def test_a_role_is_changed(server, provider, manager, user):
    """Up to the one's own; whoever gets it logs in again. Nobody does so to themselves here."""
    await open_user(manager, "user")
    assert ["User", "Power user", "Manager"] == [option.text for option in manager.page.one("select").all("option")]
    assert "Remove user" not in [summary.text for summary in manager.page.all("summary")]

    await manager.press("Change role", role="resource_power_user")

    assert "Role changed. The user gets it when they sign in again." == manager.page.one(id="notice").text
    assert "Power user" == manager.page.all("dd")[0].text
    await user.open("/ui")
    assert "/ui/login" == user.path
    await manager.press("Change role", role="resource_admin")
    assert 400 == manager.status
    await open_user(manager, "manager")
    assert [] == manager.page.all("select")


async def test_administrators_remove_users(server, provider, new_browser, user):
    """With everything that they have here."""
    admin = await (await new_browser(server)).log_in(provider, "admin")
    user_id = provider.person("user").user_id
    await open_user(admin, "user")

    await admin.press("Remove this user")

    assert "User removed. They have no role, session" in admin.page.one(id="notice").text
    assert ("Removed", []) == (admin.page.all("dd")[0].text, await handles(server, user_id))
    response = await admin.client.post(address(f"{PATH}/remove", user_id), headers=HTMX)
    assert f"{PATH}?id={user_id}&done=removed" == response.headers["HX-Redirect"]


async def test_roles_are_changed_without_management_calls(database_url, serve, provider, new_browser):
    """They are stored here."""
    server = await serve(**{**environment(provider, database_url), "BODHI_AUTH_MANAGEMENT": "false"})
    await server.app[PROFILES].note("ann", "ann", None)
    admin = await (await new_browser(server)).log_in(provider, "admin")
    await admin.open(address(PATH, "ann"))

    await admin.press("Change role", role="resource_manager")

    assert "Role changed. The user gets it when they sign in again." == admin.page.one(id="notice").text
    assert ("Manager", "resource_manager") == (
        admin.page.all("dd")[0].text,
        await server.app[PROFILES].granted_role("ann"),
    )
    await admin.press("Remove this user")
    assert ("Removed", "") == (admin.page.all("dd")[0].text, await server.app[PROFILES].granted_role("ann"))


async def test_administrators_see_a_user_s_api_tokens(server, provider, new_browser, manager):
    """A few, with a way to the others; managers see none."""
    tokens, owner = server.app[API_TOKENS], SessionUser("a&b", "ann", Role.USER, "token")
    for number in range(11):
        await tokens.create(owner, scope=TokenScope.USER, name=f"token {number:02}")
    await tokens.create(SessionUser("another", "bob", Role.USER, "token"), scope=TokenScope.USER, name="bob's")
    admin = await (await new_browser(server)).log_in(provider, "admin")

    await manager.open(address(PATH, "a&b"))
    assert "API tokens" not in manager.page.one("main").text
    await admin.open(address(PATH, "a&b"))
    newest = [f"token {number:02}" for number in reversed(range(11))]
    assert newest[:10] == [title.text for title in admin.page.all("h3")]
    await admin.press("Deactivate token")
    assert ("/ui/admin/tokens", "Token deactivated. Programs that use it have lost access.") == (
        admin.path,
        admin.page.one(id="notice").text,
    )
    rows = admin.page.one("tbody").all("tr")
    assert newest == [row.one("bdi", **{"class": "name"}).text for row in rows]
    assert [(newest[0], "Inactive")] == [
        (row.one("bdi", **{"class": "name"}).text, "Inactive") for row in rows if "Inactive" in row.text
    ]
    await admin.open(address(PATH, "a&b"))
    await admin.follow("Show all tokens of this user")
    assert 11 == len(admin.page.one("tbody").all("tr"))


async def test_page_of_a_user_above_oneself_is_refused(server, provider, new_browser, manager):
    """A manager does not see an administrator's sessions, and ends none."""
    admin = await (await new_browser(server)).log_in(provider, "admin")
    admin_id = provider.person("admin").user_id
    (handle,) = await handles(server, admin_id)

    await manager.open(address(PATH, admin_id))
    assert (403, "Access denied") == (manager.status, manager.page.one("h1").text)
    for path in (ALL, ONE.format(handle), f"{PATH}/role", f"{PATH}/remove"):
        response = await manager.client.post(
            address(path, admin_id),
            headers={**HTML, "Sec-Fetch-Site": "same-origin"},
            data={"role": "resource_user"},
            allow_redirects=False,
        )
        assert 403 == response.status
    assert [handle] == await handles(server, admin_id)

    await open_user(admin, "manager")
    await admin.press("End one session")
    await manager.open("/ui")
    assert "/ui/login" == manager.path


async def test_session_of_another_user_is_not_found(server, provider, new_browser, manager, user):
    """An administrator's is not ended as somebody else's, whose name a manager may give."""
    await (await new_browser(server)).log_in(provider, "admin")
    (handle,) = await handles(server, provider.person("admin").user_id)
    for one in (handle, HANDLE, "x", "%00"):
        response = await manager.client.post(
            f"{ONE.format(one)}?id={provider.person('user').user_id}",
            headers={**HTML, "Sec-Fetch-Site": "same-origin"},
        )
        assert (404, True) == (response.status, "The session does not exist or has ended." in await response.text())
    assert [handle] == await handles(server, provider.person("admin").user_id)


async def test_unknown_user_with_sessions_has_a_page(server, manager):
    """Those that were brought along from elsewhere, say."""
    await server.app[SESSIONS].create({"user_id": "a/b ../%2F"})

    await manager.open(address(PATH, "a/b ../%2F"))

    assert (200, "a/b ../%2F") == (manager.status, manager.page.one("h1").text)
    assert "Never signed in here" in manager.page.one("main").text
    await manager.press("End session")
    assert ("Not signed in anywhere." in manager.page.text, []) == (True, await handles(server, "a/b ../%2F"))


@pytest.mark.parametrize("path", [PATH, f"{PATH}/end-all", f"{PATH}/sessions/{HANDLE}/end"])
async def test_unknown_user_is_not_looked_up_at_the_provider(provider, manager, path):
    """Whom there is nothing of here has no page."""
    before = provider.counts["users"]
    send = manager.client.get if path == PATH else manager.client.post
    response = await send(address(path, "nobody-knows"), headers={**HTML, "Sec-Fetch-Site": "same-origin"})

    assert (404, True) == (response.status, "The user does not exist." in await response.text())
    assert before == provider.counts["users"]


async def test_many_sessions_are_on_several_pages(server, manager):
    """A link leads on, to whom it may be."""
    for _ in range(31):
        await server.app[SESSIONS].create({"user_id": "a&b"})
    await manager.open(address(PATH, "a&b"))
    assert ("Sessions 31", 30) == (manager.page.one(id="sessions-title").text, len(manager.page.all("h3")))

    await manager.follow("Show newer sessions")

    assert ("a&b", 1) == (manager.page.one("h1").text, len(manager.page.all("h3")))


@pytest.mark.parametrize("query", ["", "?id=", "?id=%00", "?id=a&id=b", "?id=a&after=nonsense", "?id=a&done=what"])
async def test_malformed_parameters_are_refused(server, manager, query):
    """On a page."""
    await server.app[PROFILES].note("a", "ann", None)
    await manager.open(PATH + query)

    assert (400, "Request failed") == (manager.status, manager.page.one("h1").text)


async def test_cross_site_link_reaches_the_page(provider, manager, user):
    """A colleague's message has the link; the cookie comes with the next step."""
    user_id = provider.person("user").user_id
    await manager.open(address(PATH, user_id, done="all"), site="cross-site")
    await manager.follow("Continue")

    assert (PATH, 200, "user") == (manager.path, manager.status, manager.page.one("h1").text)
    assert "" == manager.page.one(id="notice").text
