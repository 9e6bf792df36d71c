"""Promise 1: a request from another site, without the cookie that SameSite withheld, replaces no session."""

import pytest
from aiohttp import CookieJar, web
from yarl import URL

from bodhi.session import CookiePolicy, get_session, new_session
from session.pages import cookie_of, set_cookies

CROSS_SITE = {"Sec-Fetch-Site": "cross-site"}
NAME = "bodhiapp_session_id"
POLICIES = {
    "strict": (CookiePolicy(), NAME),
    "strict https": (CookiePolicy(secure=True), f"__Host-{NAME}"),
    "lax https": (CookiePolicy(secure=True, samesite="Lax"), f"__Host-{NAME}"),
    "own name": (CookiePolicy(name="shop", host_prefix=False, secure=True), "shop"),
}


@pytest.fixture(params=POLICIES.values(), ids=list(POLICIES))
def policy(request):
    """A cookie policy under which browsers withhold the cookie, and the cookie's name."""
    return request.param


@pytest.fixture
async def browser(serve, make_service, policy):
    """A client without a cookie jar, at an application that counts visits."""

    async def visit(request):
        session = await get_session(request)
        session["visits"] = session.get("visits", 0) + 1
        return web.Response()

    async def begin(request):
        session = await (new_session(request) if request.query["how"] == "new_session" else get_session(request))
        session["user_id" if request.query["how"] == "login" else "a"] = "bob"
        if request.query["how"] == "rotate":
            session.rotate()
        return web.Response()

    cookie, _ = policy
    return await serve(await make_service(cookie=cookie), keeps_cookies=False, visit=visit, begin=begin)


def _cookies(response):
    """The name and the value of each cookie that the response sets."""
    lines = response.headers.getall("Set-Cookie")
    return dict(line.partition(";")[0].split("=", 1) for line in lines)


def _header(cookies):
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_visit_from_another_site_does_not_log_out(method, browser, policy, raw):
    """Neither a link nor a form there replaces the login's cookie, and nothing is stored."""
    login = _cookies(await browser.post("/login/alice"))
    withheld = {name: value for name, value in login.items() if name != policy[1]}
    assert withheld

    response = await browser.request(method, "/visit", headers=CROSS_SITE | _header(withheld))

    assert (200, []) == (response.status, response.headers.getall("Set-Cookie", []))
    assert 1 == len(await raw.sessions())
    back = await browser.get("/read", headers=_header(login))
    assert {"user_id": "alice"} == await back.json()


@pytest.mark.parametrize("headers", [{}, CROSS_SITE, {"Sec-Fetch-Site": "sometime"}])
async def test_a_browser_that_says_nothing_of_the_site_keeps_its_login(headers, browser, policy):
    """Older browsers, and those without https, send no Sec-Fetch-Site."""
    login = _cookies(await browser.post("/login/alice"))
    withheld = {name: value for name, value in login.items() if name != policy[1]}

    assert not set_cookies(await browser.get("/visit", headers=headers | _header(withheld)))


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_first_visit_from_another_site_begins_a_session(method, browser):
    """Search engines and mails lead to pages that store something; a browser without the marker holds nothing."""
    assert cookie_of(await browser.request(method, "/visit", headers=CROSS_SITE))


@pytest.mark.parametrize("site", ["same-origin", "same-site", "none"])
async def test_a_marker_that_was_left_behind_locks_nobody_out(site, browser, policy):
    """Where the browser would have sent the session cookie, it has none."""
    login = _cookies(await browser.post("/login/alice"))
    left = {name: value for name, value in login.items() if name != policy[1]}

    assert cookie_of(await browser.get("/visit", headers={"Sec-Fetch-Site": site} | _header(left)))


@pytest.mark.parametrize("how", ["login", "new_session", "rotate"])
async def test_what_asks_for_a_session_gets_one(how, browser, policy):
    """A provider's form_post answer is a POST from another site, and ends in a login."""
    login = _cookies(await browser.post("/login/alice"))
    withheld = {name: value for name, value in login.items() if name != policy[1]}

    response = await browser.post(f"/begin?how={how}", headers=CROSS_SITE | _header(withheld))

    assert {*login} == {*_cookies(response)}


async def test_both_cookies_live_and_end_together(serve, make_service, policy):
    """With the same lifetime, and a logout removes both."""
    cookie, name = policy

    async def remember(request):
        session = await get_session(request)
        session["user_id"] = "alice"
        session.max_age = 600
        return web.Response()

    client = await serve(await make_service(cookie=cookie), keeps_cookies=False, remember=remember)
    login = await client.get("/remember")
    removed = await client.post("/logout", headers=_header(_cookies(login)))

    for response, age in ((login, "Max-Age=600"), (removed, "Max-Age=0")):
        lines = response.headers.getall("Set-Cookie")
        assert [name, f"{name}_exists"] == [line.partition("=")[0] for line in lines]
        assert all(age in line and "Path=/; HttpOnly; SameSite=" in line for line in lines)


def test_the_marker_is_sent_where_the_session_cookie_is_not():
    """Under https with a POST of another site too, which browsers allow for Secure cookies only."""
    samesite = {
        name: [line.partition("SameSite=")[2] for line in policy.headers("id")]
        for name, (policy, _) in POLICIES.items()
    }

    assert {
        "strict": ["Strict", "Lax"],
        "strict https": ["Strict; Secure", "None; Secure"],
        "lax https": ["Lax; Secure", "None; Secure"],
        "own name": ["Strict; Secure", "None; Secure"],
    } == samesite
    assert 1 == len(CookiePolicy(samesite="Lax").headers("id"))


async def test_a_browser_keeps_both_cookies(serve, service):
    """As aiohttp's client reads them, which follows RFC 6265."""
    client = await serve(service)
    await client.post("/login/alice")
    jar = client.session.cookie_jar
    assert isinstance(jar, CookieJar)

    cookies = jar.filter_cookies(URL(str(client.make_url("/"))))

    assert {NAME, f"{NAME}_exists"} == set(cookies)
    assert "1" == cookies[f"{NAME}_exists"].value
