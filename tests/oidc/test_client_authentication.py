"""How bodhi says who it is at the token and revocation endpoints."""

import base64
import json
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_plus

import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from bodhi.oidc import ClientCredentials, ProviderRefused
from oidc.scripted import TOKEN, Reply

REVOKE = "/protocol/openid-connect/revoke"
OK = Reply(200, {"access_token": "t"})
INVALID_CLIENT = Reply(401, {"error": "invalid_client", "error_description": "unknown"})
BASIC, POST = "client_secret_basic", "client_secret_post"


def used(request):
    """Return the method of a received request."""
    if "Authorization" in request.headers:
        assert not {"client_secret", "client_assertion"} & set(request.form)
        return BASIC
    if "client_assertion" in request.form:
        assert "client_secret" not in request.form
        return "private_key_jwt"
    return POST if "client_secret" in request.form else "none"


def sent(scripted, path=TOKEN):
    """Return the methods of all requests for *path*, in order."""
    return [used(request) for request in scripted.requests if request.path == path]


@pytest.mark.parametrize(
    ("announced", "first"),
    [
        ([BASIC], BASIC),
        (["private_key_jwt", BASIC], BASIC),
        ([BASIC, POST], BASIC),
        ([POST, BASIC], BASIC),
        (None, BASIC),
        ([], BASIC),
        ("client_secret_post", BASIC),
        ([["x"], 5], BASIC),
        (["tls_client_auth"], BASIC),
        ([POST], POST),
        ([POST, "none"], POST),
    ],
)
async def test_first_method_is_basic_unless_only_post_is_announced(provider, scripted, client, announced, first):
    """Metadata without a list (Casdoor, Pocket ID) mean client_secret_basic (OpenID Connect Discovery 3)."""
    scripted.describe(token_endpoint_auth_methods_supported=announced)
    scripted.reply(TOKEN, OK)

    await provider.grants.service_token(client)

    assert [first] == sent(scripted)


@pytest.mark.parametrize(
    "refusal",
    [
        INVALID_CLIENT,
        Reply(400, {"error": "invalid_client"}),
        Reply(401, b"<html>Unauthorized</html>"),
        Reply(401, {"error": "unauthorized_client", "error_description": "Invalid client secret"}),
        Reply(400, {"error": "invalid_request", "error_description": "client_id is missing"}),
        Reply(200, {"error": "invalid_client"}),
    ],
    ids=lambda reply: f"{reply.status}-{str(reply.body)[:30]}",
)
@pytest.mark.parametrize(("announced", "second"), [([BASIC], POST), ([BASIC, POST], POST), ([POST], BASIC)])
async def test_refused_method_is_replaced_by_the_other_for_good(
    provider, scripted, client, caplog, refusal, announced, second
):
    """The client is registered for the one, the metadata list the other: one more attempt, once."""
    caplog.set_level(logging.INFO)
    scripted.describe(token_endpoint_auth_methods_supported=announced)
    scripted.reply(TOKEN, refusal, OK)

    tokens = await provider.grants.redeem_code(client, code="c", redirect_uri="http://b/", verifier="v")
    await provider.grants.refresh(client, "rt")
    await provider.grants.exchange(client, "subject", scope="openid")

    assert "t" == tokens.access_token
    assert [announced[0], second, second, second] == sent(scripted)
    assert f"client authentication found: {second}" in caplog.text
    assert ["c", "c"] == [request.form["code"] for request in scripted.requests if "code" in request.form]


async def test_registration_that_changes_is_followed(provider, scripted, client):
    """What was accepted once may be refused later, and back."""
    scripted.describe(token_endpoint_auth_methods_supported=[BASIC])
    scripted.reply(TOKEN, INVALID_CLIENT, OK, OK, INVALID_CLIENT, OK, OK)

    for _ in range(4):
        await provider.grants.service_token(client)

    assert [BASIC, POST, POST, POST, BASIC, BASIC] == sent(scripted)


@pytest.mark.parametrize("text", ["wrong secret {}", "'{}' is no password", "{}"])
async def test_secret_in_a_description_is_not_logged(provider, scripted, client, caplog, text):
    """Some providers repeat it, however it was sent."""
    description = text.format(client.client_secret)
    scripted.describe(token_endpoint_auth_methods_supported=[BASIC])
    scripted.reply(TOKEN, Reply(400, {"error": "invalid_grant", "error_description": description}))

    with pytest.raises(ProviderRefused):
        await provider.grants.refresh(client, "a refresh token")

    assert [BASIC] == sent(scripted)
    assert "description=" in caplog.text
    assert client.client_secret not in caplog.text


async def test_wrong_secret_is_refused_after_both_methods(provider, scripted, client, caplog):
    """The first answer counts, nothing is remembered, and the log names the settings."""
    scripted.describe(token_endpoint_auth_methods_supported=[BASIC])
    scripted.reply(TOKEN, INVALID_CLIENT, Reply(400, {"error": "invalid_client"}))

    with pytest.raises(ProviderRefused) as refusal:
        await provider.grants.service_token(client)

    assert (401, "invalid_client") == (refusal.value.status, refusal.value.error)
    assert [BASIC, POST] == sent(scripted)
    assert "BODHI_CLIENT_ID, BODHI_CLIENT_SECRET and BODHI_AUTH_CLIENT_AUTHENTICATION" in caplog.text
    assert client.client_secret not in caplog.text
    scripted.reply(TOKEN, OK)
    await provider.grants.service_token(client)
    assert BASIC == sent(scripted)[-1]


@pytest.mark.parametrize("second", [Reply(500), Reply(503, {"error": "temporarily_unavailable"})])
async def test_outage_at_the_second_attempt_proves_nothing(provider, scripted, client, second):
    """The next request starts with the usual one."""
    scripted.describe(token_endpoint_auth_methods_supported=[BASIC])
    scripted.reply(TOKEN, INVALID_CLIENT, second, OK)

    with pytest.raises(Exception, match=str(second.status)):
        await provider.grants.service_token(client)
    await provider.grants.service_token(client)

    assert [BASIC, POST, BASIC] == sent(scripted)


@pytest.mark.parametrize("error", ["invalid_grant", "invalid_scope", "unsupported_grant_type", "access_denied"])
async def test_refusal_of_the_grant_is_no_refusal_of_the_client(provider, scripted, client, error):
    """A code is not sent again for it."""
    scripted.reply(TOKEN, Reply(400, {"error": error}))

    with pytest.raises(ProviderRefused):
        await provider.grants.service_token(client)

    assert 1 == scripted.count(TOKEN)


@pytest.mark.parametrize(("configured", "method"), [("basic", BASIC), ("post", POST)])
@pytest.mark.parametrize("announced", [[BASIC], [POST], None])
async def test_configured_method_is_the_only_one(make_provider, scripted, client, configured, method, announced):
    """Whatever is announced, and without a second attempt."""
    scripted.describe(token_endpoint_auth_methods_supported=announced)
    scripted.reply(TOKEN, INVALID_CLIENT)

    with pytest.raises(ProviderRefused):
        await make_provider(client_authentication=configured).grants.service_token(client)

    assert [method] == sent(scripted)


@pytest.mark.parametrize(
    ("at_token", "at_revocation", "expected"),
    [
        ([BASIC], [POST], POST),
        ([POST], [BASIC], BASIC),
        ([POST], None, POST),
        (None, None, BASIC),
        ([POST], [], BASIC),
    ],
)
async def test_revocation_goes_by_its_own_list(provider, scripted, client, at_token, at_revocation, expected):
    """That of the token endpoint where it has none."""
    scripted.describe(
        token_endpoint_auth_methods_supported=at_token, revocation_endpoint_auth_methods_supported=at_revocation
    )
    scripted.reply(REVOKE, Reply(200, b""))

    await provider.grants.revoke(client, "rt")

    assert [expected] == sent(scripted, REVOKE)


async def test_revocation_has_a_second_attempt_of_its_own(provider, scripted, client):
    """Canaille: a client registered for client_secret_basic got 401 at logout."""
    scripted.describe(revocation_endpoint_auth_methods_supported=[POST])
    scripted.reply(REVOKE, INVALID_CLIENT, Reply(200, b""))
    scripted.reply(TOKEN, OK)

    await provider.grants.revoke(client, "rt")
    await provider.grants.revoke(client, "rt-2")
    await provider.grants.service_token(client)

    assert [POST, BASIC, BASIC] == sent(scripted, REVOKE)
    assert [POST] == sent(scripted)


@pytest.mark.parametrize("client_id", ["a:b c", "bodhi", "ümlaut"])
async def test_header_is_form_encoded(provider, scripted, client_id):
    """RFC 6749, 2.3.1: a colon, a space or an umlaut in id or secret survives."""
    scripted.describe(token_endpoint_auth_methods_supported=[BASIC])
    scripted.reply(TOKEN, OK)

    await provider.grants.service_token(ClientCredentials(client_id, "p:s %&+ä"))

    scheme, credentials = scripted.requests[-1].headers["Authorization"].split()
    halves = base64.b64decode(credentials).decode("ascii").split(":")
    assert "Basic" == scheme
    assert [client_id, "p:s %&+ä"] == [unquote_plus(half) for half in halves]


async def test_public_client_sends_no_secret(provider, scripted):
    """Its id is all it has."""
    for announced in ([BASIC], ["none"]):
        scripted.describe(token_endpoint_auth_methods_supported=announced)
        scripted.reply(TOKEN, OK)

        await provider.grants.service_token(ClientCredentials("bodhi", ""))

        assert "bodhi" == scripted.requests[-1].form["client_id"]
        assert "none" == used(scripted.requests[-1])


KEYS: dict[str, Callable[[], Any]] = {
    "RS256": lambda: RSAKey.generate_key(2048),
    "ES256": lambda: ECKey.generate_key("P-256"),
    "ES512": lambda: ECKey.generate_key("P-521"),
    "EdDSA": lambda: OKPKey.generate_key("Ed25519"),
    "PS256": lambda: RSAKey.generate_key(2048, {"alg": "PS256", "kid": "of the JWK"}),
}


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize("algorithm", KEYS)
@pytest.mark.parametrize("configured", ["auto", "private_key_jwt"])
async def test_client_signs_an_assertion(make_provider, scripted, clock, algorithm, configured):
    """OpenID Connect Core 9: for the token endpoint, once, for a minute, with the id of its key; no secret is sent."""
    key = KEYS[algorithm]()
    text = json.dumps(key.as_dict(private=True)) if algorithm == "PS256" else key.as_pem(private=True).decode()
    scripted.reply(TOKEN, OK)
    provider = make_provider(client_authentication=configured, client_key=text)

    for _ in range(2):
        await provider.grants.service_token(ClientCredentials("bodhi", ""))

    assert ["private_key_jwt"] * 2 == sent(scripted)
    forms = [request.form for request in scripted.requests if request.path == TOKEN]
    assert "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" == forms[0]["client_assertion_type"]
    tokens = [jwt.decode(form["client_assertion"], key, algorithms=[algorithm]) for form in forms]
    now = int(clock.now)
    for token in tokens:
        assert (algorithm, key.kid or key.thumbprint()) == (token.header["alg"], token.header["kid"])
        expected = {"iss": "bodhi", "sub": "bodhi", "aud": scripted.metadata["token_endpoint"], "iat": now}
        assert {**expected, "exp": now + 60, "jti": token.claims["jti"]} == token.claims
    assert tokens[0].claims["jti"] != tokens[1].claims["jti"]


async def test_refused_assertion_names_the_issuer_instead(make_provider, scripted):
    """Some providers take no other audience; at the revocation endpoint as at the token endpoint."""
    key = KEYS["ES256"]()
    scripted.reply(TOKEN, INVALID_CLIENT, OK)
    scripted.reply(REVOKE, Reply(200, b""))
    provider, client = make_provider(client_key=key.as_pem(private=True).decode()), ClientCredentials("bodhi", "")

    for _ in range(2):
        await provider.grants.service_token(client)
    await provider.grants.revoke(client, "rt")

    audiences = [
        json.loads(jws.extract_compact(request.form["client_assertion"].encode()).payload)["aud"]
        for request in scripted.requests
        if request.path in {TOKEN, REVOKE}
    ]
    endpoint = scripted.metadata["token_endpoint"]
    assert [endpoint, scripted.issuer, scripted.issuer, endpoint] == audiences
