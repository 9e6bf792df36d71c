"""Settings of the way to the provider and back: parameters, the login page that is skipped, where a logout leads."""

from urllib.parse import urlsplit

import pytest
from yarl import URL

PAGE = "/reports/7"
NAVIGATION = {"Accept": "text/html", "Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}
HOSTILE = ["a" * 513, "", "a\r\nb", "\x00"]


def query_of(location):
    """Return the query of the authorization request as pairs."""
    return list(URL(location).query.items())


async def begun(browser, path="/bodhi/v1/auth/initiate", **query):
    """Begin a login through the API or the page's form; return the authorization request's query."""
    response = await browser.post(URL(path).with_query(query), allow_redirects=False)
    if path.startswith("/ui"):
        assert 303 == response.status
        return query_of(response.headers["Location"])
    assert 201 == response.status
    return query_of((await response.json())["location"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("prompt=consent&access_type=offline", [("prompt", "consent"), ("access_type", "offline")]),
        ("claims=%7B%22userinfo%22%3A%7B%7D%7D", [("claims", '{"userinfo":{}}')]),
        ("resource=a&resource=b&flag=", [("resource", "a"), ("resource", "b"), ("flag", "")]),
    ],
)
async def test_configured_parameters_are_in_every_authorization_request(start_server, open_browser, text, expected):
    """As they are, several of one name too."""
    browser = await open_browser(await start_server(BODHI_AUTH_PARAMETERS=text))

    for path in ("/bodhi/v1/auth/initiate", "/ui/login"):
        assert expected == (await begun(browser, path))[-len(expected) :]


@pytest.mark.parametrize("path", ["/bodhi/v1/auth/initiate", "/ui/login"])
async def test_link_sets_the_parameters_that_it_may(browser, path):
    """Those of the default list, and no others; what bodhi sets itself stays."""
    given = {
        "login_hint": "ann+1@example.org",
        "kc_idp_hint": "github",
        "acr_values": "2 1",
        "prompt": "select_account",
    }
    others = {"scope": "openid admin", "redirect_uri": "https://evil.example", "state": "x", "hd": "example.org"}

    asked = await begun(browser, path, **given, **others)

    assert list(given.items()) == asked[-4:]
    assert not {("scope", "openid admin"), ("state", "x"), ("hd", "example.org")} & set(asked)
    assert len(dict(asked)) == len(asked)


@pytest.mark.parametrize(
    ("listed", "expected"), [("none", set()), ("hd", {"hd"}), ("login_hint, hd", {"login_hint", "hd"})]
)
async def test_list_of_link_parameters_is_a_setting(start_server, open_browser, listed, expected):
    """Each provider has its own."""
    browser = await open_browser(await start_server(BODHI_AUTH_LINK_PARAMETERS=listed))

    asked = dict(await begun(browser, hd="example.org", login_hint="ann", prompt="login"))

    assert expected == asked.keys() & {"hd", "login_hint", "prompt"}


async def test_link_does_not_change_configured_parameters(start_server, open_browser):
    """The operator may have asked for a second factor."""
    browser = await open_browser(await start_server(BODHI_AUTH_PARAMETERS="acr_values=high"))

    assert [("acr_values", "high"), ("prompt", "none")] == (await begun(browser, acr_values="low", prompt="none"))[-2:]


@pytest.mark.parametrize("value", HOSTILE)
async def test_unusable_link_parameter_is_left_out(browser, value):
    """The login begins without it."""
    assert "login_hint" not in dict(await begun(browser, login_hint=value))


async def test_login_page_passes_link_parameters_on(browser):
    """From a link on another site, past the second request from here, into the form."""
    url = URL("/ui/login").with_query(return_to=PAGE, login_hint="ann&bob", kc_idp_hint="x", other="y")

    text = await (await browser.get(url, headers=NAVIGATION)).text()
    assert 'action="/ui/login?return_to=/reports/7&amp;login_hint=ann%26bob&amp;kc_idp_hint=x"' in text

    arrived = await (await browser.get(url, headers={**NAVIGATION, "Sec-Fetch-Site": "cross-site"})).text()
    onward = URL(arrived.partition("url=")[2].partition('"')[0].replace("&amp;", "&"), encoded=True)
    assert {"return_to": PAGE, "login_hint": "ann&bob", "kc_idp_hint": "x", "arrived": "1"} == dict(onward.query)


async def test_skipped_login_page_leads_to_the_provider_and_back(start_server, open_browser, provider):
    """With one redirect each; a user who is logged in goes on at once."""
    browser = await open_browser(await start_server(BODHI_AUTH_SKIP_LOGIN_PAGE="true"))
    url = URL("/ui/login").with_query(return_to=PAGE, login_hint="ann")

    response = await browser.get(url, headers=NAVIGATION, allow_redirects=False)
    assert (303, "no-store") == (response.status, response.headers["Cache-Control"])
    assert response.headers["Location"].startswith(f"{provider.issuer}/protocol/openid-connect/auth?")
    assert ("login_hint", "ann") in query_of(response.headers["Location"])

    finished = await browser.finish(await provider.log_in_url(response.headers["Location"], user="user"))
    assert PAGE == urlsplit((await finished.json())["location"]).path
    again = await browser.get(url, headers=NAVIGATION, allow_redirects=False)
    assert (303, PAGE) == (again.status, again.headers["Location"])
    shown = await browser.get("/ui/login", headers=NAVIGATION, allow_redirects=False)
    assert (200, True) == (shown.status, "You are signed in" in await shown.text())


@pytest.mark.parametrize(
    ("method", "query", "headers"),
    [
        ("HEAD", {}, {}),
        ("GET", {}, {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}),
        ("GET", {}, {"Sec-Fetch-Mode": "no-cors"}),
        ("GET", {}, {"Origin": "https://evil.example"}),
        ("GET", {"state": "logged_out"}, {}),
        ("GET", {}, {"Sec-Fetch-Site": "cross-site"}),  # a page of this site asks again, with the cookies
    ],
)
async def test_only_opening_the_page_begins_a_login(start_server, open_browser, method, query, headers):
    """Nothing else begins one."""
    browser = await open_browser(await start_server(BODHI_AUTH_SKIP_LOGIN_PAGE="true"))

    response = await browser.request(
        method, URL("/ui/login").with_query(query), headers={**NAVIGATION, **headers}, allow_redirects=False
    )

    assert (200, False) == (response.status, "Set-Cookie" in response.headers)


async def test_skipped_login_page_counts_for_the_rate_limit(start_server, open_browser):
    """It begins logins as the form does."""
    browser = await open_browser(await start_server(BODHI_AUTH_SKIP_LOGIN_PAGE="true", BODHI_RATE_LIMIT="1"))

    statuses = [(await browser.get("/ui/login", headers=NAVIGATION, allow_redirects=False)).status for _ in range(3)]

    assert [303, 303, 429] == statuses


@pytest.mark.parametrize("at_provider", ["false", "true"])
async def test_logout_does_not_log_in_again(start_server, open_browser, provider, at_provider):
    """Though the login page is skipped: the provider may know the user still."""
    server = await start_server(BODHI_AUTH_SKIP_LOGIN_PAGE="true", BODHI_AUTH_LOGOUT=at_provider)
    browser = await open_browser(server)
    await browser.log_in(provider)

    location = URL((await (await browser.post("/bodhi/v1/logout")).json())["location"])
    if at_provider == "true":
        assert str(browser.make_url("/ui/login")) == location.query["post_logout_redirect_uri"]
        location = URL(location.query["post_logout_redirect_uri"]).with_query(state=location.query["state"])

    shown = await browser.get(location.relative(), headers=NAVIGATION, allow_redirects=False)
    assert (200, True) == (shown.status, "Sign in to bodhi" in await shown.text())


@pytest.mark.parametrize("skips", ["false", "true"])
@pytest.mark.parametrize("path", ["/bodhi/v1/logout", "/ui/logout"])
async def test_logout_leads_to_the_configured_url(start_server, open_browser, provider, path, skips):
    """Also without a session; a form's redirect there passes the page's policy."""
    url = "https://www.example.org/goodbye/"
    server = await start_server(BODHI_AUTH_LOGGED_OUT_URL=url, BODHI_AUTH_SKIP_LOGIN_PAGE=skips)
    browser = await open_browser(server)
    await browser.log_in(provider)
    policy = (await browser.get("/ui", headers=NAVIGATION)).headers["Content-Security-Policy"]
    assert "https://www.example.org" in policy.partition("form-action")[2].partition(";")[0]

    for _ in range(2):
        response = await browser.post(path, allow_redirects=False)
        found = (await response.json())["location"] if response.status == 200 else response.headers["Location"]
        assert url == found


async def test_logout_at_the_provider_returns_to_the_configured_url(start_server, open_browser, provider):
    """Registered there as post-logout redirect URI."""
    url = "https://www.example.org/goodbye"
    browser = await open_browser(await start_server(BODHI_AUTH_LOGGED_OUT_URL=url, BODHI_AUTH_LOGOUT="true"))
    await browser.log_in(provider)

    location = URL((await (await browser.post("/bodhi/v1/logout")).json())["location"])

    assert location.path.endswith("/logout")
    assert (url, None) == (location.query["post_logout_redirect_uri"], location.query.get("state"))
