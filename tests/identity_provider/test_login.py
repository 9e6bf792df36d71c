"""The authorization code flow, from the request to the tokens."""

import base64
import hashlib

from joserfc import jwt
from joserfc.jwk import KeySet

from support.provider import CALLBACK, VERIFIER, answer_in, authorization_url


async def redeem(provider, http, code, **changes):
    """The status and the JSON answer of the token endpoint."""
    form = {
        "grant_type": "authorization_code",
        "client_id": provider.client_id,
        "client_secret": provider.client_secret,
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
        **changes,
    }
    async with http.post(f"{provider.issuer}/protocol/openid-connect/token", data=form) as response:
        return response.status, await response.json()


async def test_a_login_gives_tokens_that_the_published_keys_verify(provider, http):
    """The access token has the claims that bodhi reads; the ID token belongs to it and to the request."""
    answer = answer_in(await provider.log_in_url(authorization_url(provider), "manager"))
    assert ("the-state", provider.issuer) == (answer["state"], answer["iss"])

    status, tokens = await redeem(provider, http, answer["code"])

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
        "at_hash": base64.urlsafe_b64encode(half).rstrip(b"=").decode(),
    }
    assert expected == {name: id_token[name] for name in expected}
