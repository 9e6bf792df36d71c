"""Unusual shapes of the provider's answers, for clients that have to take them."""

import aiohttp
import pytest

from support.provider import answer_in, authorization_url


@pytest.fixture
def userinfo(provider, http):
    """Asks for userinfo with an access token; returns the status, the type and the text."""

    async def userinfo(token):
        url, headers = f"{provider.issuer}/protocol/openid-connect/userinfo", {"Authorization": f"Bearer {token}"}
        async with http.get(url, headers=headers) as response:
            is_json = response.content_type == "application/json"
            return response.status, response.content_type, await (response.json() if is_json else response.text())

    return userinfo


async def test_claims_are_where_the_shape_puts_them(provider, userinfo):
    """For each of the three by itself; None takes one away, and a function knows the person."""
    provider.shape.access_token_claims = {"preferred_username": None, "scope": ["openid"]}
    provider.shape.id_token_claims = lambda person: {"https://example.org/name": person.username, "email": None}
    provider.shape.userinfo_claims = {"groups": {"staff": {}}}
    tokens = provider.issue_tokens("user", nonce="n")

    access, named = (provider.realm.keys.read(tokens[name]) for name in ("access_token", "id_token"))
    assert (["openid"], False) == (access["scope"], "preferred_username" in access)
    assert ("user", False, "user") == (named["https://example.org/name"], "email" in named, named["preferred_username"])
    _, _, told = await userinfo(tokens["access_token"])
    assert ({"staff": {}}, "user@example.org") == (told["groups"], told["email"])


async def test_opaque_access_tokens_work_and_tell_nothing(provider, userinfo):
    """Another opaque text is refused."""
    provider.shape.opaque_access_tokens = True
    token = provider.issue_tokens("user")["access_token"]

    assert provider.realm.keys.read(token) is None
    assert "user" == (await userinfo(token))[2]["preferred_username"]
    assert 401 == (await userinfo(f"{token}x"))[0]
    assert token in provider.issued_secrets


async def test_tokens_can_be_left_out(provider, refresh):
    """No refresh token at a login; no ID token after a refresh."""
    provider.shape.id_token_after_refresh = False
    tokens = provider.issue_tokens("user")
    _, refreshed = await refresh(tokens["refresh_token"])
    provider.shape.refresh_tokens = False

    assert (True, False) == ("id_token" in tokens, "id_token" in refreshed)
    assert "refresh_token" not in provider.issue_tokens("user")
    assert "refresh_token" not in (await refresh(refreshed["refresh_token"]))[1]


async def test_userinfo_can_be_a_signed_token(provider, userinfo):
    """From the issuer, for the client."""
    provider.shape.userinfo_type = "jwt"
    status, kind, text = await userinfo(provider.issue_tokens("user")["access_token"])
    claims = provider.realm.keys.read(text)

    assert (200, "application/jwt") == (status, kind)
    assert (provider.issuer, provider.client_id, "user") == (claims["iss"], claims["aud"], claims["preferred_username"])


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_one_method_of_client_authentication_is_announced_and_accepted(provider, http, method):
    """The other one is refused as a wrong secret is."""
    provider.shape.client_authentication = (method,)
    form = {"grant_type": "client_credentials"}
    post = {"client_id": provider.client_id, "client_secret": provider.client_secret}
    basic = {"Authorization": aiohttp.encode_basic_auth(provider.client_id, provider.client_secret)}
    url = f"{provider.issuer}/protocol/openid-connect/token"
    statuses = {}
    async with http.post(url, data=form | post) as response:
        statuses["client_secret_post"] = response.status
    async with http.post(url, data=form, headers=basic) as response:
        statuses["client_secret_basic"] = response.status
    async with http.get(f"{provider.issuer}/.well-known/openid-configuration") as response:
        announced = (await response.json())["token_endpoint_auth_methods_supported"]

    assert [method] == announced
    assert [method] == [name for name, status in statuses.items() if status == 200]
    assert [401] == [status for name, status in statuses.items() if name != method]


async def test_logins_can_be_declined(provider, http):
    """With the code and the description of the shape, on the way back."""
    provider.shape.authorization_error = "interaction_required"
    provider.shape.authorization_error_description = "Consent is missing."
    async with http.get(authorization_url(provider), allow_redirects=False) as response:
        answer = answer_in(response.headers["Location"])

    assert (303, "interaction_required") == (response.status, answer["error"])
    assert "Consent is missing." == answer["error_description"]


async def test_keys_and_tokens_can_be_without_ids(provider, http):
    """The signature is that of a published key all the same."""
    provider.shape.key_ids = False
    token = provider.issue_access_token("user")
    async with http.get(f"{provider.issuer}/protocol/openid-connect/certs") as response:
        keys = (await response.json())["keys"]

    assert [None] == [key["kid"] for key in keys]
    assert "user" == provider.realm.keys.read(token)["preferred_username"]
