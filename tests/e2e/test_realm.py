"""The realm behaves as the other tests require."""

import asyncio
import base64
import json

import pytest
from aiohttp import web

from e2e.running import Realm
from e2e.visitor import SCOPE, Client, Visitor

BODHI = "http://localhost:1/ui/auth/callback"
APP = "http://localhost:2/callback"


@pytest.fixture(scope="module")
def realm(tmp_path_factory):
    """One realm for all tests; each has separate clients and cookies."""
    with Realm(tmp_path_factory.mktemp("realm")) as realm:
        yield realm


@pytest.fixture
async def visitor(realm):
    """A user without a session at the realm."""
    async with Visitor(realm.issuer) as visitor:
        yield visitor


@pytest.fixture
def bodhi(realm):
    """A resource server."""
    return Client(realm.issuer, redirect_uri=BODHI, **without_scope(realm.new_resource([BODHI])))


@pytest.fixture
def app(realm):
    """An external application."""
    return Client(realm.issuer, redirect_uri=APP, **realm.new_app([APP], name="Notes"))


def without_scope(registered):
    """Return a client from a registration response."""
    return {name: registered[name] for name in ("client_id", "client_secret")}


def audience_scope(client):
    """Return the scope that adds a client to the audience of an application's token."""
    return f"openid profile scope_resource_{client.client_id}"


def with_claims(token, **claims):
    """Return *token* with other claims and its old signature."""
    header, payload, signature = token.split(".")
    changed = {**json.loads(base64.urlsafe_b64decode(payload + "==")), **claims}
    return f"{header}.{base64.urlsafe_b64encode(json.dumps(changed).encode()).decode().rstrip('=')}.{signature}"


async def test_discovery_has_keycloak_s_paths(realm, visitor):
    """Bodhi may find them by discovery, or know them."""
    status, text = await visitor.get(f"{realm.issuer}/.well-known/openid-configuration")
    found = json.loads(text)

    assert (200, realm.issuer) == (status, found["issuer"])
    names = {
        "authorization_endpoint": "auth",
        "token_endpoint": "token",
        "jwks_uri": "certs",
        "userinfo_endpoint": "userinfo",
        "end_session_endpoint": "logout",
        "revocation_endpoint": "revoke",
    }
    expected = {name: f"{realm.issuer}/protocol/openid-connect/{path}" for name, path in names.items()}
    assert expected == {name: found[name] for name in names}
    assert ["S256"] == found["code_challenge_methods_supported"]
    assert found["authorization_response_iss_parameter_supported"]


async def test_login_issues_tokens_that_identify_the_user(realm, visitor, bodhi):
    """The access token is a JWT with roles, as Keycloak's are."""
    tokens = await visitor.log_in(bodhi, "manager")

    claims = await visitor.claims(tokens["access_token"])
    expected = {
        "iss": realm.issuer,
        "azp": bodhi.client_id,
        "aud": [bodhi.client_id, "account"],
        "sub": realm.id_of("manager"),
        "typ": "Bearer",
        "scope": SCOPE,
        "preferred_username": "manager",
        "given_name": "Grace",
        "family_name": "Hopper",
        "resource_access": {
            bodhi.client_id: {"roles": ["resource_user", "resource_power_user", "resource_manager"]},
        },
    }
    assert expected == {name: claims[name] for name in expected}
    assert {"jti", "sid", "iat", "exp"} < claims.keys()
    assert 300 == claims["exp"] - claims["iat"]

    named = await visitor.claims(tokens["id_token"])
    assert (bodhi.client_id, "nonce-1", claims["sid"]) == (named["aud"], named["nonce"], named["sid"])


async def test_user_without_a_role_gets_a_token_without_roles(visitor, bodhi):
    """The list is absent rather than empty."""
    claims = await visitor.claims((await visitor.log_in(bodhi, "nobody"))["access_token"])

    assert "resource_access" not in claims


async def test_the_realm_answers_with_state_and_issuer(realm, visitor, bodhi):
    """RFC 9207."""
    answer = await visitor.authorize(bodhi, "user", state="a b&c")

    assert ("a b&c", realm.issuer) == (answer["state"], answer["iss"])


async def test_the_realm_refuses_unknown_users(visitor, bodhi):
    """The form comes back with a reason."""
    answer = await visitor.authorize(bodhi, "mallory")

    assert "400" == answer["error"]
    assert "There is no such user." in answer["page"]


async def test_the_realm_requires_pkce(visitor, bodhi):
    """Without a challenge, with a plain one, and with a wrong verifier."""
    missing = await visitor.authorize(bodhi, code_challenge="", code_challenge_method="")
    plain = await visitor.authorize(bodhi, code_challenge_method="plain")
    code = (await visitor.authorize(bodhi, "user"))["code"]
    wrong, _ = await visitor.token(bodhi.code(code, code_verifier="x" * 43))

    assert ["invalid_request", "invalid_request", 400] == [missing["error"], plain["error"], wrong]


async def test_a_code_works_once(visitor, bodhi):
    """And its second use ends what the first one gave."""
    code = (await visitor.authorize(bodhi, "user"))["code"]
    _, tokens = await visitor.token(bodhi.code(code))

    assert 400 == (await visitor.token(bodhi.code(code)))[0]
    assert 400 == (await visitor.token(bodhi.refresh(tokens["refresh_token"])))[0]


async def test_second_login_uses_single_sign_on(visitor, bodhi, app):
    """The realm has a session of its own."""
    await visitor.log_in(bodhi, "user")

    assert "code" in await visitor.authorize(app)


async def test_refresh_tokens_rotate(realm, visitor, bodhi):
    """Each is used once; the one that was used ends the whole family."""
    before = realm.granted("refresh_token"), realm.refused("refresh_token")
    first = await visitor.log_in(bodhi, "user")
    _, second = await visitor.token(bodhi.refresh(first["refresh_token"]))
    _, third = await visitor.token(bodhi.refresh(second["refresh_token"]))

    replayed = await visitor.token(bodhi.refresh(second["refresh_token"]))
    assert (400, "invalid_grant") == (replayed[0], replayed[1]["error"])
    newest = await visitor.token(bodhi.refresh(third["refresh_token"]))
    assert (400, "invalid_grant") == (newest[0], newest[1]["error"])
    after = realm.granted("refresh_token"), realm.refused("refresh_token")
    assert (2, 2) == (after[0] - before[0], after[1] - before[1])


async def test_access_token_lifetime_can_be_changed(realm, visitor, bodhi):
    """What is issued later has another one."""
    tokens = await visitor.log_in(bodhi, "user")
    realm.set_access_token_seconds(2)
    _, tokens = await visitor.token(bodhi.refresh(tokens["refresh_token"]))
    realm.set_access_token_seconds(300)

    claims = await visitor.claims(tokens["access_token"])
    assert 2 == claims["exp"] - claims["iat"] == tokens["expires_in"]


async def test_an_application_gets_a_token_for_bodhi(visitor, bodhi, app):
    """Its audience follows from a scope; the application stands in `azp`."""
    scope = f"{audience_scope(bodhi)} scope_user_user"
    claims = await visitor.claims((await visitor.log_in(app, "user", scope=scope))["access_token"])

    assert ([bodhi.client_id, "account"], app.client_id) == (claims["aud"], claims["azp"])
    assert {"scope_user_user", "openid", "profile", f"scope_resource_{bodhi.client_id}"} == {*claims["scope"].split()}


async def test_scope_above_the_user_s_role_is_not_granted(visitor, bodhi, app):
    """A scope above the person's role is left out."""
    scope = f"{audience_scope(bodhi)} scope_user_user scope_user_manager"
    claims = await visitor.claims((await visitor.log_in(app, "user", scope=scope))["access_token"])

    assert "scope_user_manager" not in claims["scope"].split()


async def test_only_the_audience_can_exchange_a_token(visitor, bodhi, app):
    """The result is the resource server's own; scopes of the person are kept, others are not added."""
    presented = await visitor.log_in(app, "user", scope=f"{audience_scope(bodhi)} scope_user_user")
    asked = f"{SCOPE} scope_user_user scope_user_admin"
    status, exchanged = await visitor.token(bodhi.exchange(presented["access_token"], asked))

    assert 200 == status, exchanged
    claims = await visitor.claims(exchanged["access_token"])
    assert (bodhi.client_id, [bodhi.client_id, "account"]) == (claims["azp"], claims["aud"])
    assert f"{SCOPE} scope_user_user" == claims["scope"]
    assert "access_request_id" not in claims


async def test_an_exchange_checks_the_token(visitor, bodhi, app, realm):
    """One that is for somebody else, was changed, is an ID token or is nothing of the kind."""
    other = await visitor.log_in(app, "user")
    meant = await visitor.log_in(app, scope=audience_scope(bodhi))
    forged = with_claims(meant["access_token"], sub=realm.id_of("admin"))

    for token in (other["access_token"], forged, meant["id_token"], "nothing"):
        status, answer = await visitor.token(bodhi.exchange(token, SCOPE))
        assert (400, "invalid_grant") == (status, answer["error"])


async def test_exchanged_token_has_the_scope_of_the_consent(visitor, bodhi, app):
    """The person consents with their token; the application's then carries the scope, and the exchanged one the id."""
    mine = await visitor.log_in(bodhi, "user")
    body = {"app_client_id": app.client_id, "access_request_id": "request-1", "description": "Notes"}
    status, consent = await visitor.call("POST", "users/request-access", mine["access_token"], body)
    expected = {
        "scope": f"scope_resource_{bodhi.client_id}",
        "access_request_id": "request-1",
        "access_request_scope": "scope_access_request:request-1",
    }
    assert (200, expected) == (status, consent)

    scope = f"openid {consent['scope']} {consent['access_request_scope']}"
    presented = await visitor.log_in(app, scope=scope)
    _, exchanged = await visitor.token(
        bodhi.exchange(presented["access_token"], f"{SCOPE} {consent['access_request_scope']}")
    )
    assert "request-1" == (await visitor.claims(exchanged["access_token"]))["access_request_id"]


async def test_consent_applies_to_its_user_only(realm, visitor, bodhi, app):
    """Neither another person nor another application gets its scope, and nobody takes its id."""
    mine = await visitor.log_in(bodhi, "user")
    body = {"app_client_id": app.client_id, "access_request_id": "request-1", "description": "Notes"}
    await visitor.call("POST", "users/request-access", mine["access_token"], body)

    other_app = Client(realm.issuer, redirect_uri=APP, **realm.new_app([APP], name="Other"))
    scope = f"{audience_scope(bodhi)} scope_access_request:request-1"
    claims = await visitor.claims((await visitor.log_in(other_app, scope=scope))["access_token"])
    assert "scope_access_request" not in claims["scope"]

    async with Visitor(realm.issuer) as other:
        claims = await other.claims((await other.log_in(app, "power", scope=scope))["access_token"])
        assert "scope_access_request" not in claims["scope"]
        theirs = await other.log_in(bodhi)
        assert 409 == (await other.call("POST", "users/request-access", theirs["access_token"], body))[0]


async def test_the_service_account_manages_itself(realm, visitor, bodhi, app):
    """Only a client's own token makes the first administrator and admits applications; people's tokens do not."""
    registered = {"name": "another bodhi", "description": "", "redirect_uris": [BODHI]}
    status, client = await visitor.call("POST", "resources", body=registered)
    assert 201 == status
    fresh = Client(realm.issuer, redirect_uri=BODHI, **without_scope(client))
    form = {"grant_type": "client_credentials", "scope": "service_account", **fresh.credentials}
    status, service = await visitor.token(form)
    assert 200 == status, service

    first = {"user_id": realm.id_of("user")}
    person = await visitor.log_in(bodhi, "admin")
    path = "resources/make-resource-admin"
    assert 403 == (await visitor.call("POST", path, person["access_token"], first))[0]
    assert 200 == (await visitor.call("POST", path, service["access_token"], first))[0]
    assert 409 == (await visitor.call("POST", path, service["access_token"], {"user_id": realm.id_of("power")}))[0]
    assert "resource_admin" == realm.roles(fresh.client_id)["user"]

    asked = {"app_client_id": app.client_id}
    answer = await visitor.call("POST", "resources/apps/request-access", service["access_token"], asked)
    assert (200, {"scope": f"scope_resource_{fresh.client_id}"}) == answer


async def test_only_managers_manage_users(realm, visitor, bodhi):
    """With the token of somebody who may, and never above their own role."""
    manager = (await visitor.log_in(bodhi, "manager"))["access_token"]
    status, users = await visitor.call("GET", "resources/users?page=1&page_size=3", manager)
    assert (200, 4, 2, True, False) == (
        status,
        users["total_users"],
        users["total_pages"],
        users["has_next"],
        users["has_previous"],
    )
    assert ["admin", "manager", "power"] == [user["username"] for user in users["users"]]

    nobody = realm.id_of("nobody")
    granted = {"user_id": nobody, "role": "resource_user"}
    assert 200 == (await visitor.call("POST", "resources/assign-role", manager, granted))[0]
    assert "resource_user" == realm.roles(bodhi.client_id)["nobody"]
    above = {"user_id": nobody, "role": "resource_admin"}
    assert 403 == (await visitor.call("POST", "resources/assign-role", manager, above))[0]
    assert 200 == (await visitor.call("POST", "resources/remove-user", manager, {"user_id": nobody}))[0]
    assert realm.roles(bodhi.client_id)["nobody"] is None

    async with Visitor(realm.issuer) as other:
        user = (await other.log_in(bodhi, "user"))["access_token"]
        assert 403 == (await other.call("GET", "resources/users", user))[0]
    assert 401 == (await visitor.call("GET", "resources/users"))[0]


async def test_an_application_has_a_name(visitor, bodhi, app):
    """Which the page that asks for consent shows."""
    token = (await visitor.log_in(bodhi, "user"))["access_token"]

    assert (200, "Notes") == (
        (answer := await visitor.call("GET", f"users/apps/{app.client_id}/info", token))[0],
        answer[1]["name"],
    )
    assert 404 == (await visitor.call("GET", "users/apps/unknown/info", token))[0]


@pytest.fixture
async def logout_receiver(realm):
    """A resource server that receives logouts: the client, and the received logout tokens."""
    tokens = []

    async def listen(request):
        tokens.append((await request.post())["logout_token"])
        return web.Response()

    server = web.Application()
    server.add_routes([web.post("/bodhi/v1/auth/backchannel-logout", listen)])
    runner = web.AppRunner(server)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    redirect_uri = f"http://127.0.0.1:{runner.addresses[0][1]}/ui/auth/callback"
    client = Client(realm.issuer, redirect_uri=redirect_uri, **without_scope(realm.new_resource([redirect_uri])))
    yield client, tokens
    await runner.cleanup()


async def test_logout_ends_the_session_and_notifies_the_client(realm, visitor, logout_receiver):
    """RP-initiated logout: back where the client wants, and asked again at the next login."""
    client, logout_tokens = logout_receiver
    before = realm.sessions_of("user")
    tokens = await visitor.log_in(client, "user")
    return_to = client.redirect_uri.replace("/ui/auth/callback", "/ui/login")

    assert (303, return_to) == await visitor.log_out(tokens["id_token"], return_to)
    assert before == realm.sessions_of("user")
    assert {"client_id": client.client_id, "error": None} in realm.told
    claims = await visitor.claims(logout_tokens[0])
    signed_in = await visitor.claims(tokens["id_token"])
    assert [(client.client_id, signed_in["sub"], signed_in["sid"])] == [(claims["aud"], claims["sub"], claims["sid"])]
    assert {"http://schemas.openid.net/event/backchannel-logout": {}} == claims["events"]
    with pytest.raises(AssertionError, match="asks who it is"):
        await visitor.authorize(client)


async def test_realm_ends_sessions_by_backchannel_logout(realm, visitor, logout_receiver):
    """The client is told; its refresh token is worth nothing any more."""
    client, logout_tokens = logout_receiver
    tokens = await visitor.log_in(client, "user")

    ended = await asyncio.to_thread(realm.end_sessions, "user")

    assert {"client_id": client.client_id, "error": None} in ended
    assert 1 == len(logout_tokens)
    assert 0 == realm.sessions_of("user")
    assert 400 == (await visitor.token(client.refresh(tokens["refresh_token"])))[0]
