from itertools import product

import pytest
from yarl import URL

from bodhi.server.http.public_url import origin_of
from server.pages.browser import HTML, path_of
from server.pages.conftest import environment

STATE = "s" * 32
REFLECTED = "reflected"
HOSTILE = [
    "<script>reflected</script>",
    "\"'><img src=x onerror=reflected>",
    "reflected\r\nSet-Cookie: a=b",
    "reflected\x00",
    "reflected {{ 7 * 7 }}",
    "javascript:reflected()",
    "reflected" * 500,
    "reflected\N{RIGHT-TO-LEFT OVERRIDE}",
]


async def test_login_page_names_the_provider(browser, provider):
    """A person sees where the button leads."""
    await browser.open("/ui/login")

    assert 200 == browser.status
    assert "Sign in to bodhi" == browser.page.one("h1").text
    assert f"You sign in with {URL(provider.issuer).host} and then" in browser.page.one("main").text
    assert "Sign in · bodhi" == browser.page.one("title").text


async def test_login_page_shows_the_configured_name_of_the_provider(serve, new_browser, provider, sqlite_url):
    """In place of its host, and escaped."""
    server = await serve(**environment(provider, sqlite_url), BODHI_AUTH_PROVIDER_NAME="Müller & Söhne <ID>")
    browser = await new_browser(server)

    await browser.open("/ui/login")

    assert "You sign in with Müller & Söhne <ID> and then" in browser.page.one("main").text
    assert URL(provider.issuer).host not in browser.page.one("main").text


SIGNED_OUT = "You have been signed out."


@pytest.mark.parametrize("at_provider", ["false", "true"])
@pytest.mark.parametrize("skips", ["false", "true"])
async def test_login_page_says_that_the_user_was_signed_out(
    serve, new_browser, provider, sqlite_url, at_provider, skips
):
    """Where the button led there, through the provider or not; the page's address without more says nothing of it."""
    settings = {"BODHI_AUTH_LOGOUT": at_provider, "BODHI_AUTH_SKIP_LOGIN_PAGE": skips}
    server = await serve(**{**environment(provider, sqlite_url), **settings})
    browser = await new_browser(server)
    if skips == "true":
        await browser.open("/ui/login")
        await browser.open(path_of(await provider.log_in_url(browser.left_for, "user")), site="cross-site")
        await browser.press("Continue")
    else:
        await browser.log_in(provider)

    await browser.press("Sign out")
    if at_provider == "true":
        query = URL(browser.left_for).query
        target = URL(query["post_logout_redirect_uri"]).update_query(state=query["state"])
        await browser.open(path_of(str(target)), site="cross-site")

    assert (200, "/ui/login", SIGNED_OUT) == (browser.status, browser.path, browser.page.one(id="notice").text)
    assert ("Signed out · bodhi", "status") == (
        browser.page.one("title").text,
        browser.page.one(id="notice").attributes["role"],
    )
    # A reload of a page that is skipped otherwise must not start a login.
    assert (skips == "false") == ("data-once" in browser.page.one(id="notice").one("p").attributes)
    if skips == "false":
        await browser.open("/ui/login")
        assert "" == browser.page.one(id="notice").text


@pytest.mark.parametrize("state", ["", "x", "logged_in", "<b>", "logged_out&state=x"])
async def test_only_a_sign_out_is_said(browser, provider, state):
    """Nothing is taken from the address; somebody who is signed in was not signed out."""
    await browser.open(str(URL(f"/ui/login?state={state}")), site="cross-site")
    assert (SIGNED_OUT if state.startswith("logged_out") else "") == browser.page.one(id="notice").text

    await browser.log_in(provider)
    await browser.open("/ui/login?state=logged_out")
    assert ("", "You are signed in") == (browser.page.one(id="notice").text, browser.page.one("h1").text)


async def test_login_without_javascript_ends_at_home(browser, provider):
    """Two buttons, and the provider's own page between them."""
    await browser.open("/ui/login")
    await browser.press("Sign in")
    assert browser.left_for.startswith(provider.issuer)

    answer = await provider.log_in_url(browser.left_for, "user")
    assert "/ui/auth/callback" == URL(answer).path
    await browser.open(path_of(answer), site="cross-site")
    assert (200, "Signing in") == (browser.status, browser.page.one("h1").text)
    await browser.press("Continue")

    assert ("/ui/chat", 200) == (browser.path, browser.status)
    assert "Hello, Uma" == browser.page.one("h1").text


async def test_login_page_shows_that_the_user_is_logged_in(browser, provider):
    """On the login page, with a way on; its button in another tab leads home."""
    await browser.open("/ui/login")
    other_tab = browser.page
    await browser.log_in(provider)

    await browser.open("/ui/login")
    assert "You are signed in" == browser.page.one("h1").text
    assert "user" in browser.page.one("main").text
    await browser.follow("Go to home page")
    assert "/ui" == browser.path

    browser.page = other_tab
    await browser.press("Sign in")
    assert "/ui/chat" == browser.path


async def test_logout_ends_both_sessions(browser, provider, monkeypatch):
    """The button leads through the provider back to the login page."""
    monkeypatch.setattr("bodhi.server.login.logout.REVOCATION_SECONDS", 10)  # on a busy machine, too
    await browser.log_in(provider)

    await browser.press("Sign out")

    assert browser.left_for.startswith(provider.issuer)
    await browser.open("/ui")
    assert "/ui/login" == browser.path
    assert "Sign in to bodhi" == browser.page.one("h1").text


async def test_pages_are_not_seen_by_going_back_after_a_logout(browser, provider):
    """The browser keeps neither what was shown nor the redirect away from it."""
    await browser.log_in(provider)
    pages = [await browser.client.get(path, headers=HTML) for path in ("/ui", "/ui/sessions", "/ui/login")]

    headers = {**HTML, "Sec-Fetch-Site": "same-origin"}
    response = await browser.client.post("/ui/logout", headers=headers, allow_redirects=False)

    assert 303 == response.status
    assert ["no-store"] * 4 == [answer.headers["Cache-Control"] for answer in (*pages, response)]
    assert "Clear-Site-Data" not in response.headers


async def test_htmx_login_redirects_to_the_provider(browser, provider):
    """It could not follow a redirect to another site; the browser itself can."""
    htmx = {"HX-Request": "true", "Accept": "text/html", "Sec-Fetch-Site": "same-origin"}

    response = await browser.client.post("/ui/login", headers=htmx)

    assert (200, "") == (response.status, await response.text())
    assert response.headers["HX-Redirect"].startswith(provider.issuer)
    assert "no-store" == response.headers["Cache-Control"]


async def test_login_page_without_a_provider_explains_the_setup(serve, new_browser):
    """In words that can be copied."""
    browser = await new_browser(await serve())

    await browser.open("/ui/login")

    assert 200 == browser.status
    assert "Sign-in is not set up yet" == browser.page.one("h1").text
    assert {"--dev", "BODHI_AUTH_ISSUER", "BODHI_CLIENT_ID", "BODHI_CLIENT_SECRET"} == {
        code.text for code in browser.page.all("code")
    }
    assert [] == browser.page.all("form")


async def test_login_page_without_a_registration_explains_the_setup(serve, new_browser, provider, sqlite_url):
    """There is a provider, but it does not know this server."""
    environ = {**environment(provider, sqlite_url), "BODHI_CLIENT_ID": None, "BODHI_CLIENT_SECRET": None}
    server = await serve(**{name: value for name, value in environ.items() if value is not None})
    browser = await new_browser(server)

    await browser.open("/ui/login")

    assert "Sign-in is not set up yet" == browser.page.one("h1").text
    assert URL(provider.issuer).host in browser.page.one("main").text
    assert "POST /bodhi/v1/setup" in [code.text for code in browser.page.all("code")]


async def test_first_login_is_announced(serve, new_browser, provider, sqlite_url):
    """Whoever is first becomes the administrator, and had better know."""
    server = await serve(**environment(provider, sqlite_url), BODHI_CLIENT_STATUS="resource-admin")
    browser = await new_browser(server)

    await browser.open("/ui/login")

    assert "The first user to sign in becomes the administrator." in browser.page.one("main").text


async def test_login_page_does_not_wait_for_a_silent_provider(browser, provider):
    """It names the issuer alone as where its form may lead."""
    provider.hang("discovery", times=None)

    await browser.open("/ui/login")

    assert 200 == browser.status


async def test_provider_outage_is_a_page(browser, provider):
    """With the time to come back, a reference for the operator, and a way on."""
    provider.fail("discovery", times=None)

    await browser.open("/ui/login")
    await browser.press("Sign in")

    assert (503, "5") == (browser.status, browser.headers["Retry-After"])
    assert "Temporarily unavailable" == browser.page.one("h1").text
    assert browser.headers["X-Request-ID"] in browser.page.one("main").text


@pytest.mark.parametrize(
    ("changed", "metadata"),
    [
        (lambda issuer: f"{issuer}/", None),
        (lambda issuer: f"{issuer}/realms/other", None),
        (lambda issuer: issuer, {"body": "<html>It works</html>", "status": 200}),
        (lambda issuer: issuer, {"body": {"issuer": "https://id.example"}, "status": 200}),
        (lambda issuer: issuer, {"headers": {"Location": "https://id.example"}, "status": 302}),
    ],
    ids=["a slash too many", "no such realm", "HTML", "another issuer", "a redirect"],
)
async def test_wrong_issuer_is_no_outage(serve, new_browser, provider, sqlite_url, caplog, changed, metadata):
    """The page does not ask to wait for what only an administrator can correct; the log names the setting."""
    if metadata is not None:
        provider.fail("discovery", times=None, **metadata)
    settings = {**environment(provider, sqlite_url), "BODHI_AUTH_ISSUER": changed(provider.issuer)}
    browser = await new_browser(await serve(**settings))

    await browser.open("/ui/login")
    await browser.press("Sign in")

    assert (503, "Something went wrong") == (browser.status, browser.page.one("h1").text)
    text = browser.page.one("main").text
    assert "settings for the identity provider are wrong. An administrator has to correct them." in text
    assert browser.headers["X-Request-ID"] in text
    assert any("settings wrong" in line and "BODHI_AUTH_ISSUER" in line for line in caplog.messages)


async def test_callback_page_needs_no_cookie_and_sets_none(server, browser):
    """It is static but for the answer, which its script and its button hand over."""
    await browser.open(f"/ui/auth/callback?code=a.b-c_1&state={STATE}&session_state=xyz", site="cross-site")

    form = browser.page.one("form", id="answer")
    fields = {field.attributes["name"]: field.attributes["value"] for field in form.all("input")}
    assert {"state": STATE, "code": "a.b-c_1"} == fields
    assert "/ui/auth/callback" == form.attributes["action"]
    assert "/bodhi/v1/auth/callback" == form.attributes["data-endpoint"]
    assert "xyz" not in browser.page.text
    assert "Set-Cookie" not in browser.headers


async def test_callback_page_reflects_nothing_hostile(client):
    """What has not the form of an answer gets nowhere onto the page, escaped or not."""
    for name, value in product(["state", "error", "iss", "session_state", "anything"], HOSTILE):
        query = {"state": STATE, "code": "c0de", name: value}
        async with client.get(URL("/ui/auth/callback").with_query(query), headers=HTML) as response:
            text = await response.text()

        expected = 400 if name in {"state", "error", "iss"} else 200
        assert expected == response.status, (name, value)
        assert REFLECTED not in text.lower()
        assert REFLECTED not in str(response.headers).lower()
        assert "form-action 'self';" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "code",
    [
        "".join(map(chr, range(0x20, 0x7F))),
        "x" * 8_000,
        "%" * 8_000,  # three bytes each in the address
        "\"'><script>reflected</script>",
        "0.AAAA{b}^c`d\\e#f&g",
        "M.C507_BL2.2.U.-CqJ!(*)$$",
    ],
)
async def test_code_is_any_visible_ascii(server, browser, code):
    """RFC 6749, A.11, up to 8,000 characters; it arrives in the form as it was sent, and is no markup."""
    url = URL("/ui/auth/callback").with_query(code=code, state=STATE)

    await browser.open(str(url), site="cross-site")

    assert 200 == browser.status
    form = browser.page.one("form", id="answer")
    assert {"state": STATE, "code": code} == {
        field.attributes["name"]: field.attributes["value"] for field in form.all("input")
    }
    assert "<script>reflected" not in browser.page.text


@pytest.mark.parametrize(
    "code", ["", "x" * 8_001, "reflected\r\nSet-Cookie: a=b", "a\x00", "a\x7f", "\u00e4", "a\u202eb"]
)
async def test_code_of_other_characters_or_length_is_refused(client, code):
    """It gets nowhere onto the page."""
    url = URL("/ui/auth/callback").with_query(code=code, state=STATE)

    async with client.get(url, headers=HTML) as response:
        assert 400 == response.status
        assert REFLECTED not in (await response.text()).lower()


async def test_incomplete_callback_shows_an_error(serve, new_browser):
    """With a way back, and without a button that could not work."""
    browser = await new_browser(await serve())

    for query in [
        "",
        "code=c",
        f"state={STATE}",
        f"state={STATE}&code=c&error=e",
        f"state={STATE}&code=c&code=d",
        "state=&code=",
    ]:
        await browser.open(f"/ui/auth/callback?{query}", site="cross-site")

        assert (400, "Sign-in failed") == (browser.status, browser.page.one("h1").text)
        assert [] == browser.page.all("form")
        assert browser.headers["X-Request-ID"] in browser.page.one("main").text
        await browser.follow("Try again")
        assert "/ui/login" == browser.path


@pytest.mark.parametrize("answer", [{"code": "c0de"}, {"error": "access_denied"}])
async def test_callback_without_a_login_is_refused(browser, answer):
    """A fixed text, a reference to search the log for, and a way back."""
    await browser.open(str(URL("/ui/auth/callback").with_query(state=STATE, **answer)), site="cross-site")

    await browser.press("Continue")

    assert (400, "Request failed") == (browser.status, browser.page.one("h1").text)
    assert ("access_denied" in browser.page.text) == ("error" in answer)
    assert browser.headers["X-Request-ID"] in browser.page.one("main").text
    await browser.follow("Sign in")
    assert "/ui/login" == browser.path


async def test_requested_page_is_shown_after_the_login(browser, provider):
    """Its error leads to the login, and that back to the page."""
    await browser.open("/ui/sessions?done=ended")
    assert (401, "Sign in to continue") == (browser.status, browser.page.one("h1").text)

    await browser.follow("Sign in")

    assert "After that, you continue to the page you requested." in browser.page.one("main").text
    assert "/ui/sessions?done=ended" == URL(browser.page.one("form").attributes["action"]).query["return_to"]


async def test_provider_error_is_shown_with_our_own_text(browser, provider):
    """Not in those that came along."""
    await browser.open("/ui/login")
    await browser.press("Sign in")
    state = URL(browser.left_for).query["state"]

    answer = {"state": state, "error": "access_denied", "error_description": "<b>reflected</b>"}
    await browser.open(str(URL("/ui/auth/callback").with_query(answer)), site="cross-site")
    assert REFLECTED not in browser.page.text
    await browser.press("Continue")

    assert 400 == browser.status
    assert "You cancelled the sign-in, or the identity provider denied access" in browser.page.one("main").text
    assert REFLECTED not in browser.page.text
    await browser.open("/ui/auth/callback?" + URL("/").with_query(answer).query_string, site="cross-site")
    await browser.press("Continue")
    assert 400 == browser.status  # the state was used up


async def test_malformed_callback_without_scripts_is_refused(client):
    """As the API does."""
    headers = {**HTML, "Sec-Fetch-Site": "same-origin"}
    for data in ({}, {"state": STATE}, {"state": "<", "code": "c"}, {"state": STATE, "code": "c" * 8_001}):
        response = await client.post("/ui/auth/callback", data=data, headers=headers)

        assert 400 == response.status
        text = await response.text()
        assert "The request does not have the expected format" in text
        assert response.headers["X-Request-ID"] in text


async def test_content_security_policy_allows_the_provider_s_origin(browser, provider):
    """They may be on another host than the issuer."""
    pages = {
        "authorization_endpoint": "https://login.example.org/a",
        "end_session_endpoint": "https://out.example.org:8443/b",
    }
    provider.alter("discovery", lambda metadata: metadata.update(pages))

    response = await browser.client.get("/ui/login", headers=HTML)

    targets = f"'self' {URL(provider.issuer).origin()} https://login.example.org https://out.example.org:8443;"
    assert f"form-action {targets}" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize("url", ["https://a;script-src *", "https://a, b/", "https://\u00fc;/", "https://a:b/", "x"])
def test_content_security_policy_cannot_be_injected_by_a_url(url):
    """Whoever names it."""
    assert origin_of(url) is None
