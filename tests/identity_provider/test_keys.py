"""Signing keys and signed tokens."""

import base64
import json

import pytest
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, RSAKey


@pytest.fixture
def published(provider, http):
    """Returns the published keys."""

    async def published():
        async with http.get(f"{provider.issuer}/protocol/openid-connect/certs") as response:
            return await response.json()

    return published


async def test_private_parts_of_keys_are_not_published(published):
    """Only what verifies."""
    [key] = (await published())["keys"]

    assert {"kty", "kid", "use", "alg", "n", "e"} == set(key)


async def test_after_a_rollover_old_tokens_are_still_good(provider, published):
    """Both keys are published, and the new one signs."""
    old = provider.issue_access_token()
    before = await published()
    provider.rotate_keys()
    new = provider.issue_access_token()

    keys = KeySet.import_key_set(await published())
    assert [2, 2] == [len(keys.keys), len([jwt.decode(token, keys, algorithms=["RS256"]) for token in (old, new)])]
    assert _header(new)["kid"] not in {key["kid"] for key in before["keys"]}


async def test_a_key_can_be_withdrawn(provider, published):
    """What it signed verifies no longer."""
    old = provider.issue_access_token()
    provider.rotate_keys(withdraw=True)

    keys = KeySet.import_key_set(await published())
    with pytest.raises(JoseError):
        jwt.decode(old, keys, algorithms=["RS256"])


async def test_any_header_and_any_payload_can_be_signed(provider):
    """For whoever tests what verifies them."""
    assert {"alg": "RS256", "typ": "at+jwt", "crit": ["x"]} == _header(
        provider.sign({}, {"typ": "at+jwt", "crit": ["x"], "kid": None})
    )
    assert provider.sign({"sub": "x"}, {"alg": "none"}).endswith(".")
    assert b"no JSON" == _part(provider.sign(b"no JSON"), 1)
    mine = RSAKey.generate_key(2048, {"kid": "mine"}, private=True)
    assert {"a": 1} == jwt.decode(provider.sign({"a": 1}, key=mine), mine, algorithms=["RS256"]).claims
    assert provider.sign({"a": 1}, {"alg": "HS256"}, key=b"secret") != provider.sign({"a": 1}, {"alg": "HS256"})


async def test_claims_of_a_token_can_be_changed_or_left_out(provider):
    """None leaves one out."""
    token = provider.issue_access_token("admin", expires_in=-10, jti=None, scope="a b", extra=1)

    claims = json.loads(_part(token, 1))
    assert (-10, "a b", 1) == (claims["exp"] - claims["iat"], claims["scope"], claims["extra"])
    assert "jti" not in claims


async def test_userinfo_returns_the_claims_of_the_token_s_user(provider, http):
    """And is 401 with a challenge for a token that is not good."""
    url = f"{provider.issuer}/protocol/openid-connect/userinfo"
    headers = {"Authorization": f"Bearer {provider.issue_access_token('admin')}"}

    async with http.get(url, headers=headers) as response:
        said = await response.json()
        assert (200, provider.person("admin").user_id, "admin") == (
            response.status,
            said["sub"],
            said["preferred_username"],
        )
    async with http.get(url) as response:
        assert (401, 'Bearer error="invalid_token"') == (response.status, response.headers["WWW-Authenticate"])


def _part(token, number):
    text = token.split(".")[number]
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _header(token):
    return json.loads(_part(token, 0))
