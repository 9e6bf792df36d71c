"""``GET /bodhi/v1/auth/verify``, as sent by proxies. With real proxies: ``tests/proxy``."""

import pytest

from bodhi.server.access.scopes import Role
from bodhi.session import SESSIONS
from bodhi.session.handles import digest_of
from bodhi.testing.identity_provider.accounts import Person
from support.markup import read_page

VERIFY = "/bodhi/v1/auth/verify"
PAGE = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.fixture
async def server(start_server):
    """A node that trusts its proxy."""
    return await start_server(BODHI_TRUSTED_PROXIES="127.0.0.1/32")


def proxy_headers(method="GET", **headers):
    """Return the headers that a proxy sends for a request with *method*."""
    return {"X-Forwarded-Method": method, **{name.replace("_", "-"): value for name, value in headers.items()}}


async def test_verify_returns_the_user_in_headers(browser, provider):
    """In headers, without a body, for nobody's cache."""
    user = await browser.log_in(provider)

    response = await browser.get(VERIFY, headers=proxy_headers())

    assert (200, b"", "no-store") == (response.status, await response.read(), response.headers["Cache-Control"])
    assert [user["user_id"], user["username"], "resource_user"] == [
        response.headers[f"X-BodhiApp-{name}"] for name in ("User-Id", "Username", "Role")
    ]


async def test_verify_without_a_session_points_to_the_login(browser):
    """Always in Location: as 401, which is all that nginx takes, and as a redirect for pages, where it is asked for."""
    origin = str(browser.make_url("")).rstrip("/")
    for query, headers, status in [
        ("", {**proxy_headers(), **PAGE}, 401),
        ("?redirect=true", {**proxy_headers(), **PAGE}, 302),
        ("?redirect=true", proxy_headers(Accept="application/json"), 401),
        ("?redirect=true", {**proxy_headers("POST"), **PAGE}, 401),
    ]:
        response = await browser.get(VERIFY + query, headers=headers, allow_redirects=False)
        assert (status, f"{origin}/ui/login") == (response.status, response.headers["Location"])


async def test_forbidden_page_request_gets_a_page(browser, provider):
    """With the way to where a role can be asked for; where a page is asked for, and the proxy hands it on."""
    await browser.log_in(provider, "nobody")
    for query, headers, is_page in [
        ("?redirect=true", {**proxy_headers(), **PAGE}, True),
        ("", {**proxy_headers(), **PAGE}, False),
        ("?redirect=true", proxy_headers(Accept="application/json"), False),
        ("?redirect=true", {**proxy_headers("POST"), **PAGE}, False),
    ]:
        response = await browser.get(VERIFY + query, headers=headers)
        assert (403, "no-store") == (response.status, response.headers["Cache-Control"])
        assert ("text/html" if is_page else "application/json") == response.content_type


async def test_forbidden_page_on_another_host_uses_absolute_urls(browser, provider):
    """Each address names bodhi's own origin, and the policy lets it in; nothing runs there."""
    origin = str(browser.make_url("")).rstrip("/")
    await browser.log_in(provider)

    response = await browser.get(f"{VERIFY}?redirect=true&role=resource_manager", headers={**proxy_headers(), **PAGE})
    text = await response.text()
    page = read_page(text.replace(f'"{origin}/', '"/'))

    assert (403, "Access denied") == (response.status, page.one("h1").text)
    assert '="/' not in text
    assert "/ui" == page.one("main").one("a").attributes["href"]
    assert ([], []) == (page.all("script"), page.all("form"))
    (policy,) = response.headers.getall("Content-Security-Policy")
    assert policy.startswith(f"default-src 'none'; style-src {origin}; img-src {origin} data:; form-action 'none'; ")


async def test_forbidden_api_client_gets_no_page(browser, provider, open_browser, server):
    """Nobody is logged in with an API token."""
    await browser.log_in(provider, "admin")
    made = await browser.post("/bodhi/v1/tokens", json={"name": "for a script", "scope": "scope_token_user"})
    program = await open_browser(server)

    headers = {**proxy_headers(), **PAGE, "Authorization": f"Bearer {(await made.json())['token']}"}
    response = await program.get(f"{VERIFY}?redirect=true&role=resource_user", headers=headers)

    assert (403, "application/json") == (response.status, response.content_type)


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
async def test_verify_enforces_the_requested_role(browser, provider, query, user, status):
    """Sessions pass by their role alone; a gate for tokens keeps them out."""
    await browser.log_in(provider, user)

    assert status == (await browser.get(f"{VERIFY}?{query}", headers=proxy_headers())).status


async def test_verify_accepts_api_tokens(browser, provider, open_browser, server):
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
        assert status == (await program.get(VERIFY + query, headers={**proxy_headers("POST"), **bearer})).status
    response = await program.get(VERIFY, headers={**proxy_headers(), **bearer})
    assert ["", "scope_token_user"] == [response.headers[f"X-BodhiApp-{name}"] for name in ("Username", "Role")]


@pytest.mark.parametrize("public_host", [None, "localhost"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("name", ["Host", "X-Forwarded-Host"])
@pytest.mark.parametrize("is_logged_in", [True, False])
async def test_unknown_hosts_are_refused(start_server, open_browser, provider, public_host, method, name, is_logged_in):
    """As the page says, whoever asks, although other reads for them would be sent to the public URL."""
    server = await start_server(BODHI_TRUSTED_PROXIES="127.0.0.1/32", BODHI_PUBLIC_HOST=public_host)
    browser = await open_browser(server)
    if is_logged_in:
        browser.session.headers["X-Forwarded-Host"] = "localhost:1135"
        await browser.log_in(provider)
        assert 200 == (await browser.get(VERIFY, headers=proxy_headers())).status
        del browser.session.headers["X-Forwarded-Host"]

    response = await browser.request(
        method, VERIFY, headers={**proxy_headers(), name: "evil.test"}, allow_redirects=False
    )

    assert (421, False) == (response.status, "Location" in response.headers)
    assert [] == [header for header in response.headers if header.startswith("X-BodhiApp-")]


FOREIGN = {"Sec-Fetch-Site": "cross-site"}
FOREIGN_ORIGIN = {"Origin": "http://evil.test"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({**proxy_headers("GET"), **PAGE, **FOREIGN}, 200),  # a link
        ({**proxy_headers("GET"), **FOREIGN}, 401),  # a script, an image
        ({**proxy_headers("GET"), **PAGE, **FOREIGN, "Sec-Fetch-Dest": "iframe"}, 401),
        ({**proxy_headers("GET"), **FOREIGN_ORIGIN}, 401),  # a websocket
        ({**proxy_headers("POST"), **PAGE, **FOREIGN}, 403),  # a form
        ({**proxy_headers("POST"), **PAGE, "Sec-Fetch-Site": "same-site"}, 403),
        ({**proxy_headers("POST"), **FOREIGN_ORIGIN}, 403),
        ({**proxy_headers("POST"), "Sec-Fetch-Site": "same-origin"}, 200),
        ({**PAGE, **FOREIGN}, 403),  # nobody says that it is a link
        ({**proxy_headers("GET"), "X-Original-Method": "POST", **PAGE, **FOREIGN}, 403),
        ({"X-Original-Method": "GET", **PAGE, **FOREIGN}, 200),
    ],
)
async def test_verify_refuses_unsafe_cross_site_requests(browser, provider, headers, status):
    """They may lead here, and that is all: the method is the browser's, not that of the proxy's question."""
    await browser.log_in(provider)

    assert status == (await browser.get(VERIFY, headers=headers)).status


async def test_original_method_header_is_trusted_from_proxies_only(start_server, open_browser, provider):
    """Then the request counts as an unsafe one."""
    browser = await open_browser(await start_server())
    await browser.log_in(provider)

    assert 403 == (await browser.get(VERIFY, headers={**proxy_headers("GET"), **PAGE, **FOREIGN})).status
    assert 200 == (await browser.get(VERIFY, headers={**proxy_headers("GET"), "Sec-Fetch-Site": "none"})).status


TOKENS = {"BODHI_TRUSTED_PROXIES": "127.0.0.1/32", "BODHI_VERIFY_ACCESS_TOKEN": "true"}
TOKEN = "X-BodhiApp-Access-Token"


async def stored(browser):
    """Return the stored data of the browser's session."""
    return (await browser.server.app[SESSIONS].load(browser.session_cookie)).data


async def test_verify_returns_no_access_token_by_default(browser, provider):
    """The browser could ask here, too."""
    await browser.log_in(provider)

    assert TOKEN not in (await browser.get(VERIFY, headers=proxy_headers())).headers


async def test_verify_returns_the_access_token_on_request(start_server, open_browser, provider):
    """The one that is stored, in a header that nobody keeps; nothing of it is logged, which every test looks at."""
    browser = await open_browser(await start_server(**TOKENS))
    await browser.log_in(provider)

    response = await browser.get(VERIFY, headers={**proxy_headers(), TOKEN: "forged"})

    assert [(await stored(browser))["access_token"]] == response.headers.getall(TOKEN)
    assert ("no-store", b"") == (response.headers["Cache-Control"], await response.read())
    assert {"Cookie"} <= set(response.headers["Vary"].replace(" ", "").split(","))


async def test_verify_refreshes_an_expired_access_token(start_server, open_browser, provider):
    """As for any other request; while the provider is away nobody passes, and nobody is logged out."""
    browser = await open_browser(await start_server(**TOKENS))
    await browser.log_in(provider)
    expired = provider.issue_access_token("user", expires_in=-5)
    service = browser.server.app[SESSIONS]
    await service.atomically(digest_of(browser.session_cookie), lambda data, _: data.update(access_token=expired))
    provider.fail("refresh", status=503)

    away = await browser.get(VERIFY, headers=proxy_headers())
    assert (503, False) == (away.status, TOKEN in away.headers)
    response = await browser.get(VERIFY, headers=proxy_headers())

    assert (200, 2) == (response.status, provider.counts["refresh"])
    assert expired != response.headers[TOKEN]
    assert (await stored(browser))["access_token"] == response.headers[TOKEN]


async def test_verify_returns_a_large_access_token(start_server, open_browser, provider):
    """Keycloak makes them as large as it has roles to tell."""
    browser = await open_browser(await start_server(**TOKENS))
    provider.add_person(Person("large", "x" * 4_200), Role.USER)
    await browser.log_in(provider, "large")

    response = await browser.get(VERIFY, headers=proxy_headers())

    assert 6_000 < len(response.headers[TOKEN])
    assert (await stored(browser))["access_token"] == response.headers[TOKEN]


async def test_access_token_is_returned_to_trusted_proxies_only(start_server, open_browser, provider):
    """Others get it empty, so that it still replaces what a client made up."""
    browser = await open_browser(await start_server(**{**TOKENS, "BODHI_TRUSTED_PROXIES": "192.0.2.1/32"}))
    await browser.log_in(provider)

    response = await browser.get(VERIFY, headers=proxy_headers())

    assert (200, "") == (response.status, response.headers[TOKEN])


async def test_api_token_is_never_forwarded(start_server, open_browser, provider):
    """Whoever sees it can use bodhi with it."""
    server = await start_server(**TOKENS)
    browser, program = await open_browser(server), await open_browser(server)
    await browser.log_in(provider, "admin")
    made = await browser.post("/bodhi/v1/tokens", json={"name": "for a script", "scope": "scope_token_user"})
    bearer = {"Authorization": f"Bearer {(await made.json())['token']}"}

    response = await program.get(VERIFY, headers={**proxy_headers(), **bearer})

    assert (200, "") == (response.status, response.headers[TOKEN])


async def test_external_app_token_is_exchanged_for_the_proxy(start_server, open_browser, provider):
    """What is handed on is for bodhi's client, like that of a session; not the one that was presented."""
    server = await start_server(**TOKENS)
    program = await open_browser(server)
    await (await open_browser(server)).log_in(provider)
    provider.add_client("notes", secret="a secret of the notes")
    presented = provider.issue_access_token(
        "user", client_id="notes", audience=["notes", "bodhi"], scope="openid profile scope_user_user"
    )

    response = await program.get(VERIFY, headers={**proxy_headers(), "Authorization": f"Bearer {presented}"})

    assert (200, "scope_user_user") == (response.status, response.headers["X-BodhiApp-Role"])
    assert response.headers[TOKEN] not in {"", presented}
    assert response.headers[TOKEN] in provider.issued_secrets


@pytest.mark.parametrize("setting", ["capped", "provider"])
async def test_external_app_is_limited_to_its_users_role(start_server, open_browser, provider, setting):
    """And no token with more scope than that is handed on; unless the provider alone decides."""
    server = await start_server(**TOKENS, BODHI_AUTH_APP_ROLES=setting)
    program = await open_browser(server)
    await (await open_browser(server)).log_in(provider)
    provider.add_client("notes", secret="a secret of the notes")
    scope = "openid profile scope_user_admin"
    answers = []
    for user in ("user", "manager"):  # of whom the manager was never here
        token = provider.issue_access_token(user, client_id="notes", audience=["bodhi"], scope=scope)
        for query in ("", "?scope=scope_user_admin"):
            headers = {**proxy_headers(), "Authorization": f"Bearer {token}"}
            response = await program.get(VERIFY + query, headers=headers)
            answers.append(
                (response.status, response.headers.get("X-BodhiApp-Role"), bool(response.headers.get(TOKEN)))
            )

    refused = (403, None, False)
    capped = [(200, "scope_user_user", False), refused, refused, refused]
    assert (capped if setting == "capped" else [(200, "scope_user_admin", True)] * 4) == answers


QUERIES = [
    ("role=owner", "role_error-invalid_role_name"),
    ("role=", "role_error-invalid_role_name"),
    ("role=RESOURCE_USER", "role_error-invalid_role_name"),
    ("role=scope_token_user", "role_error-invalid_role_name"),
    ("scope=scope_token_owner", "token_scope_error-invalid_token_scope"),
    ("scope=resource_user", "user_scope_error-invalid_user_scope"),
    ("role=resource_user&role=resource_user", "json_rejection_error"),
    ("redirect=perhaps", "json_rejection_error"),
]


async def test_malformed_verify_query_is_explained(browser):
    """Before anybody is let in or sent away, so that whoever sets it up sees it."""
    for query, code in QUERIES:
        response = await browser.get(f"{VERIFY}?{query}", headers=proxy_headers())
        assert (400, code) == (response.status, (await response.json())["error"]["code"])


async def test_head_is_answered_like_get_and_nothing_else(browser, provider):
    """A proxy that sends the browser's own method asks for something else."""
    await browser.log_in(provider)
    head = await browser.head(VERIFY, headers=proxy_headers())

    assert (200, "resource_user") == (head.status, head.headers["X-BodhiApp-Role"])
    assert 405 == (await browser.post(VERIFY, headers=proxy_headers("POST"))).status


SPELLINGS = ["X-BodhiApp-Role", "x-bodhiapp-role", "X_BodhiApp_Role", "X-BODHIAPP_ROLE", TOKEN, "X-BodhiApp-User-Id"]


async def test_identity_headers_of_the_client_are_ignored(browser, provider, open_browser, server):
    """In any spelling, once or twice."""
    stranger = await open_browser(server)
    await browser.log_in(provider)
    for name in SPELLINGS:
        forged = [*proxy_headers().items(), (name, "resource_admin"), (name, "resource_admin")]
        assert 401 == (await stranger.get(VERIFY, headers=forged)).status

        response = await browser.get(VERIFY, headers=forged)
        said = [value for header, value in response.headers.items() if header.lower().startswith("x-bodhiapp-")]
        assert [provider.person("user").user_id, "user", "resource_user", "", ""] == said
        assert 403 == (await browser.get(f"{VERIFY}?role=resource_admin", headers=forged)).status


@pytest.mark.parametrize(
    ("username", "told"),
    [
        ("J\u00fcrgen \u6f22\u5b57", "J\u00fcrgen \u6f22\u5b57"),
        ("eve\r\nX-BodhiApp-Role: resource_admin", "eve\ufffd\ufffdX-BodhiApp-Role: resource_admin"),
        ("eve\x1b\x7f\x85", "eve\ufffd\ufffd\ufffd"),
        # Persian, Tamil, a non-breaking space and a soft hyphen, an emoji of several parts.
        ("\u0645\u06cc\u200c\u0631\u0648\u0645", "\u0645\u06cc\u200c\u0631\u0648\u0645"),
        ("\u0b95\u0bcd\u200d\u0bb7", "\u0b95\u0bcd\u200d\u0bb7"),
        ("A.\u00a0B\u00ady\u202e\u2028", "A.\u00a0B\u00ady\u202e\u2028"),
        ("\U0001f469\u200d\U0001f52c", "\U0001f469\u200d\U0001f52c"),
        (" admin ", "\ufffdadmin\ufffd"),
    ],
)
async def test_user_names_beyond_ascii_are_encoded_in_headers(browser, provider, username, told):
    """Come as UTF-8 in one line, and as no other name."""
    provider.add_person(Person(username), Role.USER)
    await browser.finish(await provider.log_in_url(await browser.begin(), user=username))

    response = await browser.get(VERIFY, headers=proxy_headers())

    assert (200, ["resource_user"]) == (response.status, response.headers.getall("X-BodhiApp-Role"))
    assert told == dict(response.raw_headers)[b"X-BodhiApp-Username"].decode()


COOKIES = [
    "bodhiapp_session_id={id}; bodhiapp_session_id={other}",
    "bodhiapp_session_id={other}; bodhiapp_session_id={id}",
    "__Host-bodhiapp_session_id={id}",
    "BODHIAPP_SESSION_ID={id}",
    'theme="dark; bodhiapp_session_id={id}"',
    "=bodhiapp_session_id={id}",
]


async def test_cookies_that_another_host_may_have_planted(browser, provider, open_browser, server):
    """Are nobody's session."""
    await browser.log_in(provider)
    stranger = await open_browser(server)
    for cookie in COOKIES:
        sent = cookie.format(id=browser.session_cookie, other="A" * 43)
        assert 401 == (await stranger.get(VERIFY, headers={**proxy_headers(), "Cookie": sent})).status, cookie
    twice = {"Cookie": "; ".join([f"bodhiapp_session_id={browser.session_cookie}"] * 2)}
    assert 200 == (await stranger.get(VERIFY, headers={**proxy_headers(), **twice})).status


async def test_verify_refuses_an_ended_session(browser, provider, open_browser, server):
    """From the next question on, wherever it was ended, and with its cookie replayed."""
    await browser.log_in(provider)
    cookie = {"Cookie": f"bodhiapp_session_id={browser.session_cookie}"}
    thief = await open_browser(server)
    assert 200 == (await thief.get(VERIFY, headers={**proxy_headers(), **cookie})).status

    await browser.post("/bodhi/v1/logout")

    assert 401 == (await thief.get(VERIFY, headers={**proxy_headers(), **cookie})).status


async def test_unknown_methods_count_as_unsafe(browser, provider):
    """Only what a proxy says plainly lets another site's request pass as a link."""
    await browser.log_in(provider)
    for method, status in [("GET", 200), ("get", 403), ("GET, POST", 403), ("", 403), ("PROPFIND", 403)]:
        headers = {"X-Forwarded-Method": method, **PAGE, **FOREIGN}
        assert status == (await browser.get(VERIFY, headers=headers)).status


async def test_verify_on_another_host_redirects_to_the_public_login(start_server, open_browser, provider):
    """Is sent to the login at the public one, and from there to the same page; never to the question itself."""
    server = await start_server(
        BODHI_TRUSTED_PROXIES="127.0.0.1/32",
        BODHI_PUBLIC_HOST="here.test",
        BODHI_PUBLIC_SCHEME="https",
        BODHI_ALLOWED_HOSTS="www.here.test",
    )
    browser = await open_browser(server)
    for told in ({"X-Forwarded-Host": "www.here.test"}, {"X-Forwarded-Host": "here.test:1135"}):
        headers = {**proxy_headers(), **PAGE, "X-Forwarded-Uri": "/a?b", "X-Forwarded-Proto": "http", **told}
        response = await browser.get(f"{VERIFY}?redirect=true", headers=headers, allow_redirects=False)

        location = "https://here.test/ui/login?return_to=/a?b"
        assert (302, location) == (response.status, response.headers["Location"])


async def test_several_hosts_each_have_their_own_login(start_server, open_browser):
    """Where no host is the public one, each that is allowed is sent to itself; another is refused."""
    server = await start_server(BODHI_TRUSTED_PROXIES="127.0.0.1/32", BODHI_ALLOWED_HOSTS="a.test,b.test")
    browser = await open_browser(server)
    for host in ("a.test", "b.test"):
        headers = {**proxy_headers(), "X-Forwarded-Host": host, "X-Forwarded-Proto": "https"}
        response = await browser.get(VERIFY, headers=headers)
        assert (401, f"https://{host}/ui/login") == (response.status, response.headers["Location"])

    foreign = await browser.get(VERIFY, headers={**proxy_headers(), "X-Forwarded-Host": "evil.test"})
    assert (421, False) == (foreign.status, "Location" in foreign.headers)
