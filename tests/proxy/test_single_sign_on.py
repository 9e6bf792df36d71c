"""Single sign-on behind real proxies: one for the host of the login, and one for an application's own host."""

import asyncio
import html
import re
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
from aiohttp import ClientSession, CookieJar, TCPConnector
from aiohttp.abc import AbstractResolver
from aiohttp.test_utils import TestServer
from yarl import URL

from support import proxies
from support.ports import free_port

pytestmark = pytest.mark.proxies

APP, WIKI = "app.localhost", "wiki.localhost"
PAGE = {"Accept": "text/html"}
# As the page has it.
OTHER_HOST = {
    "nginx": {"location ~ ^/(bodhi|ui)(/|$) {": "location ~ ^/ui/sso(/session)?$ {"},
    "caddy": {"@bodhi path /bodhi/* /ui /ui/*": "@bodhi path /ui/sso /ui/sso/session"},
    "traefik": {
        "PathRegexp(`^/(bodhi|ui)(/|$)`) && !Path(`/bodhi/v1/auth/verify`)": "PathRegexp(`^/ui/sso(/session)?$`)"
    },
}


def test_the_page_has_these_lines():
    """Word for word."""
    text = " ".join(proxies.PAGE.read_text("utf-8").split())
    for changes in OTHER_HOST.values():
        for old, new in changes.items():
            assert re.search(rf"`{re.escape(new)}`+ in place of `+{re.escape(old)}`", text), old


class Loopback(AbstractResolver):
    """Every name is this machine."""

    async def resolve(self, host, port=0, family=0):
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": 2, "proto": 0, "flags": 0}]

    async def close(self):
        pass


@pytest.fixture(params=list(proxies.PROXIES))
async def site(request, start_server, application):
    """The addresses of both hosts, and a browser."""
    ports = [free_port(), free_port()]
    bodhi: TestServer = await start_server(
        BODHI_TRUSTED_PROXIES="127.0.0.1/32",
        BODHI_PUBLIC_HOST=APP,
        BODHI_PUBLIC_PORT=str(ports[0]),
        BODHI_SSO_HOSTS=WIKI,
    )
    start = proxies.PROXIES[request.param]
    given = {"bodhi": bodhi.port, "application": application.server.port}
    with ExitStack() as stack:
        for host, port, changes in [(APP, ports[0], {}), (WIKI, ports[1], OTHER_HOST[request.param])]:
            running = start(**given, host=host, port=port, changes=changes)
            url = await asyncio.to_thread(running.__enter__)
            stack.callback(running.__exit__, None, None, None)
            assert f"http://{host}:{port}" == url
        connector = TCPConnector(resolver=Loopback())
        async with ClientSession(cookie_jar=CookieJar(), connector=connector) as browser:
            yield SimpleNamespace(app=f"http://{APP}:{ports[0]}", wiki=f"http://{WIKI}:{ports[1]}", browser=browser)


async def follow(browser, url):
    """Open *url* and what it leads to; return the last response."""
    for _ in range(10):
        response = await browser.get(URL(url, encoded=True), headers=PAGE, allow_redirects=False)
        found = re.search('content="0;url=(.*?)"', await response.text())
        to = html.unescape(found[1]) if found else response.headers.get("Location")
        if to is None:
            return response
        url = str(URL(url, encoded=True).join(URL(to, encoded=True)))
    raise AssertionError(f"still led on to {url}")


async def test_one_login_for_both_hosts(site, provider):
    """From the application's page to the login and back; a logout at one ends both."""
    browser, same = site.browser, {"Sec-Fetch-Site": "same-origin"}
    login = await follow(browser, f"{site.wiki}/page?a=b%26c")
    assert (200, APP, "/ui/login") == (login.status, login.url.host, login.url.path)
    begun = await browser.post(login.url, headers=same, allow_redirects=False)
    answer = await provider.log_in_url(begun.headers["Location"], user="user")
    ended = await browser.post(
        f"{site.app}/ui/auth/callback", data=dict(URL(answer).query), headers=same, allow_redirects=False
    )

    shown = await follow(browser, str(URL(site.app).join(URL(ended.headers["Location"], encoded=True))))

    assert (200, f"{site.wiki}/page?a=b%26c") == (shown.status, str(shown.url))
    told = {name.lower(): value for name, value in await shown.json()}
    assert "user" == told["x-bodhiapp-username"]
    assert not {"bodhiapp_session_id", "bodhi_sso"} & {
        part.partition("=")[0] for part in told.get("cookie", "").split("; ")
    }
    at_login = await follow(browser, f"{site.app}/page")
    assert (200, f"{site.app}/page") == (at_login.status, str(at_login.url))
    # Of bodhi there is nothing else here: the application answers, and is told whose request it is.
    for path in ("/bodhi/v1/user", "/ui/login"):
        assert "x-bodhiapp-user-id" in {
            name.lower() for name, _ in await (await follow(browser, site.wiki + path)).json()
        }

    await browser.post(f"{site.app}/bodhi/v1/logout", headers=same)

    assert APP == (await follow(browser, f"{site.wiki}/page")).url.host
    assert 401 == (await browser.get(f"{site.wiki}/page", allow_redirects=False)).status


async def test_a_code_of_another_browser_is_refused(site, provider):
    """Through the proxies, too."""
    browser, same = site.browser, {"Sec-Fetch-Site": "same-origin"}
    begun = await browser.post(f"{site.app}/ui/login", headers=same, allow_redirects=False)
    answer = await provider.log_in_url(begun.headers["Location"], user="user")
    await browser.post(
        f"{site.app}/ui/auth/callback", data=dict(URL(answer).query), headers=same, allow_redirects=False
    )
    to_code = await browser.get(f"{site.wiki}/ui/sso?return_to=/page", allow_redirects=False)
    to_session = await browser.get(URL(to_code.headers["Location"], encoded=True), allow_redirects=False)
    async with ClientSession(cookie_jar=CookieJar(), connector=TCPConnector(resolver=Loopback())) as victim:
        await victim.get(f"{site.wiki}/ui/sso", allow_redirects=False)

        refused = await victim.get(URL(to_session.headers["Location"], encoded=True), allow_redirects=False)

        assert (400, []) == (refused.status, refused.headers.getall("Set-Cookie", []))
        assert 401 == (await victim.get(f"{site.wiki}/page", allow_redirects=False)).status
