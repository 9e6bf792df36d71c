"""The userinfo endpoint: JSON or a signed token, about the same subject."""

import pytest

from bodhi.oidc import ProviderLacks, ProviderRefused, ProviderUnavailable, TokenError
from oidc.scripted import Reply
from oidc.tokens import CLIENT_ID, NOW, signed

USERINFO = "/userinfo"


@pytest.fixture
def ask(provider, scripted):
    """Ask for the claims of the user ``u``."""
    scripted.describe(userinfo_endpoint=f"{scripted.issuer}{USERINFO}")

    async def ask(subject="u"):
        return await provider.userinfo.claims("the access token", subject=subject, client_id=CLIENT_ID)

    return ask


def jwt(token):
    """Return a reply that consists of a token."""
    return Reply(200, token.encode(), {"Content-Type": "application/jwt; charset=utf-8"})


async def test_claims_are_returned_as_sent(ask, scripted):
    """The access token goes into the header, and no other way."""
    scripted.reply(USERINFO, Reply(200, {"sub": "u", "groups": ["a"], "name": "Ann"}))

    assert {"sub": "u", "groups": ["a"], "name": "Ann"} == await ask()
    asked = scripted.requests[-1]
    assert ("GET", "Bearer the access token", {}) == (asked.method, asked.headers["Authorization"], asked.query)
    assert "application/jwt" in asked.headers["Accept"]


async def test_a_number_may_be_the_subject(ask, scripted):
    """As in tokens."""
    scripted.reply(USERINFO, Reply(200, {"sub": 17}))

    assert {"sub": 17} == await ask("17")


@pytest.mark.parametrize("sub", ["v", "U", "", None, ["u"], {"u": 1}])
async def test_claims_of_somebody_else_are_refused(ask, scripted, sub):
    """Core 5.3.2: they must not be used."""
    scripted.reply(USERINFO, Reply(200, {"sub": sub, "groups": ["admins"]}))

    with pytest.raises(TokenError):
        await ask()


async def test_a_response_without_a_subject_is_refused(ask, scripted):
    """It could be about anybody."""
    scripted.reply(USERINFO, Reply(200, {"groups": ["admins"]}))

    with pytest.raises(TokenError):
        await ask()


@pytest.mark.parametrize("further", [{}, {"aud": CLIENT_ID}, {"aud": [CLIENT_ID]}, {"exp": NOW - 60, "iat": NOW}])
async def test_a_signed_response_is_verified(ask, scripted, keys, further):
    """Issuer, audience and expiry are optional."""
    claims = {"sub": "u", "groups": ["a"], **further}
    scripted.reply(USERINFO, jwt(signed(claims, keys.rsa)))

    assert claims == await ask()


@pytest.mark.parametrize(
    "changes",
    [{"aud": "another"}, {"iss": "https://other.example.org"}, {"exp": NOW - 61}, {"sub": "v"}, {"sub": None}],
)
async def test_a_signed_response_for_somebody_else_is_refused(ask, scripted, keys, changes):
    """What it says of itself has to fit."""
    scripted.reply(USERINFO, jwt(signed({"sub": "u", **changes}, keys.rsa)))

    with pytest.raises(TokenError):
        await ask()


async def test_a_response_with_a_wrong_signature_is_refused(ask, scripted, keys):
    """As is an unsigned one, or no token at all."""
    for token in (signed({"sub": "u"}, keys.other_rsa, kid=keys.rsa.kid), "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1In0.", "{}"):
        scripted.reply(USERINFO, jwt(token))
        with pytest.raises(TokenError):
            await ask()


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(401, {"error": "invalid_token"}), ProviderRefused),
        (Reply(403), ProviderRefused),
        (Reply(200, b"<html>"), ProviderRefused),
        (Reply(200, b"[]"), ProviderRefused),
        (Reply(500), ProviderUnavailable),
        (Reply(429), ProviderUnavailable),
        (Reply(resets=True), ProviderUnavailable),
    ],
)
async def test_failures_are_those_of_other_calls(ask, scripted, reply, error):
    """An outage may pass; what is refused stays so."""
    scripted.reply(USERINFO, reply)

    with pytest.raises(error):
        await ask()


async def test_access_token_in_a_description_is_not_logged(ask, scripted, caplog):
    """Though it is not as long as those that are masked anywhere."""
    scripted.reply(USERINFO, Reply(401, {"error": "invalid_token", "error_description": "the access token is unknown"}))

    with pytest.raises(ProviderRefused):
        await ask()

    assert 'description="*** is unknown"' in caplog.text


async def test_a_provider_may_have_no_userinfo(provider):
    """Nothing is asked."""
    with pytest.raises(ProviderLacks):
        await provider.userinfo.claims("token", subject="u", client_id=CLIENT_ID)
    assert not await provider.userinfo.is_offered()
