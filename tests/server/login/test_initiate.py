"""``POST /bodhi/v1/auth/initiate``: the start of a login."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from bodhi.server.access.instance import INSTANCES
from bodhi.server.login.api import LOGIN
from support.raw_database import RawDatabase


def parameters_of(location):
    """Return the query of a URL, without duplicates."""
    query = parse_qs(urlsplit(location).query, strict_parsing=True, keep_blank_values=True)
    assert all(len(values) == 1 for values in query.values()), query
    return {name: values[0] for name, values in query.items()}


async def test_the_authorization_request(browser, provider):
    """Code flow with PKCE, state and nonce, back to the page on the host that the browser used."""
    response = await browser.post("/bodhi/v1/auth/initiate")
    location = (await response.json())["location"]
    parameters = parameters_of(location)

    assert (201, "no-cache, no-store, must-revalidate") == (response.status, response.headers["Cache-Control"])
    assert location.startswith(f"{provider.issuer}/protocol/openid-connect/auth?")
    assert {
        "response_type": "code",
        "client_id": "bodhi",
        "redirect_uri": str(browser.make_url("/ui/auth/callback")),
        "scope": "openid email profile roles",
        "code_challenge_method": "S256",
    } == {name: value for name, value in parameters.items() if name not in ("state", "nonce", "code_challenge")}
    assert re.fullmatch("[A-Za-z0-9]{32}", parameters["state"])
    assert re.fullmatch("[A-Za-z0-9]{32}", parameters["nonce"])
    assert re.fullmatch("[A-Za-z0-9_-]{43}", parameters["code_challenge"])


async def test_each_login_has_unique_state_nonce_and_verifier(browser):
    """State, nonce and challenge come once, however often one begins."""
    asked = [parameters_of(await browser.begin()) for _ in range(100)]

    for name in ("state", "nonce", "code_challenge"):
        assert 100 == len({parameters[name] for parameters in asked})


async def test_reserved_characters_are_encoded(start_server, open_browser, provider):
    """A client id may hold any character of ASCII."""
    browser = await open_browser(await start_server(BODHI_CLIENT_ID="a&b=c#d/e?f+g%h", BODHI_PUBLIC_HOST="127.0.0.1"))

    location = await browser.begin()

    assert "a&b=c#d/e?f+g%h" == parameters_of(location)["client_id"]


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"BODHI_PUBLIC_HOST": "127.0.0.1"}, "http://127.0.0.1:1135/ui/auth/callback"),
        ({"BODHI_PUBLIC_HOST": "127.0.0.1", "BODHI_PUBLIC_PORT": "80"}, "http://127.0.0.1/ui/auth/callback"),
        ({"BODHI_PUBLIC_PORT": "4711"}, "http://127.0.0.1:4711/ui/auth/callback"),
    ],
)
async def test_redirect_uri_is_on_the_public_url(start_server, open_browser, environ, expected):
    """With its host where somebody has said which one that is, else with the request's own."""
    browser = await open_browser(await start_server(**environ))
    origin = expected.removesuffix("/ui/auth/callback")
    headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}

    response = await browser.post("/bodhi/v1/auth/initiate", headers=headers)

    assert expected == parameters_of((await response.json())["location"])["redirect_uri"]


@pytest.mark.parametrize(
    ("headers", "origin"),
    [
        ({"Host": "localhost:8080"}, "http://localhost:8080"),  # a published port
        ({"Host": "[::1]:8080"}, "http://[::1]:8080"),
        ({"Host": "my_service"}, "http://my_service"),
        ({"Host": "[2001:db8::7]", "X-Forwarded-Proto": "https"}, "https://[2001:db8::7]"),
        ({"Host": "my_service", "X-Forwarded-Port": "8443", "X-Forwarded-Proto": "https"}, "https://my_service:8443"),
    ],
)
async def test_login_and_logout_return_where_they_began(start_server, open_browser, headers, origin):
    """For every host that the settings take, on every port."""
    server = await start_server(
        BODHI_HOST="::", BODHI_ALLOWED_HOSTS="my_service,2001:db8::7", BODHI_TRUSTED_PROXIES="127.0.0.1"
    )
    browser = await open_browser(server)

    begun = await browser.post("/bodhi/v1/auth/initiate", headers=headers)
    assert f"{origin}/ui/auth/callback" == parameters_of((await begun.json())["location"])["redirect_uri"]
    ended = await browser.post("/bodhi/v1/logout", headers=headers)
    assert {"location": f"{origin}/ui/login"} == await ended.json()


@pytest.mark.parametrize("host", ["evil.example", "evil.example:1135", "127.0.0.1.evil.example"])
async def test_foreign_host_starts_no_login(browser, host):
    """It would be sent back there with its code."""
    response = await browser.post("/bodhi/v1/auth/initiate", headers={"Host": host})

    assert (421, False) == (response.status, "Set-Cookie" in response.headers)
    assert "evil" not in await response.text()


async def test_logged_in_user_is_sent_home(browser, provider):
    """And nothing is begun."""
    await browser.log_in(provider)
    before = browser.session_cookie

    response = await browser.post("/bodhi/v1/auth/initiate")

    assert (200, {"location": str(browser.make_url("/ui/chat"))}) == (response.status, await response.json())
    assert before == browser.session_cookie


async def test_unregistered_server_starts_no_login(start_server, open_browser, monkeypatch):
    """500, since it is the operator who has to do something."""
    server = await start_server()
    instances = server.app[INSTANCES]
    monkeypatch.setattr(instances, "ready", None)
    monkeypatch.setattr(instances, "_configured", None)
    browser = await open_browser(server)

    response = await browser.post("/bodhi/v1/auth/initiate")

    assert (500, "login_error-app_instance_not_found") == (response.status, (await response.json())["error"]["code"])


async def test_abandoned_logins_leave_expiring_rows_while_old_nodes_run(browser, server, database_url, monkeypatch):
    """Nodes of version 0.1.0 do not read the cookie. Ten minutes after the last of them; it ends with the browser."""

    async def older():
        return 1

    monkeypatch.setattr(server.app[LOGIN].begun, "_data_format", older)
    response = await browser.post("/bodhi/v1/auth/initiate")
    await browser.begin()

    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith("bodhiapp_session_id=")
    assert cookie.endswith("; Path=/; HttpOnly; SameSite=Strict")
    async with RawDatabase(database_url) as raw:
        rows = await raw.rows("SELECT created_at, last_seen_at, ends_at, expires_at, user_id FROM bodhi_session")
    (row,) = rows
    assert row["user_id"] is None
    assert 600_000 <= row["ends_at"] - row["created_at"] < 660_000
    assert row["ends_at"] == row["expires_at"]


async def test_viewing_the_login_page_stores_no_session(browser, database_url):
    """And no cookie."""
    for _ in range(20):
        assert {"auth_status": "logged_out"} == await browser.user()

    async with RawDatabase(database_url) as raw:
        assert [] == await raw.rows("SELECT 1 FROM bodhi_session")
    assert browser.session_cookie is None


async def test_provider_outage_is_reported(start_server, open_browser, provider):
    """Where nothing of it is known yet."""
    provider.fail("discovery", status=503, times=None)
    browser = await open_browser(await start_server())

    response = await browser.post("/bodhi/v1/auth/initiate")

    assert (503, "auth_error-idp_unavailable") == (response.status, (await response.json())["error"]["code"])
    assert "Retry-After" in response.headers
