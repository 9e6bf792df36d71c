"""Forward authentication with common proxies, in front of an application without bodhi."""

from itertools import product

import pytest
from aiohttp import WSServerHandshakeError
from yarl import URL

from bodhi.server.access.scopes import Role
from bodhi.testing.identity_provider.accounts import Person
from support.markup import read_page
from support.proxies import FURTHER_CLAIM, RULES_BY_PATH

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
    "X-BodhiApp-Email",
    "x_bodhiapp_email",
    "X-BodhiApp-Groups",
    "X-BodhiApp_Groups",
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


async def test_email_and_groups_reach_the_application(visitor, provider):
    """With what a client made up in their place, too; the names of groups stay apart."""
    provider.shape.id_token_claims = {"email_verified": True, "groups": ["CN=J\u00fcrgen,OU=x", "ops"]}
    await visitor.log_in(provider)

    for headers in ({}, {"X-BodhiApp-Email": "mallory", "X-BodhiApp-Groups": "mallory"}):
        told = await received_headers_without_cookies(await visitor.get("/page", headers=headers))
        assert ("user@example.org", "CN=J\u00fcrgen%2COU=x,ops") == (
            told["x-bodhiapp-email"],
            told["x-bodhiapp-groups"],
        )
        assert 5 == len(told)


@pytest.mark.parametrize("additions", [(FURTHER_CLAIM,)])
async def test_a_further_claim_reaches_the_application(visitor, provider):
    """As the provider says it; where it says nothing, too, nothing that a client made up arrives."""
    for claims, told in [({"department": "R&D"}, "R&D"), ({}, None)]:
        provider.shape.id_token_claims = claims
        await visitor.log_in(provider)
        for name in ("X-Other", "X-BodhiApp-Department", "x_bodhiapp_department"):
            received = await received_headers_without_cookies(await visitor.get("/page", headers={name: "mallory"}))
            assert told == received.get("x-bodhiapp-department")
            assert "mallory" not in received.values()
        await visitor.post("/bodhi/v1/logout")


async def test_two_thousand_groups_pass(visitor, provider):
    """Their header fits, with whatever else a request has."""
    provider.shape.id_token_claims = {"groups": [f"group-{number:05}" for number in range(2_000)]}
    await visitor.log_in(provider)

    told = await received_headers_without_cookies(await visitor.get("/page"))

    assert 3_900 < len(told["x-bodhiapp-groups"]) <= 4_000


SCRIPTS = [
    ("GET", {"Accept": "application/json", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}),
    ("GET", {"Accept": "text/html", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}),
    ("GET", {"Accept": "text/html", "X-Requested-With": "XMLHttpRequest"}),
    ("GET", {"Accept": "image/avif,image/webp,*/*", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}),
    ("GET", {}),
    ("POST", {"Accept": "*/*", "Content-Type": "application/json", "Sec-Fetch-Mode": "cors"}),
    ("POST", {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}),
    ("DELETE", {"Accept": "text/html"}),
]


@pytest.mark.parametrize(("method", "headers"), SCRIPTS)
async def test_scripts_are_not_redirected(visitor, proxy, method, headers):
    """But told where the login is; it leads back to what can be opened again."""
    response = await visitor.request(method, "/data?page=2", headers=headers)

    page = "?return_to=/data?page=2" if method == "GET" else ""
    assert (401, f"{proxy}/ui/login{page}") == (response.status, response.headers.getone("Location"))
    assert "no-store" == response.headers.getone("Cache-Control")


async def test_pages_are_redirected_without_fetch_metadata(visitor, proxy):
    """Browsers send it over HTTPS alone."""
    for method in ("GET", "HEAD"):
        response = await visitor.request(method, "/page", headers={"Accept": "text/html,*/*;q=0.8"})
        assert (302, [f"{proxy}/ui/login?return_to=/page"]) == (response.status, response.headers.getall("Location"))


# Words that need a joiner (Persian, Malayalam), an emoji of several parts, a no-break space, a soft hyphen.
WAYS_BACK = [
    "/%D9%85%DB%8C%E2%80%8C%D8%AE%D9%88%D8%A7%D9%87%D9%85",
    "/%E0%B4%A8%E0%B5%8D%E2%80%8D?q=%E0%B4%A8%E0%B5%8D%E2%80%8D",
    "/%F0%9F%91%A9%E2%80%8D%F0%9F%92%BB/x",
    "/a%C2%A0b%C2%ADc?d=%C2%A0",
    "/x%20y/a+b?c=%26&d=e%3Df",
]


@pytest.mark.parametrize("page", WAYS_BACK)
async def test_the_way_back_is_kept(visitor, provider, page):
    """Also where the provider refuses at first, and the person tries again."""
    sent = await visitor.get(page, headers=PAGE)
    login = URL(sent.headers["Location"], encoded=True).raw_path_qs
    begun = await visitor.post(login)
    state = URL(begun.headers["Location"]).query["state"]
    refused = await visitor.post(
        "/ui/auth/callback", data={"error": "server_error", "state": state}, headers={"Accept": "text/html"}
    )
    again = read_page(await refused.text()).one("main")
    links = [link.attributes["href"] for link in again.all("a") if "return_to=" in link.attributes.get("href", "")]
    assert 1 == len(links), await refused.text()

    begun = await visitor.post(links[0])
    answer = await provider.log_in_url(begun.headers["Location"], user="user")
    ended = await visitor.post("/ui/auth/callback", data=dict(URL(answer).query))

    assert (303, page) == (ended.status, URL(ended.headers["Location"], encoded=True).raw_path_qs)
    assert 200 == (await visitor.get(page, headers=PAGE)).status


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
