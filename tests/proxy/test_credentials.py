"""Cookies, identity headers and proxy control headers between browser and application."""

import json

import pytest

from support.proxies import RULES_BY_PATH, STATIC_FILES

pytestmark = pytest.mark.proxies

EVERYTHING = (RULES_BY_PATH, STATIC_FILES)
IDENTITY = ("x-bodhiapp-user-id", "x-bodhiapp-username", "x-bodhiapp-role")
NAME, OTHER_NAME = (
    "bodhiapp_session_id",
    "__Host-bodhiapp_session_id",
)  # the tests speak http; under https they change places


def received_headers(answer):
    """Return the headers that reached the application, by lower-case name, without empty ones; cookies joined."""
    status, _, body = answer
    assert 200 == status, body
    lines = [(name.lower(), value) for name, value in json.loads(body)]
    cookies = "; ".join(filter(None, (value.strip("; \t") for name, value in lines if name == "cookie")))
    others = [line for line in lines if line[0] != "cookie"]
    assert len(others) == len(dict(others)), others
    return dict(others) | ({"cookie": cookies} if cookies else {})


def pairs(cookies):
    """Split a cookie line."""
    return [pair.strip() for pair in cookies.split(";") if pair.strip()]


@pytest.fixture
async def session(visitor, provider):
    """The session cookie of a logged-in user."""
    await visitor.log_in(provider)
    return f"{NAME}={visitor.session_cookie}"


# Each is the value of one or more Cookie lines, with what the application gets of them. {} is the session cookie.
COOKIES = [
    (["{}"], ""),
    (["{}; a=1"], "a=1"),
    (["a=1; {}"], "a=1"),
    (["a=1;{};b=2"], "a=1;b=2"),
    (["a=1 ;  {}  ; b=2"], "a=1 ;  b=2"),
    (["a=1;\t{}\t;\tb=2"], "a=1;\tb=2"),
    # A decoy under the other name, at each side, in the middle of other cookies, empty, quoted, with odd spaces.
    ([f"{OTHER_NAME}=decoy; {{}}"], ""),
    ([f"{{}}; {OTHER_NAME}=decoy"], ""),
    ([f"{OTHER_NAME}=decoy; a=1; {{}}; b=2"], "a=1; b=2"),
    ([f"a=1; {{}}; b=2; {OTHER_NAME}=decoy; c=3"], "a=1; b=2; c=3"),
    ([f"a=1; {OTHER_NAME}=; {{}}; {OTHER_NAME}=x; b=2"], "a=1; b=2"),
    ([f'{OTHER_NAME}="decoy"; a="1 2"; {{}}'], 'a="1 2"'),
    ([f"{OTHER_NAME} = decoy; {{}}; a=1"], "a=1"),
    ([f"a=1; {OTHER_NAME}=1; b=2; {{}}; c=3; {OTHER_NAME}=2; d=4; {OTHER_NAME}=3; e=5"], "a=1; b=2; c=3; d=4; e=5"),
    (["; ".join([f"{OTHER_NAME}=decoy"] * 30 + ["{}", "a=1"])], "a=1"),
    # An open quote before it and a closing one behind it make it no part of another cookie.
    (['a="1; {}; b=2"'], 'a="1; b=2"'),
    # A login that was begun, under either name: nothing in it is for the application.
    (["bodhi_login=decoy; a=1; {}; __Host-bodhi_login=decoy"], "a=1"),
    (["{}; bodhi_login = decoy; bodhi_logins=1; my_bodhi_login=2"], "bodhi_logins=1; my_bodhi_login=2"),
    # Over several lines.
    (["a=1", "{}", "b=2"], "a=1; b=2"),
    ([f"{OTHER_NAME}=decoy; a=1", "b=2; {}", f"{OTHER_NAME}=decoy"], "a=1; b=2"),
    # Cookies whose names look like it.
    (
        ["my_bodhiapp_session_id=1; {}; bodhiapp_session_id2=2; x__Host-bodhiapp_session_id=3; Bodhiapp_session_id=4"],
        "my_bodhiapp_session_id=1; bodhiapp_session_id2=2; x__Host-bodhiapp_session_id=3; Bodhiapp_session_id=4",
    ),
    (["a=bodhiapp_session_id; {}"], "a=bodhiapp_session_id"),
]


async def test_the_session_cookie_never_arrives(raw, session, proxy_name):
    """The other cookies stay as they are; Traefik takes them all."""
    secret = session.partition("=")[2]
    for lines, kept in COOKIES:
        answer = await raw.get("/page", *[f"Cookie: {line.format(session)}" for line in lines])
        cookies = received_headers(answer).get("cookie", "")
        assert secret not in cookies, lines
        assert "decoy" not in cookies, lines
        assert pairs("" if proxy_name == "traefik" else kept) == pairs(cookies), lines


async def test_the_session_cookie_many_times_never_arrives(raw, session, proxy_name, visitor, provider):
    """However often it comes; a token opens the way here."""
    await visitor.post("/bodhi/v1/logout")
    await visitor.log_in(provider, "admin")
    made = await visitor.post("/bodhi/v1/tokens", json={"name": "for a script", "scope": "scope_token_user"})
    bearer = f"Authorization: Bearer {(await made.json())['token']}"
    for times, between in [(2, "; "), (3, "; a=1; "), (50, "; "), (50, "; a=1; "), (50, ";")]:
        for name in (NAME, OTHER_NAME):
            sent = between.join([f"{name}=secret"] * times)
            cookies = received_headers(await raw.get("/page", f"Cookie: {sent}", bearer)).get("cookie", "")
            assert "session_id" not in cookies, sent
            assert "secret" not in cookies, sent
    cookies = received_headers(await raw.get("/page", *[f"Cookie: {NAME}=secret"] * 20, "Cookie: a=1", bearer)).get(
        "cookie", ""
    )
    assert ("" if proxy_name == "traefik" else "a=1") == cookies


CONNECTIONS = [
    ["Connection: X-BodhiApp-User-Id, X-BodhiApp-Username, X-BodhiApp-Role"],
    ["Connection: close, x-bodhiapp-user-id,X-BODHIAPP-USERNAME", "Connection: X-BodhiApp-Role"],
    ["connection: keep-alive, X-BodhiApp-Role", "Connection: X-BodhiApp-User-Id, Authorization, close"],
    ["Connection: X-BodhiApp-Access-Token, X-Bodhiapp-User-Id, X-Original-URI, X-Original-Method"],
    ["Connection: Upgrade, X-BodhiApp-User-Id, X-BodhiApp-Username, X-BodhiApp-Role", "Upgrade: websocket"],
    ["Connection: X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, X-Forwarded-Uri, X-Forwarded-Method, Host"],
]


@pytest.mark.parametrize("gives_tokens", [True])
@pytest.mark.parametrize("additions", [EVERYTHING])
async def test_identity_headers_arrive_whatever_the_connection_header_lists(raw, visitor, provider):
    """A client cannot have the proxy drop what bodhi said, on its way to the application."""
    await visitor.log_in(provider, "manager")
    session = f"Cookie: {NAME}={visitor.session_cookie}"
    for path in ("/page", "/managers/page"):
        for lines in CONNECTIONS:
            headers = received_headers(await raw.get(path, session, *lines))
            assert provider.person("manager").user_id == headers["x-bodhiapp-user-id"], lines
            assert provider.person("manager").username == headers["x-bodhiapp-username"], lines
            assert "resource_manager" == headers["x-bodhiapp-role"], lines
            assert headers["x-bodhiapp-access-token"] in provider.issued_secrets, lines
            assert "cookie" not in headers


async def test_connection_header_does_not_bypass_the_login(raw, session, application):
    """What the proxy drops from its question makes bodhi refuse more, and nothing more pass."""
    foreign = ["Sec-Fetch-Site: cross-site", "Origin: http://evil.test"]
    for lines in [
        ["Connection: Cookie", f"Cookie: {session}"],  # or the session counts: nginx keeps what is listed
        ["Connection: X-Forwarded-Method, X-Original-Method", "X-Forwarded-Method: GET", *foreign],
        ["Connection: X-Forwarded-For", "X-Forwarded-For: 127.0.0.1", "X-BodhiApp-User-Id: mallory"],
        ["Connection: X-BodhiApp-Role", "X-BodhiApp-Role: resource_admin", "X-BodhiApp-User-Id: mallory"],
    ]:
        status, _, body = await raw.get("/page", *lines)
        assert "mallory" not in body
        if not any(line.startswith("Cookie:") for line in lines):
            assert status in {302, 401, 403}, lines
            assert [] == application.targets, lines
        application.targets.clear()


@pytest.mark.parametrize("gives_tokens", [True])
@pytest.mark.parametrize("additions", [EVERYTHING])
async def test_identity_cannot_be_forged(raw, session, provider):
    """In no spelling that an application may take for the header, alone or beside bodhi's."""
    for name in [
        "X-BodhiApp-User-Id",
        "x-bodhiapp-user-id",
        "X_BodhiApp_User_Id",
        "X-BodhiApp_User-Id",
        "x_bodhiapp-user_id",
        "X.BodhiApp.User.Id",
        "X-BODHIAPP-ROLE",
        "X_BODHIAPP_ROLE",
        "X-BodhiApp-Access-Token",
        "X_BodhiApp_Access-Token",
    ]:
        headers = received_headers(
            await raw.get("/page", f"Cookie: {session}", f"{name}: mallory", f"{name.lower()}: mallory")
        )
        assert {*IDENTITY, "x-bodhiapp-access-token"} == set(headers), name
        assert "mallory" not in headers.values(), name
        assert provider.person("user").user_id == headers["x-bodhiapp-user-id"]


@pytest.mark.parametrize("gives_tokens", [True])
async def test_identity_cannot_be_forged_by_malformed_header_lines(raw, session):
    """What is no header to one reader and is one to the next is refused, or does not arrive."""
    for line in [
        "X-BodhiApp-Role : mallory",
        "X-BodhiApp-Role\t: mallory",
        " X-BodhiApp-Role: mallory",
        "X-Other: 1\r\n X-BodhiApp-Role: mallory",
        "X-Other: 1\nX-BodhiApp-Role: mallory",
        "X-Other: 1\rX-BodhiApp-Role: mallory",
        "X-Other: 1\0\nX_BodhiApp_Role: mallory",
        "X-BodhiApp-Role\0: mallory",
    ]:
        status, _, body = await raw.get("/page", f"Cookie: {session}", line)
        assert status in {200, 400, 401}, line  # 401: it became a part of the cookie
        assert "mallory" not in body, (line, body)


async def test_path_rewriting_headers_are_ignored(raw, session, application):
    """Some frameworks would open that one."""
    for name in ("X-Original-URL", "X-Rewrite-URL", "X_Original_URL", "x-original_url", "X_REWRITE-URL"):
        assert 200 == (await raw.get("/page", f"Cookie: {session}", f"{name}: /managers/page"))[0]
        seen = {header.lower().replace("_", "-") for header in application.headers[-1]}
        assert name.lower().replace("_", "-") not in seen, name


TO_HTTP_2 = "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"
UPGRADES = [
    ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", TO_HTTP_2],
    ["Connection: upgrade", "upgrade: H2C", TO_HTTP_2],
    ["Connection: Upgrade", "Upgrade: websocket, h2c", TO_HTTP_2],
    ["Connection: Upgrade", "Upgrade: h2c,websocket", TO_HTTP_2],
    ["Connection: Upgrade", "Upgrade: h2c", "Upgrade: websocket", TO_HTTP_2],
    ["Connection: Upgrade", "Upgrade: websocket", "Upgrade: h2c", TO_HTTP_2],
    ["Connection: close", "Upgrade: h2c"],
]


@pytest.mark.parametrize("additions", [EVERYTHING])
async def test_upgrade_to_another_http_version_is_refused(raw, visitor, provider, proxy_name):
    """Requests that the proxy does not see would have whatever identity the client makes up."""
    to_others = [] if proxy_name == "traefik" else [["Connection: keep-alive, Upgrade, close", "Upgrade:\tTLS/1.2"]]
    await visitor.log_in(provider, "manager")
    session = f"Cookie: {NAME}={visitor.session_cookie}"
    for path in ("/page", "/managers/page"):
        for lines in [*UPGRADES, *to_others]:
            answer = await raw.get(path, session, *lines)
            assert received_headers(answer).get("upgrade", "websocket") == "websocket", lines


@pytest.mark.parametrize(
    "cookie",
    [
        f"{OTHER_NAME}=planted; Path=/; Secure; HttpOnly",
        f"{OTHER_NAME}=planted; path=/; SECURE; Max-Age=99999",
        f" {OTHER_NAME} = planted;Secure;Path=/",
        f"{NAME}=planted; Path=/",
        f"{NAME}=; Max-Age=0; Path=/",
    ],
)
@pytest.mark.parametrize("path", ["/answer", "/static/answer"])
@pytest.mark.parametrize("additions", [(STATIC_FILES,)])
async def test_the_application_does_not_set_the_session_cookie(visitor, session, proxy_name, cookie, path):
    """Its other cookies pass, but with Traefik. nginx makes browsers discard the name that https has."""
    answer = await visitor.get(path, params=[("Set-Cookie", "a=1; Path=/; Secure"), ("Set-Cookie", cookie)])

    assert 200 == answer.status
    got = [value for value in answer.headers.getall("Set-Cookie", []) if value]
    own = [] if proxy_name == "traefik" or path.startswith("/static") else ["a=1; Path=/; Secure"]
    if proxy_name == "nginx" and own:
        (planted,) = got[1:]
        assert OTHER_NAME not in planted or "secure" not in planted.lower()
        got = got[:1]
    assert own == got


@pytest.mark.parametrize("proxy", ["caddy", "traefik"], indirect=True)
@pytest.mark.parametrize("name", [NAME, OTHER_NAME])
async def test_application_cannot_set_the_session_cookie_through_a_nameless_one(visitor, session, name):
    """Some browsers send the value alone, which then reads as the session cookie."""
    answer = await visitor.get("/answer", params=[("Set-Cookie", f" = {name}=planted; Path=/; Secure")])

    assert 200 == answer.status
    assert not any(answer.headers.getall("Set-Cookie", []))


@pytest.mark.parametrize("gives_tokens", [True])
@pytest.mark.parametrize("additions", [EVERYTHING])
async def test_internal_redirect_headers_of_the_application_are_ignored(visitor, session):
    """By a header that a proxy would obey: bodhi's answer has the access token."""
    for path in ("/answer", "/static/answer"):
        for name in ("X-Accel-Redirect", "x-accel-redirect", "X-Sendfile", "X-Lighttpd-Send-File"):
            for target in ("/bodhi/v1/auth/verify", "/bodhi/v1/auth/verify?", "@login", "/managers/page"):
                answer = await visitor.get(path, params={name: target})
                assert (200, "from here") == (answer.status, await answer.text()), (path, name, target)
                assert not any("bodhiapp" in header.lower() for header in answer.headers), (path, name, target)
