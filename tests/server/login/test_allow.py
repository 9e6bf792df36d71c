"""Logins where not everybody whom the provider lets in may come in."""

import time
from urllib.parse import parse_qsl, urlsplit

import pytest

from bodhi.server.access.profiles import PROFILES
from bodhi.server.access.scopes import Role
from bodhi.session import SESSIONS
from bodhi.session.handles import digest_of

PROTECTED = "/bodhi/v1/tokens"  # needs a power user


async def log_in(browser, provider, user="power"):
    """Log in; return the response."""
    return await browser.finish(await provider.log_in_url(await browser.begin(), user=user))


async def test_who_is_not_listed_is_refused(start_server, open_browser, provider):
    """With a code of its own, and without a session."""
    server = await start_server(BODHI_AUTH_ALLOW="@example.net", BODHI_AUTH_DEFAULT_ROLE="resource_user")
    browser = await open_browser(server)

    response = await log_in(browser, provider)

    assert (403, "login_error-not_allowed") == (response.status, (await response.json())["error"]["code"])
    assert "logged_out" == (await browser.user())["auth_status"]
    assert 401 == (await browser.get(PROTECTED)).status


async def test_the_page_says_so(start_server, open_browser, provider):
    """With a way to another account."""
    server = await start_server(BODHI_AUTH_ALLOW="@example.net")
    browser = await open_browser(server)
    url = await provider.log_in_url(await browser.begin(), user="power")
    answer = dict(parse_qsl(urlsplit(url).query))

    response = await browser.post("/ui/auth/callback", data=answer, headers={"Accept": "text/html"})

    assert 403 == response.status
    text = await response.text()
    assert "<h1>Access denied</h1>" in text
    assert "This account is not allowed to sign in here." in text
    assert "/ui/login" in text


@pytest.mark.parametrize(
    ("allow", "unverified"),
    [("power@example.org", "true"), ("@example.org", "true"), ("@example.net, @example.org", "true")],
)
async def test_who_is_listed_comes_in(start_server, open_browser, provider, allow, unverified):
    """The provider of the tests does not verify addresses."""
    server = await start_server(BODHI_AUTH_ALLOW=allow, BODHI_AUTH_ALLOW_UNVERIFIED_EMAIL=unverified)

    assert "resource_power_user" == (await (await open_browser(server)).log_in(provider, "power"))["role"]


async def test_groups_in_userinfo_let_in(start_server, open_browser, provider):
    """Userinfo is asked, since the tokens do not decide it."""
    server = await start_server(BODHI_AUTH_ALLOW='["group:CN=staff,OU=groups"]')
    provider.alter("userinfo", lambda answer: answer.update(groups=["CN=staff,OU=groups"]))

    assert 200 == (await log_in(await open_browser(server), provider)).status
    assert 403 == (await log_in(await open_browser(server), provider)).status
    assert 2 == provider.counts["userinfo"]


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"groups": "former staff"}, 403),
        ({"groups": "staff emeriti"}, 403),
        ({"groups": "former, staff"}, 403),
        ({"groups": '["former staff"]'}, 403),
        ({"groups": ["former staff", "former; staff"]}, 403),
        ({"groups": "staff"}, 200),
        ({"groups": "former staff; staff"}, 200),
        ({"groups": ["staff"]}, 200),
        ({"email_verified": 1}, 403),
        ({"email_verified": "1"}, 403),
        ({"email_verified": "yes"}, 403),
        ({"email_verified": []}, 403),
        ({"email_verified": {}}, 403),
        ({"email_verified": [True]}, 403),
        ({"email_verified": "true"}, 200),
        ({"email_verified": True}, 200),
    ],
    ids=repr,
)
async def test_nobody_comes_in_by_a_claim_that_only_resembles(start_server, open_browser, provider, claims, status):
    """Neither by a group whose name contains that of another, nor by an address that is not verified."""
    server = await start_server(BODHI_AUTH_ALLOW="group:staff,@example.org")
    provider.shape.id_token_claims = claims

    assert status == (await log_in(await open_browser(server), provider)).status


@pytest.mark.parametrize(
    ("roles", "role"),
    [
        ("former staff", None),
        ("staff emeriti", None),
        ('["former, staff"]', None),
        ("staff", "resource_manager"),
        ("former; staff", "resource_manager"),
    ],
)
async def test_nobody_gets_the_role_of_a_group_with_a_similar_name(start_server, open_browser, provider, roles, role):
    """A name may contain another."""
    server = await start_server(BODHI_AUTH_ROLES_CLAIM="groups", BODHI_AUTH_ROLES="staff=resource_manager")
    provider.shape.id_token_claims = {"groups": roles}

    assert role == (await (await open_browser(server)).log_in(provider))["role"]


async def test_an_outage_of_userinfo_is_no_refusal(start_server, open_browser, provider):
    """Nobody knows yet: the login fails with 503."""
    server = await start_server(BODHI_AUTH_ALLOW="group:staff")
    provider.fail("userinfo", status=500)

    assert 503 == (await log_in(await open_browser(server), provider)).status


async def test_sessions_end_in_a_refusal_once_the_setting_excludes_them(start_server, open_browser, provider):
    """After a restart; logging out works, and requests are told why."""
    before = await open_browser(await start_server())
    await before.log_in(provider, "power")
    strict = await start_server(BODHI_AUTH_ALLOW="group:staff")
    browser = await open_browser(strict)
    browser.session.cookie_jar.update_cookies({"bodhiapp_session_id": before.session_cookie})

    for path in (PROTECTED, "/bodhi/v1/user", "/bodhi/v1/auth/verify", "/ui"):
        response = await browser.get(path, headers={"Accept": "application/json"})
        assert (403, "login_error-not_allowed") == (response.status, (await response.json())["error"]["code"]), path
    page = await (await browser.get("/ui", headers={"Accept": "text/html"})).text()
    assert "This account is not allowed to sign in here." in page
    assert "Sign out" in page
    assert 200 == (await browser.post("/bodhi/v1/logout")).status
    assert 200 == (await browser.get("/bodhi/v1/user")).status


async def test_a_proxy_shows_the_refusal_as_a_page(start_server, open_browser, provider):
    """Rather than sending people to the login, which would send them back."""
    before = await open_browser(await start_server())
    await before.log_in(provider, "power")
    strict = await start_server(BODHI_AUTH_ALLOW="group:staff", BODHI_TRUSTED_PROXIES="127.0.0.1")
    browser = await open_browser(strict)
    browser.session.cookie_jar.update_cookies({"bodhiapp_session_id": before.session_cookie})
    asked = {"X-Forwarded-Method": "GET", "X-Forwarded-Uri": "/page", "Accept": "text/html"}

    response = await browser.get("/bodhi/v1/auth/verify?redirect=true", headers=asked, allow_redirects=False)

    assert (403, "text/html") == (response.status, response.content_type)


async def test_a_refresh_notices_the_loss(start_server, open_browser, provider):
    """The user has left the group; API tokens stop, too."""
    server = await start_server(BODHI_AUTH_ALLOW="group:staff")
    browser = await open_browser(server)
    provider.alter("userinfo", lambda answer: answer.update(groups=["staff"]))
    assert 200 == (await log_in(browser, provider)).status
    token = (await (await browser.post(PROTECTED, json={"scope": "scope_token_user"})).json())["token"]

    await server.app[SESSIONS].atomically(
        digest_of(browser.session_cookie),
        lambda data, _: data.update(access_token="opaque", access_expires_at=int(time.time()) - 5),
    )

    assert 403 == (await browser.get(PROTECTED)).status
    bearer = await (await open_browser(server)).get(
        "/bodhi/v1/auth/verify", headers={"Authorization": f"Bearer {token}"}
    )
    assert 401 == bearer.status


async def test_a_refused_login_takes_the_stored_role(start_server, open_browser, provider):
    """It is a confirmed loss; another user's role stays."""
    server = await start_server()
    for user in ("power", "user"):
        await (await open_browser(server)).log_in(provider, user)
    people = (await start_server(BODHI_AUTH_ALLOW="group:staff")).app[PROFILES]
    strict = await start_server(BODHI_AUTH_ALLOW="group:staff")

    assert 403 == (await log_in(await open_browser(strict), provider)).status

    assert await people.role_of(provider.person("power").user_id) is None
    assert Role.USER is await people.role_of(provider.person("user").user_id)


async def test_strangers_leave_no_trace(start_server, open_browser, provider):
    """No profile is stored of whom the server refused."""
    server = await start_server(BODHI_AUTH_ALLOW="group:staff")

    assert 403 == (await log_in(await open_browser(server), provider)).status

    assert await server.app[PROFILES].find(provider.person("power").user_id) is None


async def test_nobody_becomes_the_first_administrator_who_may_not_log_in(start_server, open_browser, provider):
    """The place stays free."""
    server = await start_server(
        BODHI_AUTH_ALLOW="power@example.org",
        BODHI_AUTH_ALLOW_UNVERIFIED_EMAIL="true",
        BODHI_CLIENT_STATUS="resource-admin",
    )

    assert 403 == (await log_in(await open_browser(server), provider, "user")).status
    assert "resource_admin" == (await (await open_browser(server)).log_in(provider, "power"))["role"]
