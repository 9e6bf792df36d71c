import pytest

from bodhi.oidc import LogoutToken, ProviderUnavailable
from bodhi.oidc.errors import TokenError
from bodhi.oidc.verify import LONGEST_LOGOUT_SECONDS
from oidc.scripted import KEYS, Reply
from oidc.tokens import CLIENT_ID, LOGOUT, NOW, access_claims, encoded, id_claims, logout_claims, signed

BAD_CLAIMS = [
    *({"iss": value} for value in ("http://evil.example", None, 5)),
    *({"aud": value} for value in ("other", [], None, 5, {CLIENT_ID: 1})),
    *({"iat": value} for value in (None, NOW + 61, "1800000000", True)),
    *({"exp": value} for value in (NOW - 61, 0, "1800000300", [])),
    {"iat": NOW - LONGEST_LOGOUT_SECONDS - 61, "exp": NOW + 86_400},
    {"iat": NOW - LONGEST_LOGOUT_SECONDS - 61, "exp": None},
    *({"jti": value} for value in (None, "", [], "a\0b", True)),
    *({"sub": value} for value in (5, "", [])),
    *({"sid": value} for value in ("", [], True)),
    {"sub": None, "sid": None},
    *({"nonce": value} for value in ("n", "", 5, False)),
    *(
        {"events": value}
        for value in (None, {}, [], LOGOUT, [LOGOUT], {"http://other": {}}, {LOGOUT: 5}, {LOGOUT: []}, {LOGOUT: True})
    ),
    *({"typ": value} for value in ("ID", "Bearer", "Refresh", 5)),
]


async def assert_rejected(provider, token):
    """Assert that the logout token is rejected."""
    with pytest.raises(TokenError):
        await provider.verifier.logout_token(token, client_id=CLIENT_ID)


async def test_valid_logout_token_returns_subject_and_sid(provider, scripted, keys):
    """The person, the provider's session, and what has to be remembered until when."""
    found = await provider.verifier.logout_token(signed(logout_claims(scripted.issuer), keys.rsa), client_id=CLIENT_ID)

    assert LogoutToken("6ac3a51c", "session-at-provider", "logout-1", NOW + 120) == found


@pytest.mark.parametrize(
    ("changes", "expires_at"),
    [
        ({"sub": None}, NOW + 120),
        ({"sid": None}, NOW + 120),
        ({"aud": ["other", CLIENT_ID], "azp": CLIENT_ID}, NOW + 120),
        ({"typ": None}, NOW + 120),
        ({"exp": NOW}, NOW),
        ({"exp": NOW - 60}, NOW - 60),
        ({"iat": NOW - LONGEST_LOGOUT_SECONDS - 60, "exp": None}, NOW - 60),
        ({"aud": ["other", CLIENT_ID], "azp": None}, NOW + 120),
        ({"iat": NOW + 60}, NOW + 120),
        ({"events": {LOGOUT: {"more": 1}}}, NOW + 120),
        ({"exp": None}, NOW + LONGEST_LOGOUT_SECONDS),
        ({"exp": NOW + 86_400}, NOW + LONGEST_LOGOUT_SECONDS),
    ],
    ids=repr,
)
async def test_optional_claims_may_be_missing(provider, scripted, keys, changes, expires_at):
    """Back-Channel Logout 1.0, 2.4; the time in which a token may come again is bounded in any case."""
    token = signed(logout_claims(scripted.issuer, **changes), keys.rsa, typ="logout+jwt")

    assert expires_at == (await provider.verifier.logout_token(token, client_id=CLIENT_ID)).expires_at


@pytest.mark.parametrize(
    ("changes", "expected"), [({"sid": 5}, ("5", "logout-1")), ({"jti": 5}, ("session-at-provider", "5"))]
)
async def test_numeric_sid_and_jti_are_read_as_strings(provider, scripted, keys, changes, expected):
    """Providers differ in the types of identifiers."""
    token = signed(logout_claims(scripted.issuer, **changes), keys.rsa)
    found = await provider.verifier.logout_token(token, client_id=CLIENT_ID)

    assert expected == (found.sid, found.jti)


@pytest.mark.parametrize("changes", BAD_CLAIMS, ids=repr)
async def test_a_wrong_claim_refuses_the_logout(provider, scripted, keys, changes):
    """Back-Channel Logout 1.0, 2.6: 400."""
    await assert_rejected(provider, signed(logout_claims(scripted.issuer, **changes), keys.rsa))


async def test_a_forged_logout_token_is_refused(provider, scripted, keys):
    """Unsigned, signed by somebody else, symmetric, shapeless."""
    claims = logout_claims(scripted.issuer)
    _, payload, signature = signed(claims, keys.rsa).split(".")

    await assert_rejected(provider, signed(claims, keys.other_rsa, kid="rsa-1"))
    for algorithm in ("none", "HS256"):
        await assert_rejected(provider, f"{encoded({'alg': algorithm})}.{payload}.{signature}")
    for shapeless in ("", "a.b.c", "x" * 100_000):
        await assert_rejected(provider, shapeless)


async def test_other_tokens_of_the_provider_are_no_logout_tokens(provider, scripted, keys):
    """An ID token must not end sessions, nor an access token."""
    for claims in (id_claims, access_claims):
        await assert_rejected(provider, signed(claims(scripted.issuer), keys.rsa))
        await assert_rejected(provider, signed(claims(scripted.issuer, typ=None, jti="j"), keys.rsa))


async def test_outage_is_not_a_refused_logout_token(provider, scripted, keys):
    """The provider may send it again."""
    scripted.reply(KEYS, Reply(503))

    with pytest.raises(ProviderUnavailable):
        await provider.verifier.logout_token(signed(logout_claims(scripted.issuer), keys.rsa), client_id=CLIENT_ID)
