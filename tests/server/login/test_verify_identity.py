"""E-mail address, groups and further claims in ``GET /bodhi/v1/auth/verify``: as headers, and for gates."""

import pytest

from bodhi.server.access.identity import LONGEST_HEADER, joined

VERIFY = "/bodhi/v1/auth/verify"
GET = {"X-Forwarded-Method": "GET"}
PAGE = {**GET, "Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
CLAIMS = "X-BodhiApp-Department=department,X-BodhiApp-Site=/app~1x/site,X-BodhiApp-Active=active"


@pytest.fixture
def log_in(start_server, open_browser, provider):
    """Log in a user with further *claims* in the ID token; return the browser."""

    async def log_in(claims, user="user", **settings):
        provider.shape.id_token_claims = claims
        browser = await open_browser(await start_server(BODHI_TRUSTED_PROXIES="127.0.0.1/32", **settings))
        await browser.log_in(provider, user)
        return browser

    return log_in


async def told(browser, query="", **headers):
    """Return the identity headers of the answer, by name without prefix."""
    response = await browser.get(VERIFY + query, headers={**GET, **headers})
    assert 200 == response.status, await response.text()
    found = [(name, value) for name, value in response.headers.items() if name.startswith("X-BodhiApp-")]
    assert len(found) == len(dict(found))
    return {name.removeprefix("X-BodhiApp-"): value for name, value in found}


async def test_email_and_groups_are_in_headers(log_in):
    """In place of what a client makes up."""
    browser = await log_in({"email_verified": True, "groups": ["staff", "ops"]})

    headers = await told(browser, **{"X-BodhiApp-Email": "forged", "X-BodhiApp-Groups": "forged"})

    assert ("user@example.org", "staff,ops") == (headers["Email"], headers["Groups"])
    assert {"User-Id", "Username", "Role", "Email", "Groups"} == set(headers)


@pytest.mark.parametrize(
    ("claims", "setting", "email"),
    [
        ({"email_verified": "true"}, "false", "user@example.org"),
        ({"email_verified": False}, "false", ""),
        ({"email_verified": "no"}, "false", ""),
        ({}, "false", ""),
        ({}, "true", "user@example.org"),
        ({"email": "eve@example.com\r\nX: y", "email_verified": True}, "true", "user@example.org"),
    ],
)
async def test_an_unverified_email_is_left_out(log_in, claims, setting, email):
    """Unless the setting trusts it. The access token's address counts before that of the ID token."""
    browser = await log_in(claims, BODHI_AUTH_ALLOW_UNVERIFIED_EMAIL=setting)

    assert email == (await told(browser))["Email"]


@pytest.mark.parametrize(
    ("groups", "text"),
    [
        (["CN=staff,OU=groups", "100%"], "CN=staff%2COU=groups,100%25"),
        ([{"name": "staff"}, {"name": "ops,admin"}], "staff,ops%2Cadmin"),
        ({"staff": {"1": "example.org"}, "ops": {}}, "staff,ops"),
        ("staff; ops", "staff,ops"),
        ('["staff", "ops"]', "staff,ops"),
        ("Domain Users", "Domain Users"),
        ("a,admin", "a%2Cadmin"),
        (["J\u00fcrgen\r\nX: y", 4711, True, None], "J\u00fcrgen\ufffd\ufffdX: y,4711"),
        (None, ""),
        ([], ""),
    ],
)
async def test_groups_of_every_shape_are_unambiguous(log_in, groups, text):
    """A comma separates groups and nothing else: nobody gets into a group by another's name."""
    assert text == (await told(await log_in({"groups": groups})))["Groups"]


async def test_groups_beyond_the_limit_are_left_out(log_in, caplog):
    """Whole ones, and the log tells; gates still know them."""
    groups = [f"group-{number:04}" for number in range(1_000)]
    browser = await log_in({"groups": groups})

    headers = await told(browser, "?group=group-0999")

    shown = headers["Groups"].split(",")
    assert groups[: len(shown)] == shown
    assert LONGEST_HEADER - 11 <= len(headers["Groups"]) <= LONGEST_HEADER
    assert f"{1_000 - len(shown)} names left out" in caplog.text


def test_length_of_a_header_is_counted_in_bytes():
    """Proxies count so."""
    names = ["\u00e4" * 900, "\u00f6" * 900, "\u00fc" * 900]

    assert ",".join(names[:2]) == joined(names, user_id="1")


async def test_further_claims_are_in_headers_of_their_own(log_in):
    """All of them, also where nothing is known."""
    browser = await log_in(
        {"department": ["R&D", "a,b"], "app/x": {"site": "Z\u00fcrich, Altstadt"}, "active": True},
        BODHI_VERIFY_CLAIMS=CLAIMS,
    )
    headers = await told(browser, **{"X-BodhiApp-Site": "forged"})
    assert ["R&D,a%2Cb", "Z\u00fcrich, Altstadt", "true"] == [
        headers[name] for name in ("Department", "Site", "Active")
    ]

    headers = await told(await log_in({}, BODHI_VERIFY_CLAIMS=CLAIMS), **{"X-BodhiApp-Site": "forged"})
    assert ["", "", ""] == [headers[name] for name in ("Department", "Site", "Active")]


async def test_userinfo_is_asked_for_a_claim_that_the_tokens_lack(log_in, provider):
    """At the login, and by no request after it."""
    provider.shape.userinfo_claims = {"department": 17, "email_verified": True}
    browser = await log_in({}, BODHI_VERIFY_CLAIMS="X-BodhiApp-Department=department")

    for _ in range(3):
        headers = await told(browser)
        assert ("17", "user@example.org") == (headers["Department"], headers["Email"])
    assert 1 == provider.counts["userinfo"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("group=staff", 200),
        ("group=ops", 403),
        ("group=Staff", 403),
        ("group=ops&group=staff", 200),
        ("group=CN%3Dstaff%2COU%3Dgroups", 200),
        ("group=CN=staff", 403),
        ("email=user@example.org", 200),
        ("email=USER@example.ORG", 200),
        ("email=ann@example.org&email=user@example.org", 200),
        ("email=ann@example.org", 403),
        ("domain=example.org", 200),
        ("domain=@Example.org", 200),
        ("domain=example.com", 403),
        ("domain=xample.org", 403),
        ("domain=org", 403),
        ("domain=example.com&group=staff", 200),  # one of them is enough
        ("group=staff&role=resource_user", 200),  # beside the role
        ("group=staff&role=resource_manager", 403),
        ("group=ops&role=resource_user", 403),
        ("group=ops&scope=scope_token_user", 403),
        ("group=", 400),
        ("email=", 400),
        ("email=user", 400),
        ("email=@example.org", 400),
        ("domain=", 400),
        ("domain=user@example.org", 400),
        ("group=staff&role=nothing", 400),
        ("groups=staff", 200),  # unknown names are ignored, as ever
    ],
)
async def test_gates_by_group_and_email(log_in, query, status):
    """What a proxy asks for wrongly lets nobody in."""
    browser = await log_in({"email_verified": True, "groups": ["staff", "CN=staff,OU=groups"]})

    assert status == (await browser.get(f"{VERIFY}?{query}", headers=GET)).status


@pytest.mark.parametrize("groups", ["former staff", "former, staff", '["former; staff"]', "CN=former,staff"])
async def test_gates_know_whole_names_of_groups_as_the_header_does(log_in, groups):
    """A name may contain that of another group."""
    browser = await log_in({"groups": groups})

    for group, status in [("staff", 403), ("former", 403), (groups, 200)]:
        assert status == (await browser.get(VERIFY, params={"group": group}, headers=GET)).status
    assert "staff" not in (await told(browser))["Groups"].split(",")


@pytest.mark.parametrize("said", [1, "1", "yes", [], {}], ids=repr)
@pytest.mark.parametrize("query", ["email=user@example.org", "domain=example.org"])
async def test_gates_refuse_an_email_that_is_verified_in_no_known_way(log_in, query, said):
    """Only true is true, also as text."""
    browser = await log_in({"email_verified": said})

    assert 403 == (await browser.get(f"{VERIFY}?{query}", headers=GET)).status
    assert "" == (await told(browser))["Email"]


@pytest.mark.parametrize("query", ["email=user@example.org", "domain=example.org"])
async def test_gates_refuse_an_unverified_email(log_in, query):
    """Anybody may claim one at some providers."""
    assert 403 == (await (await log_in({})).get(f"{VERIFY}?{query}", headers=GET)).status
    trusting = await log_in({}, BODHI_AUTH_ALLOW_UNVERIFIED_EMAIL="true")
    assert 200 == (await trusting.get(f"{VERIFY}?{query}", headers=GET)).status


async def test_a_group_is_no_role(log_in):
    """Who has no role passes no gate."""
    browser = await log_in({"groups": ["staff"]}, user="nobody")

    assert 403 == (await browser.get(f"{VERIFY}?group=staff", headers=GET)).status


async def test_tokens_pass_a_gate_for_people_by_their_scope_alone(log_in, open_browser):
    """They have no groups, and no headers of their owner."""
    browser = await log_in({"groups": ["staff"], "email_verified": True}, user="admin")
    made = await browser.post("/bodhi/v1/tokens", json={"name": "for a script", "scope": "scope_token_user"})
    bearer = {"Authorization": f"Bearer {(await made.json())['token']}"}
    program = await open_browser(browser.server)

    assert 403 == (await program.get(f"{VERIFY}?group=staff", headers={**GET, **bearer})).status
    headers = await told(program, "?group=staff&scope=scope_token_user", **bearer)
    assert ("", "") == (headers["Email"], headers["Groups"])


@pytest.mark.parametrize(
    ("headers", "is_page"),
    [
        (PAGE, True),
        ({**GET, "Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}, True),  # over HTTP nothing else is sent
        ({**PAGE, "X-Requested-With": "org.example.app"}, True),  # a page in an Android application
        ({**PAGE, "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}, False),
        ({**PAGE, "Sec-Fetch-Mode": "same-origin", "Sec-Fetch-Dest": "empty"}, False),
        ({**PAGE, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, False),
        ({**GET, "Accept": "text/html", "X-Requested-With": "XMLHttpRequest"}, False),
        ({**PAGE, "X-Requested-With": "xmlhttprequest"}, False),
        ({**GET, "Accept": "application/json"}, False),
        ({**PAGE, "X-Forwarded-Method": "POST"}, False),
        (GET, False),
    ],
)
async def test_only_navigations_are_redirected(start_server, open_browser, headers, is_page):
    """The rest is 401 with the login's address; nginx redirects by a header of the 401."""
    browser = await open_browser(await start_server(BODHI_TRUSTED_PROXIES="127.0.0.1/32"))
    login = str(browser.make_url("/ui/login"))

    redirected = await browser.get(f"{VERIFY}?redirect=true", headers=headers, allow_redirects=False)
    asked = await browser.get(VERIFY, headers=headers, allow_redirects=False)

    assert (302 if is_page else 401, login) == (redirected.status, redirected.headers["Location"])
    assert (401, login, login if is_page else None) == (
        asked.status,
        asked.headers["Location"],
        asked.headers.get("X-BodhiApp-Redirect"),
    )


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Mode": "cors"}, {"X-Requested-With": "XMLHttpRequest"}])
async def test_a_script_that_is_refused_gets_no_page(log_in, headers):
    """But JSON."""
    browser = await log_in({}, user="nobody")

    response = await browser.get(f"{VERIFY}?redirect=true", headers={**GET, "Accept": "text/html", **headers})

    assert (403, "application/json") == (response.status, response.content_type)
