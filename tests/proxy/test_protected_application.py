"""Forward authentication with common proxies, in front of an application without bodhi."""

from itertools import product

import pytest
from aiohttp import WSServerHandshakeError
from yarl import URL

from bodhi.server.access.scopes import Role
from bodhi.testing.identity_provider.accounts import Person
from support.proxies import RULES_BY_PATH

pytestmark = pytest.mark.proxies

PAGE = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
FORGED = (
    "X-BodhiApp-User-Id",
    "x-bodhiapp-user-id",
    "X_BodhiApp_User_Id",
    "X-BodhiApp_Role",
    "X-BodhiApp-Role",
    "X-BodhiApp-Access-Token",
    "X-BodhiApp_Access-Token",
    "X.BodhiApp.Role",
    "X_BodhiApp-Role",
)
TOKEN = "x-bodhiapp-access-token"


async def received_headers(response):
    """Return the headers that reached the application, by lower-case name."""
    assert 200 == response.status, await response.text()
    told = [(name.lower(), value) for name, value in await response.json()]
    assert len(told) == len(dict(told)), told
    return dict(told)


async def received_headers_without_cookies(response):
    """Return the headers that reached the application, without cookies."""
    return {name: value for name, value in (await received_headers(response)).items() if name != "cookie"}


async def test_anonymous_request_is_redirected_to_login_and_back(visitor, proxy, provider):
    """Back at the page that was asked for, where the application is told who it is."""
    sent = await visitor.get("/page?a=b%26c&d", headers={**PAGE, "Sec-Fetch-Site": "none"})
    assert (302, f"{proxy}/ui/login?return_to=/page?a=b%2526c%26d") == (sent.status, sent.headers["Location"])

    begun = await visitor.post(sent.headers["Location"].removeprefix(proxy))
    answer = await provider.log_in_url(begun.headers["Location"], user="manager")
    ended = await visitor.post("/ui/auth/callback", data=dict(URL(answer).query))
    assert (303, "/page?a=b%26c&d") == (ended.status, URL(ended.headers["Location"]).raw_path_qs)

    shown = await visitor.get(URL(ended.headers["Location"]).raw_path_qs)
    assert {
        "x-bodhiapp-user-id": provider.person("manager").user_id,
        "x-bodhiapp-username": provider.person("manager").username,
        "x-bodhiapp-role": "resource_manager",
    } == await received_headers_without_cookies(shown)


@pytest.mark.parametrize("additions", [(RULES_BY_PATH,)])
async def test_identity_headers_from_the_client_are_dropped(visitor, provider):
    """The application sees what bodhi says, in one spelling, and nothing that a client made up."""
    for name in FORGED:
        assert (await visitor.get("/page", headers={name: "mallory"})).status in {302, 401}
    await visitor.log_in(provider)

    for path, name in product(["/page", "/managers/page"], FORGED):
        response = await visitor.get(path, headers=[(name, "mallory"), (name, "mallory")])
        if response.status != 403:
            told = await received_headers_without_cookies(response)
            assert 3 == len(told), name
            assert "mallory" not in told.values(), name


@pytest.mark.parametrize("gives_tokens", [True])
async def test_the_application_gets_the_access_token(visitor, provider):
    """However large it is, and not what a client made up."""
    provider.add_person(Person("large", "x" * 4_200), Role.USER)
    await visitor.log_in(provider, "large")

    for headers in ({}, {"X-BodhiApp-Access-Token": "mallory"}):
        token = (await received_headers(await visitor.get("/page", headers=headers)))[TOKEN]
        assert 6_000 < len(token)
        assert token in provider.issued_secrets


QUESTIONS = ["verify", "verify?redirect=true", "verify/", "%76erify", "./verify", "x/../verify", "/verify", "VERIFY"]


@pytest.mark.parametrize("gives_tokens", [True])
async def test_verify_endpoint_is_not_reachable_from_outside(visitor, provider):
    """A script in a page would get the token that no script is to have."""
    await visitor.log_in(provider)

    for method, question in product(["GET", "HEAD"], QUESTIONS):
        response = await visitor.request(method, f"/bodhi/v1/auth/{question}")
        assert not {TOKEN, "x-bodhiapp-user-id"} & {name.lower() for name in response.headers}, question


async def test_session_cookie_and_token_are_not_forwarded(visitor, cookieless_client, provider, proxy_name):
    """Its own cookies are; Traefik cannot tell them apart, and gives it none."""
    await visitor.log_in(provider, "admin")
    session = f"bodhiapp_session_id={visitor.session_cookie}"
    for sent, kept in [
        (session, None),
        (f"a=1; {session}", "a=1"),
        (f"{session}; b=2", "b=2"),
        (f"a=1; {session}; b=2; xbodhiapp_session_id=3", "a=1; b=2; xbodhiapp_session_id=3"),
    ]:
        told = await received_headers(await cookieless_client.get("/page", headers={"Cookie": sent}))
        assert (None if proxy_name == "traefik" else kept) == (told.get("cookie", "").rstrip("; ") or None)

    made = await visitor.post("/bodhi/v1/tokens", json={"name": "for a script", "scope": "scope_token_user"})
    bearer = {"Authorization": f"Bearer {(await made.json())['token']}"}
    told = await received_headers(await visitor.post("/page", headers=bearer))
    assert ("", "scope_token_user") == (told.get("x-bodhiapp-username", ""), told["x-bodhiapp-role"])
    assert not {"authorization", TOKEN} & set(told)


async def test_user_names_beyond_ascii_are_encoded_in_headers(visitor, provider):
    """Get through as UTF-8, in one line."""
    provider.add_person(Person("J\u00fcrgen\r\nX-BodhiApp-Role: resource_admin"), Role.USER)
    await visitor.log_in(provider, "J\u00fcrgen\r\nX-BodhiApp-Role: resource_admin")

    told = await received_headers(await visitor.get("/page"))

    assert "J\u00fcrgen\ufffd\ufffdX-BodhiApp-Role: resource_admin" == told["x-bodhiapp-username"]
    assert "resource_user" == told["x-bodhiapp-role"]


async def test_bodhi_s_own_pages_are_reached(visitor, cookieless_client, provider):
    """In one step or two, whether somebody is logged in or not."""
    await visitor.log_in(provider)
    for browser, path in product([visitor, cookieless_client], ["/ui", "/ui/", "/ui/login", "/bodhi/v1/user"]):
        response = await browser.get(path, headers={"Accept": "text/html"}, allow_redirects=True, max_redirects=3)
        assert 200 == response.status
        assert "X-BodhiApp-User-Id" not in response.headers
        assert response.url.path in {path, "/ui", "/ui/login"}


async def test_forwarded_headers_from_the_client_are_ignored(visitor, proxy, provider, request):
    """Neither where it comes from nor what it asks for: that is the proxy's to say."""
    claims = {
        "X-Forwarded-Method": "GET",
        "X-Original-Method": "GET",
        "X-Forwarded-Uri": "/evil",
        "X-Original-URI": "/evil",
        "X-Forwarded-Host": "evil.test",
        "X-Forwarded-Proto": "https",
    }
    sent = await visitor.get("/page", headers={**PAGE, **claims})
    assert 302 == sent.status
    # Traefik says it in one header and lets the client say it in another: bodhi then believes neither.
    page = "" if "traefik" in request.node.name else "?return_to=/page"
    assert f"{proxy}/ui/login{page}" == sent.headers["Location"]
    await visitor.log_in(provider)

    foreign = {**PAGE, "Sec-Fetch-Site": "cross-site", "Origin": "http://evil.test"}
    assert 403 == (await visitor.post("/page", headers={**foreign, **claims})).status


async def test_a_logout_takes_effect_at_the_next_request(visitor, provider):
    """Nobody between remembers the answer."""
    await visitor.log_in(provider)
    assert 200 == (await visitor.get("/page")).status

    assert (await visitor.post("/bodhi/v1/logout")).status < 300

    assert (await visitor.get("/page")).status in {302, 401}


async def test_a_websocket_goes_through(visitor, provider, proxy):
    """With whom it belongs to."""
    await visitor.log_in(provider)

    async with visitor.connect("/socket") as socket:
        assert provider.person("user").username == await socket.receive_str()
        await socket.send_str("hello")
        assert "hello" == await socket.receive_str()


async def test_a_websocket_outlives_its_session(visitor, provider):
    """It is asked about when it opens: the one that is open stays so, and another does not open."""
    await visitor.log_in(provider)
    async with visitor.connect("/socket") as socket:
        await socket.receive_str()
        await visitor.post("/bodhi/v1/logout")

        await socket.send_str("still here")
        assert "still here" == await socket.receive_str()
        with pytest.raises(WSServerHandshakeError) as refused:
            await visitor.connect("/socket")
        assert refused.value.status in {200, 302, 401}  # 200: aiohttp has followed to the login page


async def test_cross_site_websocket_is_refused(visitor, provider):
    """Browsers say of websockets where they come from in Origin alone."""
    await visitor.log_in(provider)

    with pytest.raises(WSServerHandshakeError):
        await visitor.connect("/socket", headers={"Origin": "http://evil.test"})


@pytest.mark.parametrize("additions", [(RULES_BY_PATH,)])
@pytest.mark.parametrize(("user", "status"), [("user", 403), ("manager", 200), ("admin", 200)])
async def test_role_gate_admits_only_its_roles(visitor, provider, user, status):
    """By the query of what the proxy asks."""
    await visitor.log_in(provider, user)

    assert status == (await visitor.get("/managers/page")).status
    assert 200 == (await visitor.get("/page")).status


async def test_errors_of_the_application_pass_through(visitor, provider):
    """The proxy has no page of its own for that."""
    await visitor.log_in(provider)

    refused = await visitor.get("/refused")

    assert (403, "Not at this time of the day") == (refused.status, await refused.text())


@pytest.mark.parametrize("additions", [(RULES_BY_PATH,)])
@pytest.mark.parametrize("proxy", ["nginx"], indirect=True)
async def test_nginx_403_page_links_to_the_role_request(visitor, provider):
    """Its own page would be a dead end. A command, too, is told that it was refused."""
    await visitor.log_in(provider, "nobody")

    for refused in (await visitor.get("/page"), await visitor.post("/managers/page")):
        assert (403, "text/html", "no-store") == (
            refused.status,
            refused.content_type,
            refused.headers["Cache-Control"],
        )
        assert '<a href="/ui">' in await refused.text()
    assert "Request access" in await (await visitor.get("/ui")).text()


@pytest.mark.parametrize("additions", [(RULES_BY_PATH,)])
async def test_forbidden_page_request_gets_a_page(visitor, proxy, provider, request):
    """Of bodhi, with its address; nginx shows its own."""
    await visitor.log_in(provider)

    refused = await visitor.get("/managers/page", headers=PAGE)

    assert (403, "text/html") == (refused.status, refused.content_type)
    assert ("nginx" not in request.node.name) == (f'href="{proxy}/ui"' in await refused.text())


async def test_only_top_level_navigation_is_allowed_cross_site(visitor, provider):
    """A link opens the page; a form sent from there is refused, and its scripts and frames have no session."""
    await visitor.log_in(provider)
    foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.test"}

    assert 200 == (await visitor.get("/page", headers={**PAGE, "Sec-Fetch-Site": "cross-site"})).status
    assert 403 == (await visitor.post("/page", headers={**PAGE, **foreign})).status
    assert (await visitor.get("/page", headers=foreign)).status in {302, 401}
    assert (await visitor.get("/page", headers={"Origin": "http://evil.test"})).status in {302, 401}
