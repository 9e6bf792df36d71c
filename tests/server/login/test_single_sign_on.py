"""One login for several hosts, as browsers go through it behind proxies."""

import html
import re
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import ClientSession, DummyCookieJar
from yarl import URL

from bodhi.server.login.errors import LoginNotStarted
from bodhi.server.login.single_sign_on import SECONDS_TO_REDEEM, Codes, challenge_of

APP, WIKI, BLOG = "https://app.localhost", "https://wiki.localhost", "https://blog.localhost:8443"
SETTINGS = {
    "BODHI_TRUSTED_PROXIES": "127.0.0.1/32",
    "BODHI_PUBLIC_SCHEME": "https",
    "BODHI_PUBLIC_HOST": "app.localhost",
    "BODHI_SSO_HOSTS": "wiki.localhost,blog.localhost",
}
VERIFY = "/bodhi/v1/auth/verify"
PAGE = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
SESSION = "__Host-bodhiapp_session_id"


class Window:
    """A browser's window behind a proxy with several hosts; cookies are kept for each host alone."""

    def __init__(self, server, client):
        self._server, self._client = server, client
        self.cookies = {}  # by host

    async def send(self, method, url, **options):
        """Send a request as the proxy passes it on."""
        target = URL(url, encoded=True)
        cookies = self.cookies.setdefault(target.host, {})
        headers = {
            "X-Forwarded-Host": target.authority if target.explicit_port else target.host,
            "X-Forwarded-Proto": "https",
            "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()),
            **options.pop("headers", {}),
        }
        address = URL(str(self._server.make_url("")).rstrip("/") + target.raw_path_qs, encoded=True)
        response = await self._client.request(method, address, headers=headers, allow_redirects=False, **options)
        for line in response.headers.getall("Set-Cookie", ()):
            assert "domain" not in line.lower()
            name, _, value = line.partition(";")[0].partition("=")
            if "Max-Age=0" in line:
                cookies.pop(name, None)
            else:
                assert "Secure" in line
                cookies[name] = value
        return response

    async def get(self, url, **headers):
        """Open a page."""
        return await self.send("GET", url, headers={**PAGE, "Sec-Fetch-Site": "same-site", **headers})

    async def ask(self, url, query=""):
        """Return what the proxy is told about a request for *url*."""
        target = URL(url, encoded=True)
        told = {**PAGE, "X-Forwarded-Method": "GET", "X-Forwarded-Uri": target.raw_path_qs}
        return await self.send("GET", f"{target.origin()}{VERIFY}?redirect=true{query}", headers=told)

    async def log_in(self, provider, user="user", page=f"{APP}/ui/login"):
        """Log in from the login page; return the address that it leads to."""
        same = {"Sec-Fetch-Site": "same-origin"}
        begun = await self.send("POST", page, headers=same)
        answer = await provider.log_in_url(begun.headers["Location"], user=user)
        query = dict(URL(answer).query)
        ended = await self.send("POST", f"{APP}/ui/auth/callback", data=query, headers=same)
        assert 303 == ended.status, await ended.text()
        return str(URL(APP).join(URL(ended.headers["Location"], encoded=True)))

    async def follow(self, url):
        """Follow redirects and refreshing pages to where no more lead on; return the addresses."""
        trail = [url]
        while len(trail) < 10:
            response = await self.get(trail[-1])
            to = response.headers.get("Location") or next(
                iter(re.findall('content="0;url=(.*?)"', await response.text())), None
            )
            if to is None or "/ui/login" in trail[-1]:
                break
            trail.append(str(URL(trail[-1], encoded=True).join(URL(html.unescape(to), encoded=True))))
            if urlsplit(trail[-1]).path == "/page":
                break
        return trail


@pytest.fixture
async def server(start_server):
    """A node with a login for three hosts."""
    return await start_server(**SETTINGS)


@pytest.fixture
async def open_window(server):
    """Opens windows of separate browsers."""
    async with ClientSession(cookie_jar=DummyCookieJar()) as client:
        yield lambda: Window(server, client)


@pytest.fixture
async def window(open_window):
    """A browser's window."""
    return open_window()


def code_of(url):
    """Return the code in an address."""
    return parse_qs(urlsplit(url).query)["code"][0]


async def code_for(window, host=WIKI, page="/page"):
    """Begin a hand-over to *host*; return the address with the code, which is not opened."""
    begun = await window.get(f"{host}/ui/sso?return_to={page}")
    assert 303 == begun.status
    handed = await window.get(begun.headers["Location"])
    assert 303 == handed.status
    assert f"{host}/ui/sso/session" == handed.headers["Location"].partition("?")[0]
    return handed.headers["Location"]


@pytest.mark.parametrize("host", [WIKI, BLOG])
async def test_one_login_serves_another_host(window, provider, host):
    """Without a second login, and back at the page; both hosts have the same session."""
    await window.log_in(provider)
    sent = await window.ask(f"{host}/page?a=b%26c")
    assert (302, f"{host}/ui/sso?return_to=/page?a=b%2526c") == (sent.status, sent.headers["Location"])

    trail = await window.follow(sent.headers["Location"])

    assert f"{host}/page?a=b%26c" == trail[-1]
    passed = await window.ask(f"{host}/page")
    assert (200, "user") == (passed.status, passed.headers["X-BodhiApp-Username"])
    sessions = {jar[SESSION] for jar in window.cookies.values()}
    assert 1 == len(sessions)


async def test_who_is_not_logged_in_logs_in_once(window, provider):
    """And arrives at the page of the other host."""
    sent = await window.ask(f"{WIKI}/page")
    login = (await window.follow(sent.headers["Location"]))[-1]
    assert login.startswith(f"{APP}/ui/login?return_to=/ui/sso/code")

    back = await window.log_in(provider, page=login)

    assert f"{WIKI}/page" == (await window.follow(back))[-1]
    assert 200 == (await window.ask(f"{WIKI}/page")).status


async def test_a_logout_ends_the_session_on_every_host(window, provider):
    """At the next request."""
    await window.log_in(provider)
    await window.follow(f"{WIKI}/ui/sso?return_to=/page")
    assert 200 == (await window.ask(f"{WIKI}/page")).status

    await window.send("POST", f"{APP}/bodhi/v1/logout", headers={"Sec-Fetch-Site": "same-origin"})

    assert 302 == (await window.ask(f"{WIKI}/page")).status


async def test_the_next_user_of_the_browser_is_the_user_of_every_host(window, provider):
    """The other host asks again, since the old session is over."""
    await window.log_in(provider)
    await window.follow(f"{WIKI}/ui/sso?return_to=/page")
    await window.send("POST", f"{APP}/bodhi/v1/logout", headers={"Sec-Fetch-Site": "same-origin"})
    await window.log_in(provider, "manager")

    sent = await window.ask(f"{WIKI}/page")
    assert f"{WIKI}/page" == (await window.follow(sent.headers["Location"]))[-1]

    assert "manager" == (await window.ask(f"{WIKI}/page")).headers["X-BodhiApp-Username"]


async def test_the_page_that_leads_on_runs_its_own_script_alone(window, provider):
    """It adds the fragment, which no server sees; in Chromium that was tried."""
    await window.log_in(provider)

    response = await window.get(await code_for(window, page="/page?a=%27%3E%3Cscript%3E"))
    (script,) = re.findall("<script>(.*?)</script>", await response.text())

    digest = b64encode(sha256(script.encode()).digest()).decode()
    assert [f"default-src 'none'; script-src 'sha256-{digest}'; frame-ancestors 'none'"] == response.headers.getall(
        "Content-Security-Policy"
    )
    assert "location.hash" in script


async def refused(window, url):
    """Whether the code in *url* is refused, without a session for its host."""
    response = await window.get(url)
    assert SESSION not in window.cookies[URL(url).host]
    return (400, "login_error-session_info_not_found") == (
        response.status,
        (await (await window.send("GET", url)).json())["error"]["code"],
    )


async def test_a_code_is_good_once(window, open_window, provider):
    """Also where the first attempt was refused, and for its own browser."""
    await window.log_in(provider)
    url = await code_for(window)
    thief = open_window()
    await thief.get(f"{WIKI}/ui/sso")

    assert await refused(thief, url)
    assert await refused(window, url)


async def test_a_used_code_gives_no_session(window, open_window, provider):
    """Even to who has the nonce as well."""
    await window.log_in(provider)
    url = await code_for(window)
    assert 200 == (await window.get(url)).status
    thief = open_window()
    thief.cookies["wiki.localhost"] = {
        name: value for name, value in window.cookies["wiki.localhost"].items() if "bodhi_sso" in name
    }

    assert await refused(thief, url)


@pytest.mark.parametrize("has_nonce", [True, False])
async def test_a_leaked_code_is_worth_nothing(window, open_window, provider, has_nonce):
    """Without the cookie of the browser that began."""
    await window.log_in(provider)
    url = await code_for(window)
    thief = open_window()
    if has_nonce:
        await thief.get(f"{WIKI}/ui/sso")

    assert await refused(thief, url)


async def test_nobody_is_logged_in_as_somebody_else(window, open_window, provider):
    """By a link with the attacker's code, even where the victim has just begun."""
    attacker = open_window()
    await attacker.log_in(provider, "manager")
    url = await code_for(attacker)
    await window.get(f"{WIKI}/ui/sso?return_to=/page")

    assert await refused(window, url)


async def test_a_code_is_for_its_host(window, provider):
    """Whoever runs one host cannot use it at another."""
    await window.log_in(provider)
    url = await code_for(window)
    name = "__Host-bodhi_sso"
    window.cookies["blog.localhost"] = {name: window.cookies["wiki.localhost"][name]}

    assert await refused(window, url.replace(WIKI, BLOG))


@pytest.mark.parametrize("code", ["", "x", "=", "\u00e4", "A" * 200, "A" * 5_000])
async def test_malformed_codes_are_refused(window, code):
    """With a 400."""
    await window.get(f"{WIKI}/ui/sso")
    assert 400 == (await window.get(str(URL(f"{WIKI}/ui/sso/session").with_query(code=code)))).status


def test_a_code_expires():
    """After a minute, and one that was changed opens at no time."""
    now = 1_000.0
    codes = Codes(["a key for tests, of at least thirty-two characters"], clock=lambda: now)
    nonce = "n" * 43
    code = codes.issue("the id", host="wiki.localhost", challenge=challenge_of(nonce))

    assert "the id" == codes.redeem(code, host="wiki.localhost", nonce=nonce)
    raw = bytearray(urlsafe_b64decode(code + "=" * (-len(code) % 4)))
    raw[40] ^= 1
    with pytest.raises(LoginNotStarted):
        codes.redeem(urlsafe_b64encode(raw).decode().rstrip("="), host="wiki.localhost", nonce=nonce)
    now += SECONDS_TO_REDEEM + 1
    with pytest.raises(LoginNotStarted):
        codes.redeem(code, host="wiki.localhost", nonce=nonce)


@pytest.mark.parametrize(
    "host",
    ["evil.test", "app.localhost", "localhost", "wiki.localhost.evil.test", "evil.test/wiki.localhost", ""],
)
async def test_codes_are_issued_for_listed_hosts_alone(window, provider, host):
    """Others are not redirected to."""
    await window.log_in(provider)
    query = {"host": host, "challenge": "c" * 43}

    response = await window.get(str(URL(f"{APP}/ui/sso/code").with_query(query)))

    assert (404, False) == (response.status, "Location" in response.headers)


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}, {"Sec-Fetch-Dest": "iframe"}]
)
async def test_scripts_and_frames_get_no_code(window, provider, headers):
    """Only what the window goes to."""
    await window.log_in(provider)
    begun = await window.get(f"{WIKI}/ui/sso")

    response = await window.get(begun.headers["Location"], **headers)

    assert response.headers["Location"].startswith("/ui/login?")


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/bodhi/v1/user", "/bodhi/v1/tokens", "/ui", "/ui/login", "/ui/sso/code", "/page"])
async def test_the_other_host_answers_nothing_else(window, provider, path, method):
    """An application there has the session's origin: its scripts can do nothing at bodhi."""
    await window.log_in(provider)
    await window.follow(f"{WIKI}/ui/sso?return_to=/page")

    response = await window.send(method, f"{WIKI}{path}", headers={"Sec-Fetch-Site": "same-origin"})

    assert (301 if method == "GET" else 421) == response.status
    assert response.headers.get("Location", APP).startswith(APP)


async def test_hand_over_is_for_other_hosts(window):
    """At the host of the login there is nothing to hand over to."""
    for path in ("/ui/sso", "/ui/sso/session?code=x"):
        assert 404 == (await window.get(APP + path)).status


async def test_requests_of_the_other_host_are_its_own(window, provider):
    """A form of its pages passes, one from the host of the login does not."""
    await window.log_in(provider)
    await window.follow(f"{WIKI}/ui/sso?return_to=/page")
    for origin, site, status in [
        (WIKI, "same-origin", 200),
        (APP, "same-site", 403),
        ("https://evil.test", "cross-site", 403),
    ]:
        headers = {"X-Forwarded-Method": "POST", "Origin": origin, "Sec-Fetch-Site": site}
        assert status == (await window.send("GET", f"{WIKI}{VERIFY}", headers=headers)).status
