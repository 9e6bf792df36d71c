"""What ``bodhi doctor`` finds at the identity provider: each wrong setting, by name."""

import asyncio
import base64
import json
import socket
import ssl
import time
from contextlib import asynccontextmanager
from email.utils import formatdate
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from bodhi.testing import DevelopmentProvider
from oidc.scripted import DISCOVERY, KEYS, REALM, TOKEN, Reply, ScriptedProvider
from oidc.tokens import public
from support.certificates import write_certificate

AUTHORIZATION = "/protocol/openid-connect/auth"
CALLBACK = "https://app.example.org/ui/auth/callback"
PUBLIC_URL = "BODHI_PUBLIC_SCHEME, BODHI_PUBLIC_HOST, BODHI_PUBLIC_PORT"
METHOD = "BODHI_AUTH_CLIENT_AUTHENTICATION"
IN_THE_LOG = "if a user has no role, the log gives the reason"
PUBLIC = {"BODHI_PUBLIC_SCHEME": "https", "BODHI_PUBLIC_HOST": "app.example.org"}


@pytest.fixture(scope="module")
def key():
    """A signing key."""
    return RSAKey.generate_key(2048, {"kid": "k"})


@pytest.fixture
def examine(bodhi_command):
    """Runs doctor; returns the exit status and the findings about the provider: state, message and advice."""

    async def run(**environ):
        status, out, err = await asyncio.to_thread(bodhi_command, "doctor", "--json", **environ)
        assert "" == err
        found = [one for one in json.loads(out) if one["check"] == "identity provider"]
        assert all(one["message"].startswith("BODHI_") for one in found)
        return status, [(one["state"], one["message"], one["advice"] or "") for one in found]

    return run


@pytest.fixture
async def scripted(key):
    """A provider that accepts the client, its redirect URI and its scopes."""
    provider = ScriptedProvider()
    await provider.start()
    provider.describe(
        scopes_supported=["openid", "email", "profile"],
        id_token_signing_alg_values_supported=["RS256"],
        code_challenge_methods_supported=["S256"],
        token_endpoint_auth_methods_supported=["client_secret_basic"],
    )
    provider.publish(public(key))
    provider.reply(AUTHORIZATION, redirect(f"{CALLBACK}?error=login_required&state=x"))
    # Of the made-up code; then of the made-up secret, by both methods.
    provider.reply(TOKEN, Reply(400, {"error": "invalid_grant"}), Reply(401, {"error": "invalid_client"}))
    yield provider
    await provider.close()


@pytest.fixture
def environ(scripted):
    """The right settings."""
    return {
        **PUBLIC,
        "BODHI_AUTH_ISSUER": scripted.issuer,
        "BODHI_CLIENT_ID": "bodhi",
        "BODHI_CLIENT_SECRET": "hush-hush",
        "BODHI_AUTH_TIMEOUT": "60",
    }


def redirect(location):
    """Return a redirect."""
    return Reply(302, headers={"Location": location})


def bad(found):
    """Return the findings that are not ok."""
    return [one for one in found if one[0] != "ok"]


async def test_right_settings_have_no_fault(examine, environ, scripted):
    """Every check says what it looked at; nobody was logged in, and no secret is shown."""
    status, found = await examine(**environ)

    assert (0, []) == (status, bad(found))
    messages = [message for _, message, _ in found]
    assert [
        f"BODHI_AUTH_ISSUER: {scripted.issuer}{DISCOVERY} names the issuer {scripted.issuer}",
        "BODHI_AUTH_ISSUER: its clock and this machine's are 0 s apart",
        "BODHI_AUTH_SCOPES: a login requests openid email profile",
        f"BODHI_AUTH_ROLES_CLAIM: roles are read from the claim resource_access.bodhi.roles; {IN_THE_LOG}",
        "BODHI_AUTH_ISSUER: it has keys for RS256",
        "BODHI_CLIENT_ID, BODHI_CLIENT_SECRET: the provider accepts the client bodhi",
        f"{PUBLIC_URL}: the redirect URI {CALLBACK} is registered",
    ] == messages
    [request] = [request for request in scripted.requests if request.path == AUTHORIZATION]
    assert ("none", CALLBACK) == (request.query["prompt"], request.query["redirect_uri"])
    assert "hush-hush" not in str(found)


METADATA: dict[str, tuple[dict[str, Any], dict[str, str], tuple[str, str]]] = {
    "scope": (
        {"scopes_supported": ["openid", "groups"]},
        {"BODHI_AUTH_SCOPES": "openid roles groups"},
        ("warning", "BODHI_AUTH_SCOPES: the provider does not announce roles, but openid, groups"),
    ),
    "default scopes": (
        {"scopes_supported": ["openid"]},
        {},
        ("warning", "BODHI_AUTH_SCOPES: the provider does not announce email profile, but openid"),
    ),
    "algorithm": (
        {"id_token_signing_alg_values_supported": ["HS256", "HS512"]},
        {},
        ("fault", "BODHI_AUTH_ISSUER: the provider signs ID tokens with HS256, HS512 only, which is not accepted"),
    ),
    "key of another kind": (
        {"id_token_signing_alg_values_supported": ["ES256"]},
        {},
        ("fault", "/protocol/openid-connect/certs has no key for ES256"),
    ),
    "method": (
        {"token_endpoint_auth_methods_supported": ["private_key_jwt", "none"]},
        {},
        ("warning", "announces 'private_key_jwt', 'none', not 'client_secret_basic' or 'client_secret_post'"),
    ),
    "configured method": (
        {"token_endpoint_auth_methods_supported": ["client_secret_basic"]},
        {"BODHI_AUTH_CLIENT_AUTHENTICATION": "post"},
        (
            "warning",
            "BODHI_AUTH_CLIENT_AUTHENTICATION: the provider announces 'client_secret_basic', not 'client_secret_post'",
        ),
    ),
    "PKCE": (
        {"code_challenge_methods_supported": ["plain"]},
        {},
        ("warning", "BODHI_AUTH_ISSUER: the provider does not announce PKCE with S256, but plain"),
    ),
    "PAR": (
        {"require_pushed_authorization_requests": True},
        {},
        ("fault", "BODHI_AUTH_ISSUER: the provider requires pushed authorization requests (PAR)"),
    ),
    "response type": (
        {"response_types_supported": ["id_token"]},
        {},
        ("fault", "BODHI_AUTH_ISSUER: the provider has no code flow, but id_token"),
    ),
    "code grant": (
        {"grant_types_supported": ["implicit", "refresh_token"]},
        {},
        ("fault", "BODHI_AUTH_ISSUER: the provider has no grant authorization_code, but implicit, refresh_token"),
    ),
    "refresh grant": (
        {"grant_types_supported": ["authorization_code"]},
        {},
        (
            "warning",
            "BODHI_AUTH_ISSUER: the provider does not announce refresh tokens; if it gives none, a login ends with its",
        ),
    ),
    "logout": (
        {"end_session_endpoint": None},
        {"BODHI_AUTH_LOGOUT": "true"},
        ("warning", "BODHI_AUTH_LOGOUT: is true, but the provider announces no end_session_endpoint"),
    ),
    "userinfo": (
        {"userinfo_endpoint": None},
        {"BODHI_AUTH_USERINFO": "always"},
        ("warning", "BODHI_AUTH_USERINFO: is always, but the provider announces no userinfo_endpoint"),
    ),
    "slash": (
        {"issuer": "{issuer}/"},
        {},
        ("fault", "they differ by the slash at the end; set BODHI_AUTH_ISSUER={issuer}/"),
    ),
    "another issuer": (
        {"issuer": "https://other.example"},
        {},
        ("fault", "the metadata name the issuer https://other.example, but BODHI_AUTH_ISSUER is {issuer}"),
    ),
}


@pytest.mark.parametrize("name", METADATA)
async def test_settings_are_compared_with_the_metadata(examine, environ, scripted, name):
    """Each finding names what was found and what was expected."""
    changes, more, (state, expected) = METADATA[name]
    changes = {k: v.format(issuer=scripted.issuer) if isinstance(v, str) else v for k, v in changes.items()}
    scripted.describe(code_challenge_methods_supported=["S256"])
    scripted.describe(**changes)

    status, found = await examine(**environ, **more)

    expected = expected.format(issuer=scripted.issuer)
    assert [(state, True)] == [(one[0], expected in one[1]) for one in bad(found)], found
    assert (state == "fault") == bool(status)


NONE = {"token_endpoint_auth_methods_supported": ["none"]}
NONE_OF_BOTH = "the provider announces 'none', not 'client_secret_basic' or 'client_secret_post'"
NO_REFRESH = "BODHI_AUTH_ISSUER: the provider does not announce refresh tokens; if it gives none, a login "


@pytest.mark.parametrize(
    ("changes", "more", "expected"),
    [
        (NONE, {}, ("warning", f"{METHOD}: {NONE_OF_BOTH}", "auto tries both")),
        (
            NONE,
            {METHOD: "post"},
            ("warning", f"{METHOD}: the provider announces 'none', not 'client_secret_post'", "set it to auto"),
        ),
        (
            {"token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_basic"]},
            {METHOD: "post"},
            (
                "warning",
                f"{METHOD}: the provider announces 'private_key_jwt', 'client_secret_basic', not 'client_secret_post'",
                "set it to basic, as the client is registered",
            ),
        ),
        (
            {"token_endpoint_auth_methods_supported": ["private_key_jwt", "none"]},
            {},
            (
                "warning",
                f"{METHOD}: {NONE_OF_BOTH}".replace("announces", "announces 'private_key_jwt',"),
                "private_key_jwt needs BODHI_CLIENT_KEY",
            ),
        ),
        (
            {"grant_types_supported": ["authorization_code", "password"]},
            {},
            (
                "warning",
                f"{NO_REFRESH}ends with its access token (BODHI_AUTH_WITHOUT_REFRESH)",
                "set BODHI_AUTH_WITHOUT_REFRESH=keep",
            ),
        ),
        (
            {"grant_types_supported": ["authorization_code"]},
            {"BODHI_AUTH_WITHOUT_REFRESH": "keep"},
            ("ok", f"{NO_REFRESH}lives by its own timeouts (BODHI_AUTH_WITHOUT_REFRESH)", ""),
        ),
    ],
)
async def test_what_is_not_announced_may_still_work(examine, environ, scripted, changes, more, expected):
    """The finding says so, and what to do if it does not."""
    scripted.describe(**{"code_challenge_methods_supported": ["S256"], **changes})

    _, found = await examine(**environ, **more)

    state, message, advice = expected
    assert [(state, True)] == [(one[0], advice in one[2]) for one in found if one[1] == message], found
    assert state == "ok" or len(bad(found)) == 1


ROLES_CLAIM, GROUPS_CLAIM = "BODHI_AUTH_ROLES_CLAIM", "BODHI_AUTH_GROUPS_CLAIM"
CLAIMS = {"claims_supported": ["sub", "groups", "name", "https://example.org/roles"]}
GROUPS = {**CLAIMS, "scopes_supported": ["openid", "email", "profile", "groups"]}
OTHERS = "is not among the claims that the provider announces: sub, groups, name, https://example.org/roles"
ELSEWHERE = {"token_endpoint": "{issuer}/oauth/token"}
SCOPE = "the provider announces the scope {}, which a login does not request"


@pytest.mark.parametrize(
    ("changes", "more", "expected"),
    [
        (CLAIMS, {ROLES_CLAIM: "group"}, [f"{ROLES_CLAIM}: group {OTHERS}"]),
        (CLAIMS, {ROLES_CLAIM: "app.roles"}, [f"{ROLES_CLAIM}: app.roles {OTHERS}"]),
        (CLAIMS, {ROLES_CLAIM: "/app/roles"}, [f"{ROLES_CLAIM}: /app/roles {OTHERS}"]),
        (CLAIMS, {ROLES_CLAIM: "groups"}, []),
        (CLAIMS, {ROLES_CLAIM: "groups.of.this"}, []),
        (CLAIMS, {ROLES_CLAIM: "https://example.org/roles"}, []),
        ({}, {ROLES_CLAIM: "group"}, []),
        # The default is Keycloak's, which announces neither of its two claims.
        (CLAIMS, {}, []),
        (CLAIMS, {ROLES_CLAIM: "realm_access.roles"}, []),
        ({**CLAIMS, **ELSEWHERE}, {}, [f"{ROLES_CLAIM}: resource_access.bodhi.roles {OTHERS}"]),
        ({**CLAIMS, **ELSEWHERE}, {"BODHI_AUTH_DEFAULT_ROLE": "resource_user"}, []),
        # Scopes.
        (GROUPS, {ROLES_CLAIM: "groups"}, [f"{ROLES_CLAIM}: {SCOPE.format('groups')}"]),
        (GROUPS, {ROLES_CLAIM: "groups", "BODHI_AUTH_SCOPES": "openid groups"}, []),
        (
            {"scopes_supported": ["openid", "roles"]},
            {ROLES_CLAIM: "roles", "BODHI_AUTH_SCOPES": "openid"},
            [f"{ROLES_CLAIM}: {SCOPE.format('roles')}"],
        ),
        ({"scopes_supported": ["openid", "email", "profile", "roles"]}, {ROLES_CLAIM: "roles"}, []),
        # Groups and names, where they are set or needed.
        (GROUPS, {}, []),
        (GROUPS, {"BODHI_AUTH_ALLOW": "@example.org"}, []),
        (GROUPS, {"BODHI_AUTH_ALLOW": "group:staff"}, [f"{GROUPS_CLAIM}: {SCOPE.format('groups')}"]),
        (CLAIMS, {GROUPS_CLAIM: "teams"}, [f"{GROUPS_CLAIM}: teams {OTHERS}"]),
        (CLAIMS, {"BODHI_AUTH_NAME_CLAIM": "nick"}, [f"BODHI_AUTH_NAME_CLAIM: nick {OTHERS}"]),
        (CLAIMS, {"BODHI_AUTH_NAME_CLAIM": "name"}, []),
    ],
)
async def test_claims_are_compared_with_the_metadata(examine, environ, scripted, changes, more, expected):
    """A misspelt one, or one that no scope asks for, leaves everybody without a role."""
    changes = {k: v.format(issuer=scripted.issuer) if isinstance(v, str) else v for k, v in changes.items()}
    scripted.describe(**{"code_challenge_methods_supported": ["S256"], **changes})
    if token := changes.get("token_endpoint"):
        scripted.reply(token.removeprefix(scripted.issuer), token_endpoint(**OAUTH2_MOCK))

    status, found = await examine(**environ, **more)

    assert (0, expected) == (status, [message for _, message, _ in bad(found)])
    [told] = [message for state, message, _ in found if state == "ok" and message.startswith(ROLES_CLAIM)]
    claim = more.get(ROLES_CLAIM, "resource_access.bodhi.roles")
    assert told.startswith(f"{ROLES_CLAIM}: roles are read from the claim {claim}; ")


async def test_scope_to_request_is_told(examine, environ, scripted):
    """With those that are requested already."""
    scripted.describe(scopes_supported=["openid", "email", "profile", "groups"])

    _, found = await examine(**environ, BODHI_AUTH_ROLES_CLAIM="groups")

    [advice] = [advice for _, message, advice in bad(found) if message.startswith(ROLES_CLAIM)]
    assert "if logins lack the claim, set BODHI_AUTH_SCOPES=openid email profile groups" == advice


@pytest.mark.parametrize(
    ("more", "url"),
    [
        ({}, "https://app.example.org/ui/login"),
        ({"BODHI_AUTH_LOGGED_OUT_URL": "https://www.example.org/"}, "https://www.example.org/"),
        ({"BODHI_PUBLIC_PORT": "8443"}, "https://app.example.org:8443/ui/login"),
    ],
)
async def test_post_logout_redirect_uri_is_told(examine, environ, more, url):
    """It has to be registered as well, with a logout at the provider."""
    _, without = await examine(**environ)
    _, found = await examine(**environ, **more, BODHI_AUTH_LOGOUT="true")

    message = f"register {url} as post-logout redirect URI of the client; this cannot be checked from here"
    assert ("ok", f"BODHI_AUTH_LOGOUT: {message}", "") in found
    assert "BODHI_AUTH_LOGOUT" not in str(without)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply(404, b"Not Found"), "status 404"),
        (Reply(500), "status 500"),
        (Reply(403, b"<html>"), "status 403"),
        (redirect("https://login.example/x"), "status 302, a redirect to 'https://login.example/x'"),
        (Reply(301, headers={"Location": "/\u00e4"}), "status 301, a redirect to "),
        (Reply(200, b"<html>It works</html>", {"Content-Type": "text/html"}), "HTML in place of JSON"),
        (Reply(200, b"[]"), "no JSON object"),
        (Reply(200, {}), "the metadata name no issuer"),
    ],
)
async def test_answer_that_is_no_metadata_is_described(examine, environ, scripted, reply, expected):
    """With the setting and the address."""
    scripted.reply(DISCOVERY, reply)

    status, found = await examine(**environ)

    [(state, message, _)] = bad(found)
    assert (1, "fault") == (status, state)
    assert message.startswith(f"BODHI_AUTH_ISSUER: {scripted.issuer}{DISCOVERY}: {expected}")


async def test_metadata_url_is_the_setting_to_look_at(examine, environ, scripted):
    """Where it is set."""
    url = f"{scripted.issuer}/typo"

    _, found = await examine(**environ, BODHI_AUTH_METADATA_URL=url)

    assert f"BODHI_AUTH_METADATA_URL: {url}: status 404" == bad(found)[0][1]


@pytest.mark.parametrize("use", [{"use": "enc"}, {"key_ops": ["verify"]}, {"alg": "HS256"}], ids=str)
async def test_client_key_that_cannot_sign_is_named(examine, environ, key, use):
    """No server starts with it."""
    del environ["BODHI_CLIENT_SECRET"]
    text = json.dumps({**key.as_dict(private=True), **use})

    status, found = await examine(**environ, BODHI_CLIENT_KEY=text)

    expected = "BODHI_CLIENT_KEY (environment): it is not a private key that can sign"
    assert (1, True) == (status, bad(found)[-1][1].startswith(expected)), found


async def test_misspelt_realm_is_no_keycloak_without_metadata(examine, environ, scripted):
    """Keycloak's paths are used, and lead nowhere."""
    del environ["BODHI_AUTH_ISSUER"]
    base = scripted.issuer.removesuffix(REALM)

    status, found = await examine(**environ, BODHI_AUTH_URL=base, BODHI_AUTH_REALM="tpyo")

    setting = "BODHI_AUTH_URL and BODHI_AUTH_REALM"
    states = [(state, message.partition(": ")[0]) for state, message, _ in bad(found)]
    assert (1, [("warning", setting), ("fault", setting)]) == (status, states)
    assert "check the name of the realm" in bad(found)[0][2]


@asynccontextmanager
async def tls_server(tmp_path):
    """A server with a self-signed certificate; yields its port and its authority's file."""
    file = write_certificate(tmp_path / "certificate.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "localhost", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


async def test_unreachable_provider_is_described(examine, tmp_path, scripted):
    """By DNS, connection, OpenSSL's own words, and time; with what to do."""
    port = scripted.issuer.split(":")[2].partition("/")[0]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with tls_server(tmp_path) as tls_port:
            cases = {
                "http://login.invalid": ("its host name cannot be resolved", "resolve"),
                "http://127.0.0.1:1": ("connection refused", "that the provider runs"),
                f"https://localhost:{tls_port}": ("not trusted: self-signed certificate", "SSL_CERT_FILE"),
                f"https://127.0.0.1:{port}": ("TLS handshake failed: ", "scheme"),
                f"http://127.0.0.1:{silent.getsockname()[1]}": ("did not answer within 1 s", "BODHI_AUTH_TIMEOUT"),
            }
            for issuer, (cause, advice) in cases.items():
                status, found = await examine(BODHI_AUTH_ISSUER=issuer, BODHI_AUTH_TIMEOUT="1")

                [(state, message, told)] = found
                assert (1, "fault") == (status, state)
                assert message.startswith("BODHI_AUTH_ISSUER: the identity provider ")
                assert message.endswith(f" ({issuer}/.well-known/openid-configuration)")
                assert cause in message
                assert advice in told


@pytest.mark.parametrize(
    ("apart", "state"), [(0, "ok"), (-30, "warning"), (30, "warning"), (-3_600, "fault"), (300, "fault")]
)
async def test_clocks_are_compared(examine, environ, scripted, apart, state):
    """By the header Date: tokens are accepted a minute apart."""
    date = formatdate(time.time() + apart, usegmt=True)
    scripted.reply(DISCOVERY, Reply(200, scripted.metadata, {"Date": date}))

    _, found = await examine(**environ)

    [(found_state, message, _)] = [one for one in found if "clock" in one[1]]
    assert state == found_state, message
    assert message.startswith("BODHI_AUTH_ISSUER: its clock and this machine's are ")


CLIENT = {
    "wrong secret": (
        {TOKEN: Reply(401, {"error": "invalid_client"})},
        {},
        ["BODHI_CLIENT_SECRET: the provider knows the client bodhi, but refuses its secret or method (invalid_client)"],
    ),
    "wrong secret at an older Keycloak": (
        {TOKEN: Reply(401, {"error": "unauthorized_client"})},
        {},
        ["BODHI_CLIENT_SECRET: the provider knows the client bodhi, but refuses its secret or method (unauth"],
    ),
    "wrong client id": (
        {TOKEN: Reply(401, {"error": "invalid_client"}), AUTHORIZATION: Reply(400, b"<html>unknown client</html>")},
        {},
        ["BODHI_CLIENT_ID: the provider does not know the client bodhi (invalid_client; it refuses the authorization"],
    ),
    "wrong redirect URI": (
        {AUTHORIZATION: Reply(400, b"<html>invalid redirect_uri</html>")},
        {},
        [f"{PUBLIC_URL}: the provider refuses the authorization request with status 400"],
    ),
    "wrong method": (
        {TOKEN: Reply(401, {"error": "invalid_client"}), "then": Reply(400, {"error": "invalid_grant"})},
        {"BODHI_AUTH_CLIENT_AUTHENTICATION": "basic"},
        ["BODHI_AUTH_CLIENT_AUTHENTICATION: is basic, which the provider refuses for this client; the other works"],
    ),
    "refused scope": (
        {AUTHORIZATION: redirect(f"{CALLBACK}?error=invalid_scope")},
        {},
        ["BODHI_AUTH_SCOPES: the provider answers the authorization request with invalid_scope"],
    ),
    "flow not allowed": (
        {
            TOKEN: Reply(400, {"error": "unauthorized_client"}),
            AUTHORIZATION: redirect(f"{CALLBACK}?error=unauthorized_client"),
        },
        {},
        [
            "BODHI_CLIENT_ID, BODHI_CLIENT_SECRET, BODHI_AUTH_CLIENT_AUTHENTICATION: the provider answers a code grant",
            "BODHI_CLIENT_ID: the provider answers the authorization request with 'unauthorized_client'",
        ],
    ),
    "error page of the provider": (
        {AUTHORIZATION: redirect("https://login.example/error?error=invalid_redirect")},
        {},
        [f"{PUBLIC_URL}: the provider refuses the authorization request with 'invalid_redirect'"],
    ),
    "error page about the client id": (
        {AUTHORIZATION: redirect("/error?error=invalid_client"), TOKEN: Reply(400, {"error": "invalid_grant"})},
        {},
        [
            "BODHI_CLIENT_ID, BODHI_CLIENT_SECRET: the provider answers invalid_grant to any secret",
            "BODHI_CLIENT_ID: the provider refuses the authorization request with 'invalid_client'",
        ],
    ),
    "code looked at before the client": (
        {TOKEN: Reply(400, {"error": "invalid_grant"})},
        {},
        ["BODHI_CLIENT_ID, BODHI_CLIENT_SECRET: the provider answers invalid_grant to any secret: that of the client"],
    ),
    "made-up code accepted": (
        {TOKEN: Reply(200, {"access_token": "t"})},
        {},
        ["BODHI_CLIENT_ID: the provider accepts a made-up code of the client bodhi"],
    ),
    "nothing to see": (
        {AUTHORIZATION: redirect("/login?next=x")},
        {},
        [f"{PUBLIC_URL}: whether the redirect URI {CALLBACK} is registered cannot be checked from here"],
    ),
    "outage of the token endpoint": (
        {TOKEN: Reply(503)},
        {},
        ["BODHI_CLIENT_ID: the client could not be checked: the identity provider answered the code with status 503"],
    ),
}


@pytest.mark.parametrize("name", CLIENT)
async def test_client_is_checked_without_a_login(examine, environ, scripted, name):
    """A code grant with a made-up code, and an authorization request without a login page."""
    replies, more, expected = CLIENT[name]
    replies = dict(replies)
    if then := replies.pop("then", None):
        replies[TOKEN] = [replies[TOKEN], replies[TOKEN], then]
    for path, reply in replies.items():
        scripted.reply(path, *(reply if isinstance(reply, list) else [reply]))

    _, found = await examine(**environ, **more)

    messages = [message for _, message, _ in bad(found)]
    assert len(expected) == len(messages), found
    for start, message in zip(expected, messages, strict=True):
        assert message.startswith(start)
    assert "hush-hush" not in str(found)


RIGHT = {"client_id": "bodhi", "client_secret": "hush-hush"}


def token_endpoint(*, client, code, methods=("basic", "post"), otherwise=None):
    """Return a token endpoint: its answers to another client, to any code, and to a method that it does not take."""

    def answer(request):
        scheme, _, pair = request.headers.get("Authorization", "").partition(" ")
        method = "basic" if scheme == "Basic" else "post"
        own = dict(zip(RIGHT, base64.b64decode(pair).decode().split(":"), strict=True)) if pair else request.form
        if method not in methods:
            return otherwise or client
        return code if {name: own.get(name) for name in RIGHT} == RIGHT else client

    return answer


UNAUTHORIZED = Reply(403, {"error": "unauthorized_client"})
GLEWLWYD = {"client": UNAUTHORIZED, "code": Reply(403, {"error": "invalid_code"})}
REQUEST = Reply(400, {"error": "invalid_request"})
ACCEPTED = "BODHI_CLIENT_ID, BODHI_CLIENT_SECRET: the provider accepts the client bodhi"
WRONG_METHOD = "BODHI_AUTH_CLIENT_AUTHENTICATION: is {}, which the provider refuses for this client; the other works"
ANY_OF_THEM = (
    "BODHI_CLIENT_ID, BODHI_CLIENT_SECRET, BODHI_AUTH_CLIENT_AUTHENTICATION: the provider answers a code grant of the "
    "client {} with unauthorized_client: id, secret or method are wrong, or the client may not use the code flow"
)
NO_FLOW = "BODHI_CLIENT_ID: the provider answers a code grant of the client bodhi with unauthorized_client"
NOT_SEEN = (
    "BODHI_CLIENT_ID, BODHI_CLIENT_SECRET: the provider answers {} to any secret: "
    "that of the client bodhi cannot be checked"
)
SET_ALL = "set them as they are at the provider, and allow the authorization code flow for this client there"
ALLOW = "allow the authorization code flow for this client at the provider"
READ = "sign in once and read the log"
OAUTH2_MOCK = {"client": Reply(401, {"error": "invalid_client"}), "code": REQUEST}

ENDPOINTS: dict[str, tuple[dict[str, Any], dict[str, str], tuple[str, str, str]]] = {
    "Glewlwyd": (GLEWLWYD, {}, ("ok", ACCEPTED, "")),
    "Glewlwyd, by post alone": ({**GLEWLWYD, "methods": ["post"]}, {}, ("ok", ACCEPTED, "")),
    "Glewlwyd, wrong secret": (GLEWLWYD, {"BODHI_CLIENT_SECRET": "other"}, ("fault", ANY_OF_THEM, SET_ALL)),
    "Glewlwyd, wrong id": (GLEWLWYD, {"BODHI_CLIENT_ID": "other"}, ("fault", ANY_OF_THEM, SET_ALL)),
    "Glewlwyd, wrong method": (
        {**GLEWLWYD, "methods": ["post"]},
        {METHOD: "basic"},
        ("fault", WRONG_METHOD.format("basic"), "set it to auto"),
    ),
    "Glewlwyd, wrong method and secret": (
        {**GLEWLWYD, "methods": ["basic"]},
        {METHOD: "post", "BODHI_CLIENT_SECRET": "other"},
        ("fault", ANY_OF_THEM, SET_ALL),
    ),
    "older Keycloak, wrong secret": (
        {"client": Reply(400, {"error": "unauthorized_client"}), "code": Reply(400, {"error": "invalid_grant"})},
        {"BODHI_CLIENT_SECRET": "other"},
        ("fault", ANY_OF_THEM, SET_ALL),
    ),
    "flow not allowed": (
        {"client": Reply(401, {"error": "invalid_client"}), "code": Reply(400, {"error": "unauthorized_client"})},
        {},
        ("fault", NO_FLOW, ALLOW),
    ),
    "flow not allowed, with 401": (
        {"client": Reply(401, {"error": "invalid_client"}), "code": Reply(401, {"error": "unauthorized_client"})},
        {METHOD: "post"},
        ("fault", NO_FLOW, ALLOW),
    ),
    "code of its own": (OAUTH2_MOCK, {}, ("ok", ACCEPTED, "")),
    "code of its own, by a configured method": (OAUTH2_MOCK, {METHOD: "basic"}, ("ok", ACCEPTED, "")),
    "no code at all": ({"client": Reply(401), "code": Reply(400)}, {}, ("ok", ACCEPTED, "")),
    "unknown code with 401": (
        {"client": UNAUTHORIZED, "code": Reply(401, {"error": "code_not_found"})},
        {},
        ("ok", ACCEPTED, ""),
    ),
    "header not read": (
        {"client": UNAUTHORIZED, "code": Reply(400, {"error": "bad_code"}), "methods": ["post"], "otherwise": REQUEST},
        {METHOD: "basic"},
        ("fault", WRONG_METHOD.format("basic"), "set it to auto"),
    ),
    "one answer for all": (
        {"client": REQUEST, "code": REQUEST},
        {},
        ("warning", NOT_SEEN.format("invalid_request"), READ),
    ),
    "one answer for all, of its own": (
        {"client": Reply(400, {"error": "invalid_code"}), "code": Reply(400, {"error": "invalid_code"})},
        {METHOD: "post"},
        ("warning", NOT_SEEN.format("invalid_code"), READ),
    ),
}


@pytest.mark.parametrize("name", ENDPOINTS)
async def test_answer_to_a_made_up_secret_tells_what_a_code_means(examine, environ, scripted, name):
    """Providers have codes of their own for a made-up code, and one code for several faults."""
    endpoint, more, expected = ENDPOINTS[name]
    scripted.reply(TOKEN, token_endpoint(**endpoint))
    scripted.describe(token_endpoint_auth_methods_supported=["client_secret_basic", "client_secret_post"])

    status, found = await examine(**{**environ, **more})

    state, message, advice = expected
    expected = (state, message.format(more.get("BODHI_CLIENT_ID", "bodhi")), advice)
    about_client = [one for one in found if one[1].startswith(("BODHI_CLIENT_", "BODHI_AUTH_CLIENT_"))]
    assert [expected] == about_client
    assert (state == "fault") == bool(status)
    assert "hush-hush" not in str(found)


async def test_unknown_code_proves_nothing_about_a_key(examine, environ, scripted, key):
    """There is no made-up one to compare with."""
    del environ["BODHI_CLIENT_SECRET"]
    scripted.reply(TOKEN, Reply(400, {"error": "invalid_code"}))

    status, found = await examine(**environ, BODHI_CLIENT_KEY=key.as_pem(private=True).decode())

    message = "the provider answers a code grant of the client bodhi with invalid_code, which proves nothing"
    assert ("warning", f"BODHI_CLIENT_ID, BODHI_CLIENT_KEY: {message}", READ) in found
    assert 0 == status


@pytest.mark.parametrize(
    "answers",
    [
        [redirect("/login"), redirect("/login"), Reply(400), Reply(400)],  # it does not know prompt=none
        [Reply(400), redirect("/login"), Reply(400), Reply(400)],  # or refuses it
        [Reply(500), redirect("/login"), Reply(400), redirect("/login")],  # or fails; people log in first
        [Reply(200), Reply(200), redirect("/error"), redirect("/error")],
    ],
)
async def test_difference_to_an_unregistered_redirect_uri_is_a_proof(examine, environ, scripted, answers):
    """Asked without a login page, then as a login asks."""
    scripted.reply(AUTHORIZATION, *answers)

    status, found = await examine(**environ, BODHI_AUTH_PARAMETERS="prompt=consent")

    assert (0, []) == (status, bad(found))
    requests = [request.query for request in scripted.requests if request.path == AUTHORIZATION]
    assert ["none", "consent", "none", "consent"] == [query["prompt"] for query in requests]
    assert [True, True, False, False] == [query["redirect_uri"] == CALLBACK for query in requests]


async def test_refusal_before_the_login_page_is_told(examine, environ, scripted):
    """People log in first, whatever the redirect URI is."""
    scripted.reply(AUTHORIZATION, Reply(400), redirect("/login"), Reply(400), redirect("/login"))

    status, found = await examine(**environ)

    assert (1, f"{PUBLIC_URL}: the provider refuses the authorization request with status 400") == (
        status,
        bad(found)[0][1],
    )


async def test_error_of_the_provider_is_no_refusal_of_the_redirect_uri(examine, environ, scripted):
    """It says nothing about it."""
    scripted.reply(AUTHORIZATION, Reply(500))

    status, found = await examine(**environ)

    [(state, message, _)] = bad(found)
    assert (0, "warning") == (status, state)
    assert message.endswith("cannot be checked from here")


async def test_parameters_of_a_login_are_sent_as_well(examine, environ, scripted):
    """But for the prompt, which would show a page."""
    status, _ = await examine(**environ, BODHI_AUTH_PARAMETERS="prompt=consent&acr_values=gold")

    [request] = [request for request in scripted.requests if request.path == AUTHORIZATION]
    assert (0, "none", "gold") == (status, request.query["prompt"], request.query["acr_values"])


async def test_wrong_redirect_uri_is_told_with_what_to_register(examine, environ, scripted):
    """As the provider wants it."""
    scripted.reply(AUTHORIZATION, Reply(400))

    status, found = await examine(**environ)

    [(state, _, advice)] = bad(found)
    assert (1, "fault") == (status, state)
    assert f"register {CALLBACK} as a redirect URI of the client bodhi" == advice


async def test_server_without_a_client_is_told_so(examine, scripted):
    """It can be registered, or set."""
    status, found = await examine(BODHI_AUTH_ISSUER=scripted.issuer)

    assert ("warning", "BODHI_CLIENT_ID: is not set, and no client is registered") == bad(found)[-1][:2]
    assert 0 == status


async def test_keys_that_cannot_be_fetched_are_a_fault(examine, environ, scripted):
    """With their address."""
    scripted.reply(KEYS, Reply(404))

    _, found = await examine(**environ)

    [(state, message, _)] = bad(found)
    assert "fault" == state
    assert message.startswith(f"BODHI_AUTH_ISSUER: {scripted.metadata['jwks_uri']}: ")


async def test_proxy_is_used_and_named(examine, environ):
    """As by the server."""
    _, found = await examine(**environ, HTTP_PROXY="http://127.0.0.1:1", NO_PROXY="")

    [(_, message, advice)] = found
    assert "the proxy of HTTP_PROXY or HTTPS_PROXY: connection refused" in message
    assert "NO_PROXY" in advice


@pytest.mark.parametrize(
    ("wrong", "setting"),
    [
        ({}, None),
        ({"BODHI_CLIENT_SECRET": "wrong"}, "BODHI_CLIENT_SECRET"),
        ({"BODHI_CLIENT_ID": "somebody-else"}, "BODHI_CLIENT_ID"),
        (PUBLIC, PUBLIC_URL),
    ],
)
async def test_development_provider_shows_what_is_wrong(examine, wrong, setting):
    """A provider that is none of a script's."""
    async with DevelopmentProvider() as provider:
        right = {"BODHI_CLIENT_ID": provider.client_id, "BODHI_CLIENT_SECRET": provider.client_secret}
        status, found = await examine(BODHI_AUTH_ISSUER=provider.issuer, **{**right, **wrong})

    assert (setting is not None) == bool(status)
    assert ([] if setting is None else [setting]) == [message.partition(": ")[0] for _, message, _ in bad(found)]


async def test_authority_of_ssl_cert_file_is_trusted(bodhi_process, tmp_path):
    """That of the provider, which is not among the system's."""
    async with tls_server(tmp_path) as port:
        issuer = {"BODHI_AUTH_ISSUER": f"https://localhost:{port}", "BODHI_AUTH_TIMEOUT": "60"}
        told = []
        for more in ({}, {"SSL_CERT_FILE": str(tmp_path / "certificate.pem")}):
            _, out, _ = await asyncio.to_thread(bodhi_process, "doctor", "--json", **issuer, **more)
            told.append(next(one["message"] for one in json.loads(out) if one["check"] == "identity provider"))

    assert "its certificate is not trusted: self-signed certificate" in told[0]
    assert told[1].endswith("/.well-known/openid-configuration: status 404")
