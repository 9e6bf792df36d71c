"""Pages that require a new login before a change: the redirect to it and back."""

import time

import aiohttp
import pytest
from yarl import URL

from bodhi.server.access.recent_login import RECENT_LOGIN
from bodhi.session import SESSIONS
from bodhi.session.handles import digest_of
from server.pages.browser import HTML, path_of
from server.pages.conftest import environment
from support.markup import read, read_page

TITLE = "Sign in again to continue"
HTMX = {"HX-Request": "true", "Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
REVIEW = "/ui/apps/access-requests"


@pytest.fixture
async def open_old_browser(server, provider, new_browser):
    """Opens browsers of users with an old login, also at the provider."""

    async def open_old_browser(user):
        browser = await (await new_browser(server)).log_in(provider, user)
        await server.app[SESSIONS].atomically(digest_of(session_id(browser)), lambda data, _: age_login(data))
        return browser

    return open_old_browser


def age_login(data):
    """Open a browser with a login of a day ago."""
    data["signed_in_at"] -= 86_400


def session_id(browser):
    """Return the session id in the cookie."""
    return next(cookie.value for cookie in browser.client.session.cookie_jar if "session_id" in cookie.key)


async def sign_in_again(browser, provider, user, *, drops=()):
    """Follow the login button; return where the login leads."""
    await browser.press("Sign in again")
    assert "900" == URL(browser.left_for).query["max_age"]
    url = str(URL(browser.left_for).without_query_params(*drops))
    await browser.open(path_of(await provider.log_in_url(url, user)), site="cross-site")
    return await browser.press("Continue")


async def test_form_that_requires_a_recent_login_redirects_to_it(open_old_browser, provider):
    """Refused on a page that leads to the provider and back; the form is sent again by the person."""
    browser = await open_old_browser("power")
    await browser.open("/ui/tokens")
    await browser.press("Create token", scope="scope_token_user")

    assert (403, TITLE) == (browser.status, browser.page.one("h1").text)
    assert ["Sign in again"] == [button.text for button in browser.page.one("main").all("button")]

    await sign_in_again(browser, provider, "power")
    assert (200, "/ui/tokens") == (browser.status, browser.path)
    assert "bodhiapp_" not in browser.page.text
    await browser.press("Create token", scope="scope_token_user")
    assert 201 == browser.status


async def test_recent_login_returns_to_the_user_page(server, open_old_browser, provider, new_browser):
    """With the query that says who it is, and nothing of what was done before."""
    await (await new_browser(server)).log_in(provider, "user")
    manager, user_id = await open_old_browser("manager"), provider.person("user").user_id
    await manager.open(f"/ui/admin/person?id={user_id}&done=role")
    assert "Role changed." in manager.page.text
    (form,) = [one for one in manager.page.all("form") if one.attributes["action"].startswith("/ui/admin/person/role")]

    headers = {**HTML, "Sec-Fetch-Site": "same-origin", "Referer": str(manager.url)}
    await manager._go("POST", form.attributes["action"], headers, data={"role": "resource_power_user"})
    assert (403, TITLE) == (manager.status, manager.page.one("h1").text)
    await sign_in_again(manager, provider, "manager")

    assert (200, "/ui/admin/person", {"id": user_id}) == (manager.status, manager.path, dict(manager.url.query))
    await manager._go("POST", form.attributes["action"], headers, data={"role": "resource_power_user"})
    assert "Role changed." in manager.page.text


@pytest.mark.parametrize(
    "referer", [None, "", "https://evil.test/ui/tokens", "http://[", "/ui/tokens", "{}/bodhi/v1/x"]
)
async def test_recent_login_without_a_referer_returns_home(open_old_browser, server, referer):
    """The login leads home then."""
    browser = await open_old_browser("power")
    headers = {} if referer is None else {"Referer": referer.format(server.make_url("").origin())}

    await browser._go(
        "POST", "/ui/tokens", {**HTML, "Sec-Fetch-Site": "same-origin", **headers}, data={"scope": "scope_token_user"}
    )

    assert "/ui/login?recent=true" == browser.page.one("main").one("form").attributes["action"]


async def test_htmx_shows_the_recent_login_notice_at_the_top(open_old_browser):
    """What the form wanted to change stays, and so does the page."""
    browser = await open_old_browser("power")
    headers = {**HTMX, "Referer": str(browser.client.make_url("/ui/tokens?page=1"))}

    async with browser.client.post("/ui/tokens", data={"scope": "scope_token_user"}, headers=headers) as response:
        notice = read(await response.text())

    assert (403, "#notice") == (response.status, response.headers["HX-Retarget"])
    form = notice.one("form")
    assert TITLE in notice.text
    assert "/ui/login?recent=true&return_to=/ui/tokens?page=1" == form.attributes["hx-post"]
    async with browser.client.post(form.attributes["hx-post"], headers=HTMX) as response:
        assert "900" == URL(response.headers["HX-Redirect"]).query["max_age"]


async def test_recent_login_url_is_a_page(open_old_browser, provider):
    """For programs that show it to people: with the button, though somebody is logged in."""
    browser = await open_old_browser("power")

    await browser.open("/ui/login?recent=true&return_to=/ui/tokens", site="same-origin")
    assert (200, TITLE) == (browser.status, browser.page.one("h1").text)
    await sign_in_again(browser, provider, "power")

    assert "/ui/tokens" == browser.path


async def test_recent_login_page_from_another_site_is_bounced(open_old_browser):
    """Is led on once, and is known then."""
    browser = await open_old_browser("power")

    async with browser.client.get(
        "/ui/login?recent=true&return_to=/ui/tokens", headers=HTML | {"Sec-Fetch-Site": "cross-site"}
    ) as response:
        page = read_page(await response.text())

    (target,) = [
        element.attributes["href"] for element in page.all("a") if "arrived" in element.attributes.get("href", "")
    ]
    await browser.open(target, site="same-origin")
    assert TITLE == browser.page.one("h1").text


async def test_provider_that_ignores_prompt_login_is_explained(server, provider, open_old_browser):
    """One page says so; nothing leads round and round, and the person is still logged in."""
    browser = await open_old_browser("power")
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as at_provider:
        await browser.open("/ui/tokens")
        await browser.press("Create token", scope="scope_token_user")
        await browser.press("Sign in again")
        await provider.log_in_url(browser.left_for, "power", browser=at_provider)
        for session in provider.realm.sessions.of_person(provider.person("power").user_id):
            session.auth_time -= 86_400
        ignored = str(URL(browser.left_for).without_query_params("max_age"))
        await browser.open(path_of(await provider.log_in_url(ignored, "power", browser=at_provider)), site="cross-site")

    await browser.press("Continue")

    assert (403, TITLE) == (browser.status, browser.page.one("h1").text)
    assert "without asking you to sign in again" in browser.page.text
    assert [] == browser.page.one("main").all("button")
    await browser.follow("Go to home page")
    assert "power" in browser.page.text


async def test_recent_login_setting_applies_to_pages(server, provider, new_browser):
    """And not asked for before."""
    browser = await (await new_browser(server)).log_in(provider, "power")
    await browser.open("/ui/tokens")
    await browser.press("Create token", scope="scope_token_user")
    assert 201 == browser.status
    server.app[RECENT_LOGIN]._clock = lambda: time.time() + 902

    await browser.open("/ui/tokens")
    await browser.press("Create token", scope="scope_token_user")

    assert (403, TITLE) == (browser.status, browser.page.one("h1").text)


async def test_pages_need_no_recent_login_if_disabled(database_url, serve, provider, new_browser):
    """And the page to sign in again is the usual one."""
    server = await serve(**environment(provider, database_url), BODHI_AUTH_RECENT_SECONDS="0")
    browser = await (await new_browser(server)).log_in(provider, "power")
    server.app[RECENT_LOGIN]._clock = lambda: time.time() + 10**9
    await browser.open("/ui/tokens")
    await browser.press("Create token", scope="scope_token_user")
    assert 201 == browser.status

    await browser.open("/ui/login?recent=true")
    assert "You are signed in" == browser.page.one("h1").text


@pytest.mark.parametrize("decision", ["approve", "deny"])
async def test_popup_keeps_its_opener_through_a_recent_login(open_old_browser, decision):
    """A manager who decides in a popup: without the application's handle on it, that would take it for closed."""
    manager = await open_old_browser("manager")
    request_id = "00000000-0000-0000-0000-000000000000"
    referer = str(manager.client.make_url(f"{REVIEW}/review?id={request_id}"))
    headers = {**HTML, "Sec-Fetch-Site": "same-origin", "Referer": referer}

    await manager._go("POST", f"{REVIEW}/{request_id}/{decision}", headers)

    assert (403, "unsafe-none") == (manager.status, manager.headers["Cross-Origin-Opener-Policy"])
    target = manager.page.one("main").one("form").attributes["action"]
    assert f"/ui/login?recent=true&return_to={REVIEW}/review?id={request_id}" == target
    async with manager.client.post(target, headers=headers, allow_redirects=False) as response:
        assert (303, "unsafe-none") == (response.status, response.headers["Cross-Origin-Opener-Policy"])
