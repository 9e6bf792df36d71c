import base64
import hashlib
import hmac
import json
import logging

import pytest

from bodhi.oidc import ProviderUnavailable
from bodhi.oidc.errors import TokenError
from oidc.scripted import KEYS, Reply
from oidc.tokens import CLIENT_ID, NONCE, NOW, access_claims, encoded, id_claims, logout_claims, public, signed

BAD_CLAIMS = [
    *({"iss": value} for value in ("http://evil.example", "", 5, None, [])),
    *({"aud": value} for value in ("other", [], ["other"], None, 5, {CLIENT_ID: 1}, [[CLIENT_ID]], CLIENT_ID + "x")),
    *({"azp": value} for value in ("other", "", 5, [CLIENT_ID])),
    {"aud": [CLIENT_ID, "other"], "azp": "other"},
    {"aud": [CLIENT_ID, "other"], "azp": ""},
    {"aud": ["one", "other"]},
    {"aud": [CLIENT_ID, "other"], "azp": "other"},
    *({"exp": value} for value in (NOW - 61, 0, None, "1800000300", True, [])),
    *({"iat": value} for value in (NOW + 61, NOW + 86_400, None, "1800000000", True, -1)),
    *({"nbf": value} for value in (NOW + 61, "0", [])),
    *({"nonce": value} for value in (None, "", "other", NONCE + "x", NONCE[:-1], NONCE.upper(), 5, [NONCE], "\ud800")),
    *({"sub": value} for value in (None, "", 5, ["6ac3a51c"], "somebody-else", "a\0b")),
    *({"typ": value} for value in ("Bearer", "Refresh", "Logout", 5)),
    {"at_hash": "x"},
    {"at_hash": 5},
    {"at_hash": ""},
]


@pytest.fixture
def access_token(scripted, keys):
    """The access token of the same response."""
    return signed(access_claims(scripted.issuer), keys.rsa)


@pytest.fixture
def check(provider, access_token):
    """Checks an ID token like a login."""

    async def verify(id_token, **changes):
        options = {"client_id": CLIENT_ID, "nonce": NONCE, "access_token": access_token, **changes}
        return await provider.verifier.id_token(id_token, **options)

    return verify


async def assert_rejected(check, id_token, **changes):
    """Assert that the ID token is rejected."""
    with pytest.raises(TokenError):
        await check(id_token, **changes)


async def test_valid_id_token_returns_the_user(check, scripted, keys):
    """The subject, the provider's session, and all the claims."""
    found = await check(signed(id_claims(scripted.issuer, name="Alice"), keys.rsa))

    assert ("6ac3a51c", "session-at-provider", "Alice") == (found.subject, found.sid, found.claims["name"])
    assert "Alice" not in repr(found)


@pytest.mark.parametrize(
    "changes",
    [
        {"sid": None},
        {"typ": None},
        {"azp": None},
        {"aud": [CLIENT_ID]},
        {"aud": [CLIENT_ID, "other"]},
        {"aud": [CLIENT_ID, "other"], "azp": None},
        {"aud": ["other", CLIENT_ID, 5], "azp": None},
        {"exp": NOW},
        {"exp": NOW - 60},
        {"iat": NOW + 60},
        {"nbf": NOW + 60},
        {"iat": 0},
    ],
    ids=repr,
)
async def test_optional_claims_may_be_missing(check, scripted, keys, changes):
    """Optional claims, several audiences with us among them, and clocks that differ by up to a minute."""
    await check(signed(id_claims(scripted.issuer, **changes), keys.rsa))


@pytest.mark.parametrize("changes", BAD_CLAIMS, ids=ascii)
async def test_a_wrong_claim_refuses_the_login(check, scripted, keys, changes, caplog):
    """SR-33: 400, whatever is wrong; the log names the claim."""
    await assert_rejected(check, signed(id_claims(scripted.issuer, **changes), keys.rsa))
    names = {"sub": "sub differs", "nonce": "belongs to another login", "at_hash": "another access token"}
    name = "azp" if "azp" in changes else next(iter(changes))
    if changes == {"nonce": "\ud800"}:
        return  # which is no JSON, so that there are no claims at all
    about = {"exp": "expired", "iat": "future", "nbf": "future", **names}
    assert f" {name}" in caplog.text or about[name] in caplog.text


@pytest.mark.parametrize(("sid", "expected"), [(5, "5"), ("", None), ([], None), ({"a": 1}, None), (True, None)])
async def test_login_without_sid_is_accepted(check, scripted, keys, sid, expected):
    """It is for a later back-channel logout alone."""
    assert expected == (await check(signed(id_claims(scripted.issuer, sid=sid), keys.rsa))).sid


@pytest.mark.parametrize(
    "changes",
    [
        {"email_verified": "true"},
        {"given_name": ["Ann"], "preferred_username": 4711},
        {"jti": 5, "auth_time": "1800000000", "amr": "pwd", "acr": 1},
        {"name": None, "groups": {"a": [{}]}, "updated_at": "yesterday", "address": 5},
    ],
    ids=repr,
)
async def test_claims_that_a_login_does_not_need_do_not_refuse_it(check, scripted, keys, changes):
    """Whatever their types are."""
    await check(signed(id_claims(scripted.issuer, **changes), keys.rsa))


@pytest.mark.parametrize("sub", [4711, "4711", ["4711"], {}, None, True])
async def test_readable_access_token_must_have_the_same_subject(check, scripted, keys, sub):
    """A number is the same as its digits; another person is refused, and so is their number."""
    access_token = signed(access_claims(scripted.issuer, sub=sub), keys.rsa)

    await check(signed(id_claims(scripted.issuer, sub="4711"), keys.rsa), access_token=access_token)
    if sub in (4711, "4711") and sub is not True:
        other = signed(id_claims(scripted.issuer, sub="4712"), keys.rsa)
        await assert_rejected(check, other, access_token=access_token)


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS999", 5, None])
async def test_other_algorithms_are_refused(check, scripted, keys, algorithm):
    """SR-33: unsigned, symmetric, unknown."""
    _, payload, signature = signed(id_claims(scripted.issuer), keys.rsa).split(".")
    for ending in (signature, ""):
        await assert_rejected(check, f"{encoded({'alg': algorithm, 'kid': 'rsa-1'})}.{payload}.{ending}")


async def test_public_key_is_not_accepted_as_an_hmac_secret(check, scripted, keys):
    """SR-33: HS256 with the public key."""
    signing_input = f"{encoded({'alg': 'HS256', 'kid': 'rsa-1'})}.{encoded(id_claims(scripted.issuer))}"
    mac = hmac.digest(keys.rsa.as_pem(private=False), signing_input.encode(), hashlib.sha256)

    await assert_rejected(check, f"{signing_input}.{encoded(mac)}")


async def test_signature_by_another_key_is_refused(check, scripted, keys):
    """SR-33: with the provider's kid, or with the forger's key in the header."""
    claims = id_claims(scripted.issuer)

    await assert_rejected(check, signed(claims, keys.other_rsa, kid="rsa-1"))
    await assert_rejected(check, signed(claims, keys.other_rsa, jwk=public(keys.other_rsa)))


@pytest.mark.parametrize("shapeless", ["", "a.b", "a.b.c", "a.b.c.d", "x" * 100_000, "\xe4.b.c"])
async def test_malformed_token_is_refused(check, shapeless):
    """SR-33: 400, never a 5xx."""
    await assert_rejected(check, shapeless)


async def test_other_tokens_of_the_provider_are_no_id_tokens(check, scripted, keys, access_token):
    """Nor are they when their type is not told."""
    await assert_rejected(check, access_token)
    await assert_rejected(check, signed(logout_claims(scripted.issuer, typ=None), keys.rsa))
    await assert_rejected(check, signed(id_claims(scripted.issuer), keys.rsa, typ="logout+jwt"))
    await assert_rejected(check, signed(id_claims(scripted.issuer), keys.rsa, typ="at+jwt"))


async def test_missing_expected_nonce_is_refused(check, scripted, keys):
    """A login that lost its nonce cannot be completed with an ID token without one."""
    for nonce in ("", None):
        await assert_rejected(check, signed(id_claims(scripted.issuer, nonce=nonce), keys.rsa), nonce="")


@pytest.mark.parametrize(
    ("name", "algorithm", "digest"),
    [
        ("rsa", "RS256", "sha256"),
        ("rsa", "RS384", "sha384"),
        ("rsa", "PS512", "sha512"),
        ("ec", "ES256", "sha256"),
        ("ed25519", "EdDSA", "sha512"),
        ("ed25519", "Ed25519", "sha512"),
    ],
)
async def test_the_hash_of_the_access_token_is_checked(check, scripted, keys, access_token, name, algorithm, digest):
    """SR-33: ``at_hash`` is half of the hash that the algorithm uses."""
    scripted.publish(public(keys.rsa), public(keys.ec), public(keys.ed25519))
    whole = hashlib.new(digest, access_token.encode()).digest()
    at_hash = base64.urlsafe_b64encode(whole[: len(whole) // 2]).rstrip(b"=").decode()
    id_token = signed(id_claims(scripted.issuer, at_hash=at_hash), getattr(keys, name), alg=algorithm)

    await check(id_token)
    other = signed(access_claims(scripted.issuer, jti="other"), keys.rsa)
    await assert_rejected(check, id_token, access_token=other)


async def test_access_token_of_another_user_is_refused(check, scripted, keys):
    """SR-33: ``sub`` of both is one; an opaque access token cannot be compared."""
    id_token = signed(id_claims(scripted.issuer), keys.rsa)
    other = signed(access_claims(scripted.issuer, sub="somebody-else"), keys.rsa)

    await assert_rejected(check, id_token, access_token=other)
    for access_token in ("opaque", None, signed(access_claims(scripted.issuer, sub=None), keys.rsa)):
        await check(id_token, access_token=access_token)


async def test_outage_is_not_a_refused_login(check, scripted, keys):
    """Without keys it is not known whether the token is good."""
    scripted.reply(KEYS, Reply(503))

    with pytest.raises(ProviderUnavailable):
        await check(signed(id_claims(scripted.issuer), keys.rsa))


async def test_log_has_the_reason_and_no_secret(check, scripted, keys, caplog):
    """SR-44: no token, no claim, no nonce."""
    caplog.set_level(logging.DEBUG)
    id_token = signed(id_claims(scripted.issuer, nonce="a-stranger-s-nonce"), keys.rsa)

    await assert_rejected(check, id_token)

    assert "ID token rejected: nonce belongs to another login" in caplog.text
    for secret in (id_token, *id_token.split("."), "a-stranger-s-nonce", NONCE, "6ac3a51c"):
        assert secret not in caplog.text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"iss": "https://other.example/"},
            "iss is https://other.example/, but BODHI_AUTH_ISSUER is http://127.0.0.1:",
        ),
        ({"iss": "a\nb"}, r"iss is 'a\nb', but"),
        ({"aud": ["app", "api"]}, "aud is ['app', 'api'], without the client id resource-bodhi"),
        ({"azp": "app"}, "azp is app, but the client id is resource-bodhi"),
        ({"exp": NOW - 3_600}, "expired 3600 s ago: synchronize this server's clock"),
        ({"iat": NOW + 300}, "iat is 300 s in the future: synchronize this server's clock"),
        ({"nbf": NOW + 90}, "nbf is 90 s in the future: synchronize this server's clock"),
    ],
)
async def test_log_has_both_values_and_what_to_do(check, scripted, keys, caplog, changes, expected):
    """The value that was found, the one that was expected, and the setting."""
    await assert_rejected(check, signed(id_claims(scripted.issuer, **changes), keys.rsa))

    assert expected in caplog.text


async def test_subject_that_differs_points_to_the_setting(check, scripted, keys, caplog):
    """Entra ID names users in access tokens by another subject."""
    access_token = signed(access_claims(scripted.issuer, sub="by another name"), keys.rsa)

    await assert_rejected(check, signed(id_claims(scripted.issuer, at_hash=None), keys.rsa), access_token=access_token)

    assert "set BODHI_AUTH_ACCESS_TOKENS=opaque" in caplog.text


async def test_several_audiences_without_azp_are_logged(check, scripted, keys, caplog):
    """They are accepted where bodhi is one of them (OpenID Connect Core 3.1.3.7: SHOULD)."""
    caplog.set_level(logging.INFO)

    await check(signed(id_claims(scripted.issuer, aud=[CLIENT_ID, "api"], azp=None), keys.rsa))

    assert f"token accepted for several audiences without azp: ['{CLIENT_ID}', 'api']" in caplog.text


@pytest.mark.parametrize("algorithm", ["HS512", "none", "ES256K"])
async def test_algorithm_that_is_not_accepted_is_named(check, scripted, keys, caplog, algorithm):
    """With what to change at the provider."""
    header = base64.urlsafe_b64encode(json.dumps({"alg": algorithm}).encode()).rstrip(b"=").decode()
    _, payload, signature = signed(id_claims(scripted.issuer), keys.rsa).split(".")

    await assert_rejected(check, f"{header}.{payload}.{signature}")

    assert f"algorithm {algorithm} is not accepted; let the provider sign" in caplog.text


async def test_token_that_is_too_large_is_called_so(check, scripted, keys, caplog):
    """It is no token without a signature."""
    await assert_rejected(check, signed(id_claims(scripted.issuer, groups=["a group"] * 8_000), keys.rsa))

    assert "larger than 64 KiB" in caplog.text
