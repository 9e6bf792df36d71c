import subprocess
import sys

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from bodhi.session import SessionUnavailable, SqliteSessionStore
from server.pages.browser import HTML
from server.pages.conftest import environment
from support.markup import read, read_page

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@pytest.mark.parametrize(
    ("method", "path", "status", "title"),
    [
        ("GET", "/ui/nowhere", 404, "Page not found"),
        ("GET", "/ui/static/nothing.css", 404, "Page not found"),
        ("POST", "/ui", 405, "Request failed"),
    ],
)
async def test_error_is_a_page(client, method, path, status, title):
    """With the headers of every page."""
    headers = {**HTML, "Sec-Fetch-Site": "same-origin"}

    response = await client.request(method, path, headers=headers)

    assert status == response.status
    assert title == read_page(await response.text()).one("h1").text
    assert [POLICY] == response.headers.getall("Content-Security-Policy")
    assert "no-store" == response.headers["Cache-Control"]
    assert "text/html; charset=utf-8" == response.headers["Content-Type"]


async def test_head_of_an_error_has_the_headers_of_the_page(client):
    """Without the page."""
    response = await client.head("/ui/nowhere", headers=HTML)

    assert (404, b"") == (response.status, await response.read())
    assert "text/html; charset=utf-8" == response.headers["Content-Type"]


async def test_api_client_gets_a_json_error(client):
    """And so does a browser outside of the pages."""
    for path, accept in (
        ("/ui/nowhere", "*/*"),
        ("/ui/nowhere", "application/json"),
        ("/uinowhere", "text/html"),
        ("/nowhere", "text/html"),
        ("/bodhi/v1/nowhere", "text/html"),
    ):
        async with client.get(path, headers={"Accept": accept}) as response:
            assert 404 == response.status
            assert "route_error-not_found" == (await response.json())["error"]["code"]


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
async def test_cross_site_form_gets_an_error_page(client, site):
    """It logs nobody out, and nobody in."""
    for path in ("/ui/login", "/ui/logout", "/ui/request-access", "/ui/auth/callback"):
        response = await client.post(path, headers={**HTML, "Sec-Fetch-Site": site}, allow_redirects=False)

        assert 403 == response.status
        page = read_page(await response.text())
        message = "Requests from other sites are refused."
        advice = "A program that sends the session cookie must send this server's Origin."
        assert ("Access denied", f"{message} {advice} Go to home page") == (
            page.one("h1").text,
            " ".join(element.text for element in [*page.one("main").all("p"), *page.one("main").all("a")]),
        )


async def test_error_page_shows_only_a_reference(serve):
    """What failed stands in the log, under the same reference."""

    async def fails(_):
        raise ZeroDivisionError("reflected")

    server = await serve(web.get("/ui/fails", fails))
    async with TestClient(server) as client:
        response = await client.get("/ui/fails", headers=HTML)
        page = read_page(await response.text())

    assert 500 == response.status
    assert "Something went wrong" == page.one("h1").text
    assert response.headers["X-Request-ID"] == page.one("code").text
    assert "reflected" not in await response.text()


def buttons(page):
    """Return the texts of the navigation's links, and of the buttons in the header."""
    header = page.one("body").all("header")[0]
    return [link.text for link in header.all("a")[1:]], [button.text for button in header.all("button")]


@pytest.mark.parametrize("path", ["/ui/nowhere", "/ui/logout", "/ui/sessions?after=%00", "/ui/apps/access-requests/x"])
async def test_error_page_keeps_the_navigation(browser, provider, path):
    """Also at an address that is no page's."""
    await browser.open(path)
    assert browser.status in {400, 401, 404, 405}
    assert ([], []) == buttons(browser.page)
    await browser.log_in(provider, "power")

    await browser.open(path)

    assert browser.status in {400, 404, 405}
    assert (["Home", "Sessions", "API tokens"], ["Sign out"]) == buttons(browser.page)
    assert [] == browser.page.all("a", **{"aria-current": "page"})
    await browser.press("Sign out")
    assert browser.left_for.startswith(provider.issuer)


@pytest.mark.parametrize(
    ("user", "path", "required", "own"),
    [
        ("power", "/ui/admin", "Manager", "Power user"),
        ("manager", "/ui/admin/activity", "Administrator", "Manager"),
        ("user", "/ui/tokens", "Power user", "User"),
    ],
)
async def test_error_page_names_the_required_role(browser, provider, user, path, required, own):
    """And whom to ask for it; the API names it to programs."""
    await browser.log_in(provider, user)

    await browser.open(path)

    assert (403, "Access denied") == (browser.status, browser.page.one("h1").text)
    assert [required, own] == [value.text for value in browser.page.one("main").all("dd")]
    assert "If you need access, contact an administrator." in browser.page.one("main").text
    assert ["Sign out"] == buttons(browser.page)[1]
    async with browser.client.get(path, headers={"Accept": "application/json"}) as response:
        error = (await response.json())["error"]
    assert {"required_role": f"resource_{required.lower().replace('istrator', '').replace(' ', '_')}"} == error["param"]


@pytest.mark.parametrize(
    ("path", "token", "statuses"),
    [
        ("/ui/tokens", "nonsense", [401, 401, 429]),
        ("/ui/tokens", "bodhiapp_" + "x" * 43, [401, 401, 429]),
        ("/ui/nowhere", "nonsense", [404, 404, 404]),
    ],
)
async def test_refused_token_counts_once(serve, provider, sqlite_url, path, token, statuses):
    """The error page asks for nobody else."""
    server = await serve(**environment(provider, sqlite_url), BODHI_RATE_LIMIT="1")
    async with TestClient(server) as client:
        headers = {**HTML, "Authorization": f"Bearer {token}"}

        assert statuses == [(await client.get(path, headers=headers)).status for _ in range(3)]


async def test_error_page_leads_users_without_a_role_to_the_request(browser, provider):
    """Which is on the home page."""
    await browser.log_in(provider, "nobody")

    await browser.open("/ui/admin")

    assert (401, "You have no role yet") == (browser.status, browser.page.one("h1").text)
    assert "You can request access on the home page." in browser.page.one("main").text
    assert (["Home", "Sessions"], ["Sign out"]) == buttons(browser.page)
    await browser.follow("Go to home page")
    assert "Request access" in [button.text for button in browser.page.all("button")]


async def test_failed_page_keeps_the_navigation(server, browser, provider, monkeypatch):
    """The user is known before the page fails."""
    await browser.log_in(provider, "user")

    async def fails(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr("bodhi.server.sessions.pages.page", fails)
    await browser.open("/ui/sessions")

    assert (500, "Something went wrong") == (browser.status, browser.page.one("h1").text)
    assert (["Home", "Sessions"], ["Sign out"]) == buttons(browser.page)


async def test_missing_page_is_one_while_the_sessions_are_unavailable(
    serve, new_browser, provider, sqlite_url, monkeypatch
):
    """Without the navigation, for nobody can tell whose it is."""
    browser = await new_browser(await serve(**environment(provider, sqlite_url)))
    await browser.log_in(provider)

    async def fails(*_):
        raise SessionUnavailable

    monkeypatch.setattr(SqliteSessionStore, "load", fails)
    await browser.open("/ui/nowhere")

    assert (404, "Page not found", ([], [])) == (browser.status, browser.page.one("h1").text, buttons(browser.page))


async def test_outage_of_the_sessions_is_a_page(serve, new_browser, provider, sqlite_url, monkeypatch):
    """With the time to come back; whoever was logged in still is afterwards."""
    browser = await new_browser(await serve(**environment(provider, sqlite_url)))
    await browser.log_in(provider)

    async def fails(*_):
        raise SessionUnavailable

    with monkeypatch.context() as outage:
        outage.setattr(SqliteSessionStore, "load", fails)
        await browser.open("/ui")
        assert (503, "Temporarily unavailable") == (browser.status, browser.page.one("h1").text)
        assert "5" == browser.headers["Retry-After"]
        assert "Set-Cookie" not in browser.headers

    await browser.open("/ui")
    assert "Hello, Uma" == browser.page.one("h1").text


async def test_htmx_error_is_a_notice_at_the_top(client):
    """What the form wanted to change stays as it is."""
    headers = {"HX-Request": "true", "Accept": "text/html", "Sec-Fetch-Site": "same-origin"}

    response = await client.post("/ui/request-access", headers=headers)

    assert 401 == response.status
    assert "#notice" == response.headers["HX-Retarget"]
    assert "innerHTML" == response.headers["HX-Reswap"]
    part = read(await response.text())
    assert [] == part.all("html")
    assert "/ui/login" == part.one("a").attributes["href"]


def test_templates_are_loaded_for_the_first_page_only():
    """A server that starts does not wait for them."""
    program = "import sys, bodhi.server.app; sys.exit('jinja2' in sys.modules)"

    assert 0 == subprocess.run([sys.executable, "-c", program], check=False, timeout=300).returncode
