"""``GET /bodhi/v1/auth/verify``: what proxies ask. What they do with the answer: ``tests/proxy``."""

import pytest

VERIFY = "/bodhi/v1/auth/verify"
PAGE = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.fixture
async def server(start_server):
    """One node, which believes the proxy that asks it."""
    return await start_server(BODHI_TRUSTED_PROXIES="127.0.0.1/32")


def asked(method="GET", **headers):
    """The headers that a proxy sends for a request with *method*."""
    return {"X-Forwarded-Method": method, **{name.replace("_", "-"): value for name, value in headers.items()}}


async def test_who_it_is(browser, provider):
    """In headers, without a body, for nobody's cache."""
    user = await browser.log_in(provider)

    response = await browser.get(VERIFY, headers=asked())

    assert (200, b"", "no-store") == (response.status, await response.read(), response.headers["Cache-Control"])
    assert [user["user_id"], user["username"], "resource_user"] == [
        response.headers[f"X-BodhiApp-{name}"] for name in ("User-Id", "Username", "Role")
    ]


async def test_nobody_is_told_where_to_log_in(browser):
    """Always in Location: as 401, which is all that nginx takes, and as a redirect for pages, where it is asked for."""
    origin = str(browser.make_url("")).rstrip("/")
    for query, headers, status in [
        ("", {**asked(), **PAGE}, 401),
        ("?redirect=true", {**asked(), **PAGE}, 302),
        ("?redirect=true", asked(Accept="application/json"), 401),
        ("?redirect=true", {**asked("POST"), **PAGE}, 401),
    ]:
        response = await browser.get(VERIFY + query, headers=headers, allow_redirects=False)
        assert (status, f"{origin}/ui/login") == (response.status, response.headers["Location"])


@pytest.mark.parametrize(
    ("query", "user", "status"),
    [
        ("role=resource_user", "user", 200),
        ("role=resource_manager", "user", 403),
        ("role=resource_manager", "manager", 200),
        ("role=resource_manager", "admin", 200),
        ("scope=scope_token_user", "admin", 403),
        ("scope=scope_token_user&role=resource_admin", "admin", 200),
        ("role=owner", "admin", 400),
        ("scope=scope_of_nothing", "admin", 400),
        ("role=resource_user&role=resource_admin", "user", 400),
    ],
)
async def test_gates(browser, provider, query, user, status):
    """Sessions pass by their role alone; a gate for tokens keeps them out."""
    await browser.log_in(provider, user)

    assert status == (await browser.get(f"{VERIFY}?{query}", headers=asked())).status


async def test_api_tokens(browser, provider, open_browser, server):
    """They pass by their scope alone, and have no name."""
    await browser.log_in(provider, "admin")
    made = await browser.post("/bodhi/v1/tokens", json={"name": "for a script", "scope": "scope_token_user"})
    bearer = {"Authorization": f"Bearer {(await made.json())['token']}"}
    program = await open_browser(server)

    for query, status in [
        ("", 200),
        ("?scope=scope_token_user", 200),
        ("?scope=scope_token_power_user", 403),
        ("?scope=scope_user_user", 403),
        ("?role=resource_user", 403),
    ]:
        assert status == (await program.get(VERIFY + query, headers={**asked("POST"), **bearer})).status
    response = await program.get(VERIFY, headers={**asked(), **bearer})
    assert ["", "scope_token_user"] == [response.headers[f"X-BodhiApp-{name}"] for name in ("Username", "Role")]


FOREIGN = {"Sec-Fetch-Site": "cross-site"}
FOREIGN_ORIGIN = {"Origin": "http://evil.test"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({**asked("GET"), **PAGE, **FOREIGN}, 200),  # a link
        ({**asked("GET"), **FOREIGN}, 401),  # a script, an image
        ({**asked("GET"), **PAGE, **FOREIGN, "Sec-Fetch-Dest": "iframe"}, 401),
        ({**asked("GET"), **FOREIGN_ORIGIN}, 401),  # a websocket
        ({**asked("POST"), **PAGE, **FOREIGN}, 403),  # a form
        ({**asked("POST"), **PAGE, "Sec-Fetch-Site": "same-site"}, 403),
        ({**asked("POST"), **FOREIGN_ORIGIN}, 403),
        ({**asked("POST"), "Sec-Fetch-Site": "same-origin"}, 200),
        ({**PAGE, **FOREIGN}, 403),  # nobody says that it is a link
        ({**asked("GET"), "X-Original-Method": "POST", **PAGE, **FOREIGN}, 403),
        ({"X-Original-Method": "GET", **PAGE, **FOREIGN}, 200),
    ],
)
async def test_other_sites(browser, provider, headers, status):
    """They may lead here, and that is all: the method is the browser's, not that of the proxy's question."""
    await browser.log_in(provider)

    assert status == (await browser.get(VERIFY, headers=headers)).status


async def test_who_is_no_proxy_says_nothing_of_the_method(start_server, open_browser, provider):
    """Then the request counts as an unsafe one."""
    browser = await open_browser(await start_server())
    await browser.log_in(provider)

    assert 403 == (await browser.get(VERIFY, headers={**asked("GET"), **PAGE, **FOREIGN})).status
    assert 200 == (await browser.get(VERIFY, headers={**asked("GET"), "Sec-Fetch-Site": "none"})).status
