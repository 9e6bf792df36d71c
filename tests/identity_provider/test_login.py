"""The authorization code flow, from the request to the tokens."""

import base64
import hashlib

import aiohttp
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from bodhi.testing.identity_provider.grants import CODE_SECONDS
from support.provider import answer_in, authorization_url


async def test_a_login_gives_tokens_that_the_published_keys_verify(provider, http, redeem):
    """The access token has the claims that bodhi reads; the ID token belongs to it and to the request."""
    answer = answer_in(await provider.log_in_url(authorization_url(provider), "manager"))
    assert ("the-state", provider.issuer) == (answer["state"], answer["iss"])

    status, tokens = await redeem(answer["code"])

    assert (200, "Bearer", 300) == (status, tokens["token_type"], tokens["expires_in"])
    async with http.get(f"{provider.issuer}/protocol/openid-connect/certs") as response:
        keys = KeySet.import_key_set(await response.json())
    access = jwt.decode(tokens["access_token"], keys, algorithms=["RS256"]).claims
    expected = {
        "iss": provider.issuer,
        "sub": provider.person("manager").user_id,
        "typ": "Bearer",
        "azp": "bodhi",
        "aud": ["bodhi"],
        "scope": "openid email profile roles",
        "preferred_username": "manager",
        "given_name": "Max",
        "family_name": "Manager",
        "resource_access": {"bodhi": {"roles": ["resource_manager"]}},
        "sid": answer["session_state"],
    }
    assert expected == {name: access[name] for name in expected}
    assert (300, str) == (access["exp"] - access["iat"], type(access["jti"]))
    id_token = jwt.decode(tokens["id_token"], keys, algorithms=["RS256"]).claims
    half = hashlib.sha256(tokens["access_token"].encode()).digest()[:16]
    expected = {
        "iss": provider.issuer,
        "sub": access["sub"],
        "aud": "bodhi",
        "azp": "bodhi",
        "nonce": "the-nonce",
        "sid": access["sid"],
        "auth_time": access["iat"],
        "at_hash": base64.urlsafe_b64encode(half).rstrip(b"=").decode(),
    }
    assert expected == {name: id_token[name] for name in expected}


async def test_who_has_no_role_gets_a_token_without_one(provider, redeem):
    """The claim is missing rather than empty."""
    answer = answer_in(await provider.log_in_url(authorization_url(provider), "nobody"))

    _, tokens = await redeem(answer["code"])

    assert "resource_access" not in provider.realm.read_access_token(tokens["access_token"])


async def test_discovery_names_the_endpoints_of_the_issuer(provider, http):
    """Every URL in it starts with the issuer, which is told character by character."""
    async with http.get(f"{provider.issuer}/.well-known/openid-configuration") as response:
        said = await response.json()

    assert provider.issuer == said["issuer"]
    base = f"{provider.issuer}/protocol/openid-connect/"
    endpoints = {name: url for name, url in said.items() if name.endswith("_endpoint") or name == "jwks_uri"}
    assert {"auth", "token", "certs", "userinfo", "logout", "revoke"} == {
        url.removeprefix(base) for url in endpoints.values()
    }
    assert said["authorization_response_iss_parameter_supported"] is True


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "w" * 43},
        {"code_verifier": None},
        {"redirect_uri": "http://localhost:1135/elsewhere"},
        {"code": "another"},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_code_requires_the_verifier_and_redirect_uri_of_its_request(provider, redeem, changes):
    """PKCE verifier and redirect URI must be those of the request."""
    answer = answer_in(await provider.log_in_url(authorization_url(provider)))

    status, refused = await redeem(**({"code": answer["code"]} | changes))

    assert 400 == status
    assert refused["error"] in {"invalid_grant", "invalid_request"}


async def test_a_code_is_good_once(provider, redeem, refresh):
    """A second use is refused, and ends what the first one gave."""
    answer = answer_in(await provider.log_in_url(authorization_url(provider)))
    _, tokens = await redeem(answer["code"])

    assert (400, "invalid_grant") == await _error(redeem(answer["code"]))
    assert (400, "invalid_grant") == await _error(refresh(tokens["refresh_token"]))


async def test_a_wrong_verifier_uses_the_code_up(provider, redeem):
    """Nobody can try verifiers one after the other."""
    answer = answer_in(await provider.log_in_url(authorization_url(provider)))
    await redeem(answer["code"], code_verifier="w" * 43)

    assert (400, "invalid_grant") == await _error(redeem(answer["code"]))


async def test_a_code_is_good_for_a_minute(provider, redeem, clock):
    """One that comes later is refused."""
    answer = answer_in(await provider.log_in_url(authorization_url(provider)))
    clock.advance(CODE_SECONDS * 1000 + 1)

    assert (400, "invalid_grant") == await _error(redeem(answer["code"]))


async def test_a_client_has_to_show_its_secret(provider, redeem, http):
    """In the form or in the header; another secret, or none, is 401."""
    code = answer_in(await provider.log_in_url(authorization_url(provider)))["code"]

    assert (401, "invalid_client") == await _error(redeem(code, client_secret="wrong"))
    assert (401, "invalid_client") == await _error(redeem(code, client_secret=None))

    form = {"grant_type": "client_credentials"}
    url = f"{provider.issuer}/protocol/openid-connect/token"
    basic = aiohttp.encode_basic_auth(provider.client_id, provider.client_secret)
    async with http.post(url, data=form, headers={"Authorization": basic}) as response:
        assert 200 == response.status


async def test_a_public_client_needs_no_secret(provider, redeem):
    """Its code is bound to it by PKCE alone, and no other client can have it."""
    provider.add_client("app", redirect_uris=["http://localhost:9/back"])
    request = authorization_url(provider, client_id="app", redirect_uri="http://localhost:9/back")
    code = answer_in(await provider.log_in_url(request))["code"]

    assert (400, "invalid_grant") == await _error(redeem(code, redirect_uri="http://localhost:9/back"))
    status, tokens = await redeem(code, client_id="app", client_secret=None, redirect_uri="http://localhost:9/back")
    assert (200, ["app"]) == (status, provider.realm.read_access_token(tokens["access_token"])["aud"])


async def test_an_application_can_ask_for_tokens_for_bodhi(provider, redeem):
    """Bodhi's scope puts it into the audience; what the person did not consent to is left out."""
    provider.add_client("app", any_loopback=True)
    scope = "openid scope_bodhi scope_user_user scope_access_request:unknown else"
    code = answer_in(await provider.log_in_url(authorization_url(provider, client_id="app", scope=scope)))["code"]

    _, tokens = await redeem(code, client_id="app", client_secret=None)

    claims = provider.realm.read_access_token(tokens["access_token"])
    expected = {"aud": ["app", "bodhi"], "azp": "app", "scope": "openid scope_bodhi scope_user_user"}
    assert expected == {name: claims[name] for name in expected}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
    ],
)
async def test_invalid_request_is_reported_to_the_client(provider, changes, error):
    """The redirect has the error, the state and the issuer, and no code."""
    answer = answer_in(await provider.log_in_url(authorization_url(provider, **changes)))

    assert (error, "the-state", provider.issuer) == (answer["error"], answer["state"], answer["iss"])
    assert "code" not in answer


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "unknown"},
        {"client_id": None},
        {"redirect_uri": None},
        {"redirect_uri": "https://example.org/ui/auth/callback"},
        {"redirect_uri": "http://localhost.example.org/"},
        {"redirect_uri": "http://localhost:1135@example.org/"},
        {"redirect_uri": "http://localhost\\@example.org/"},
        {"redirect_uri": "http://localhost/#fragment"},
        {"redirect_uri": "javascript:alert(1)//localhost"},
        {"redirect_uri": "http://[::1"},
    ],
    ids=repr,
)
async def test_unregistered_redirect_uri_is_not_redirected_to(provider, http, changes):
    """The browser gets a page instead, whatever the error would have been."""
    async with http.get(authorization_url(provider, **changes), allow_redirects=False) as response:
        assert (400, "text/html", None) == (response.status, response.content_type, response.headers.get("Location"))


async def test_a_registered_redirect_uri_is_compared_as_a_whole(provider, http):
    """A longer one, or one with a query, is another one."""
    provider.add_client("app", redirect_uris=["https://app.example.org/back?x=1"])

    location = await provider.log_in_url(
        authorization_url(provider, client_id="app", redirect_uri="https://app.example.org/back?x=1")
    )
    assert location.startswith("https://app.example.org/back?x=1&state=the-state&")
    for other in ("https://app.example.org/back", "https://app.example.org/back?x=1&y", "https://app.example.org/"):
        url = authorization_url(provider, client_id="app", redirect_uri=other)
        async with http.get(url, allow_redirects=False) as response:
            assert 400 == response.status


async def test_a_parameter_twice_is_refused(provider, http):
    """RFC 6749 leaves no room for which one counts."""
    url = authorization_url(provider) + "&client_id=bodhi"
    async with http.get(url, allow_redirects=False) as response:
        assert 400 == response.status


async def _error(asking):
    status, body = await asking
    return status, body["error"]
