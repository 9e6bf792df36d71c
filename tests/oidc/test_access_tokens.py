import base64
import hashlib
import hmac
import json

import pytest

from bodhi.oidc import IdentityProvider
from bodhi.oidc.errors import ExpiredToken, MalformedToken, TokenError, UntrustedToken
from oidc.scripted import DISCOVERY, KEYS
from oidc.tokens import (
    CLIENT_ID,
    LOGOUT,
    NOW,
    access_claims,
    encoded,
    id_claims,
    logout_claims,
    public,
    signed,
)

MALFORMED = MalformedToken
NOT_GENUINE = UntrustedToken
EXPIRED = ExpiredToken

SHAPELESS = {
    "nothing": "",
    "blank": "   ",
    "a word": "token",
    "one segment": "eyJhbGciOiJSUzI1NiJ9",
    "two segments": "eyJhbGciOiJSUzI1NiJ9.e30",
    "four segments": "eyJhbGciOiJSUzI1NiJ9.e30.eA.eA",
    "five segments": "eyJhbGciOiJSUzI1NiJ9.e30.eA.eA.eA",
    "empty segments": "..",
    "100 kB": "a" * 33_000 + "." + "b" * 33_000 + "." + "c" * 34_000,
    "not ASCII": "eyJhbGciOiJSUzI1NiJ9.e30.\xe4",
    "a lone surrogate": "eyJhbGciOiJSUzI1NiJ9.e30.\udcff",
    "a header that is no base64": "!!!.e30.eA",
    "a header that is no JSON": f"{encoded(b'alg')}.e30.eA",
    "a header that is a list": f"{encoded(['alg'])}.e30.eA",
    "a header that is a text": f"{encoded('alg')}.e30.eA",
    "a header that is a number": f"{encoded(5)}.e30.eA",
    "a header without alg": f"{encoded({'typ': 'JWT'})}.e30.eA",
    "a deep header": f"{encoded(b'[' * 10_000)}.e30.eA",
    "a payload that is no base64": "eyJhbGciOiJSUzI1NiJ9.!.eA",
    "a payload that is no JSON": f"eyJhbGciOiJSUzI1NiJ9.{encoded(b'<html>')}.eA",
    "a payload that is no UTF-8": f"eyJhbGciOiJSUzI1NiJ9.{encoded(bytes([255, 254]))}.eA",
    "a payload that is a list": f"eyJhbGciOiJSUzI1NiJ9.{encoded([])}.eA",
    "a deep payload": f"eyJhbGciOiJSUzI1NiJ9.{encoded(b'[' * 20_000)}.eA",
    "an empty payload": "eyJhbGciOiJSUzI1NiJ9..eA",
}

WRONG_CLAIMS = [
    *({name: None} for name in ("jti", "sub", "exp", "scope")),
    *({name: value} for name in ("sub", "scope", "iss", "azp") for value in (5, [], {}, True)),
    *({"jti": value} for value in ([], {}, True)),
    *({"scope": value} for value in ([5], [None], [["openid"]])),
    *({"exp": value} for value in ("1800000300", True, [], {}, -1, 2**60, 10**30)),
    *({"nbf": value} for value in ("0", True, [], -1)),
    *({"aud": value} for value in (5, {}, [5], [None], [["a"]], True)),
    {"sub": ""},
    {"sub": "a\0b"},
]


@pytest.fixture
def token(scripted, keys):
    """Creates access tokens of the provider with changed claims."""
    return lambda header=None, **changes: signed(access_claims(scripted.issuer, **changes), keys.rsa, **(header or {}))


async def refused(provider: IdentityProvider, token: str) -> type[TokenError]:
    """The error class with which the token is rejected."""
    with pytest.raises(TokenError) as refusal:
        await provider.verifier.access_token(token)
    return type(refusal.value)


async def test_valid_token_returns_its_claims(provider, scripted, token):
    """What the caller needs to judge whose it is and whom it is for."""
    claims = await provider.verifier.access_token(token(nbf=NOW, access_request_id="r-1"))

    assert (scripted.issuer, (CLIENT_ID, "account")) == (claims.issuer, claims.audience)
    assert ("6ac3a51c", "alice", "Alice") == (claims.subject, claims.username, claims.first_name)
    assert ("app-of-somebody", "openid scope_user_user") == (claims.authorized_party, claims.scope)
    assert ("r-1", NOW + 300, "onrtac:0c5e") == (claims.access_request_id, claims.expires_at, claims.token_id)


@pytest.mark.parametrize("shapeless", SHAPELESS.values(), ids=SHAPELESS.keys())
async def test_malformed_token_is_refused_without_a_request_to_the_provider(provider, scripted, shapeless):
    """Step 1: 401, and nothing of it reaches the provider."""
    assert MALFORMED == await refused(provider, shapeless)
    assert not scripted.requests


@pytest.mark.parametrize("changes", WRONG_CLAIMS, ids=repr)
async def test_missing_and_mistyped_claims_are_refused_without_a_request_to_the_provider(
    provider, scripted, token, changes, caplog
):
    """Step 1: 401, never a 5xx; the log names the claim, and not its value."""
    caplog.set_level("INFO")

    assert MALFORMED == await refused(provider, token(**changes))
    assert not scripted.requests
    (name,) = changes
    assert f"claim {name} is missing or has the wrong type" in caplog.text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"scope": ["openid", "scope_user_user"]}, {"scope": "openid scope_user_user"}),
        ({"scope": ["openid profile", "scope_user_user"]}, {"scope": "openid profile scope_user_user"}),
        ({"scope": ["openid", 5, None]}, {"scope": "openid"}),
        ({"jti": 5}, {"token_id": "5"}),
        ({"preferred_username": 4711}, {"username": "4711"}),
        ({"preferred_username": ["alice"]}, {"username": "alice"}),
        ({"given_name": ["Ann", "Maria"]}, {"first_name": "Ann Maria"}),
        ({"access_request_id": 5}, {"access_request_id": None}),
        *(({"preferred_username": value}, {"username": None}) for value in ([], {}, True, None, "a\0b", 10**30)),
        *(({"family_name": value}, {"last_name": None}) for value in ([[]], {"a": 1}, False, [None])),
    ],
    ids=repr,
)
async def test_invalid_optional_claims_are_ignored(provider, token, changes, expected):
    """They are converted where that is clear, and ignored elsewhere."""
    claims = await provider.verifier.access_token(token(**changes))

    assert expected == {name: getattr(claims, name) for name in expected}


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"1e999", b"9" * 5000])
async def test_numbers_out_of_range_are_refused(provider, token, keys, number):
    """Step 1: JSON's numbers have no limit, times have."""
    payload = b'{"jti": "a", "sub": "b", "scope": "", "exp": ' + number + b"}"

    assert MALFORMED == await refused(provider, signed(payload, keys.rsa))


async def test_overlong_token_is_refused(provider, scripted, token):
    """SR-37: a genuine one of 100 kB is refused without asking anybody; one of 40 kB is not."""
    assert MALFORMED == await refused(provider, token(more="x" * 75_000))
    assert not scripted.requests
    await provider.verifier.access_token(token(more="x" * 30_000))


async def test_token_of_a_session_needs_fewer_claims(provider, token):
    """Only bearers need ``jti`` and ``scope``."""
    claims = await provider.verifier.access_token(token(jti=None, scope=None), required=())

    assert (None, "") == (claims.token_id, claims.scope)


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "nOnE", "", "HS256", "RS999", "RSA-OAEP", "ES256K", 5, [], {}, None, True]
)
async def test_other_algorithms_are_refused_without_a_request_to_the_provider(provider, scripted, token, algorithm):
    """SR-37: unsigned tokens, symmetric and unknown algorithms."""
    _, payload, signature = token().split(".")
    header = encoded({"alg": algorithm, "kid": "rsa-1"})

    for ending in (signature, ""):
        assert NOT_GENUINE == await refused(provider, f"{header}.{payload}.{ending}")
    assert not scripted.requests


@pytest.mark.parametrize("form", ["pem", "pem-stripped", "der", "jwk", "n"])
async def test_public_key_is_not_accepted_as_an_hmac_secret(provider, scripted, keys, form):
    """SR-37: HS256 with the public key, in whatever form, signs nothing."""
    jwk = public(keys.rsa)
    secret = {
        "pem": keys.rsa.as_pem(private=False),
        "pem-stripped": keys.rsa.as_pem(private=False).strip(),
        "der": keys.rsa.as_der(private=False),
        "jwk": json.dumps(jwk).encode(),
        "n": base64.urlsafe_b64decode(jwk["n"] + "=="),
    }[form]
    signing_input = f"{encoded({'alg': 'HS256', 'kid': 'rsa-1'})}.{encoded(access_claims(scripted.issuer))}"
    forged = f"{signing_input}.{encoded(hmac.digest(secret, signing_input.encode(), hashlib.sha256))}"

    assert NOT_GENUINE == await refused(provider, forged)


@pytest.mark.parametrize("crit", [["exp"], ["b64"], ["unknown"], [], "exp", 5, [5], [[]], {}, None])
async def test_critical_extensions_are_refused_without_a_request_to_the_provider(provider, scripted, token, crit):
    """SR-37: none is understood, whatever it says."""
    header = {"alg": "RS256", "kid": "rsa-1", "crit": crit, "unknown": 1, "exp": NOW}
    _, payload, signature = token().split(".")

    assert NOT_GENUINE == await refused(provider, f"{encoded(header)}.{payload}.{signature}")
    assert not scripted.requests


async def test_an_unencoded_payload_is_refused(provider, scripted, token):
    """RFC 7797 is not understood here, with ``crit`` or without."""
    _, payload, signature = token().split(".")
    for header in ({"alg": "RS256", "b64": False}, {"alg": "RS256", "b64": False, "crit": ["b64"]}):
        error = await refused(provider, f"{encoded(header)}.{payload}.{signature}")
        assert error in {MALFORMED, NOT_GENUINE}
    assert not scripted.requests


async def test_a_key_in_the_header_is_not_used(provider, scripted, keys):
    """SR-37: the forger's own key, embedded."""
    claims = access_claims(scripted.issuer)
    for kid in ("rsa-1", "rsa-2", None):
        forged = signed(claims, keys.other_rsa, jwk=public(keys.other_rsa), kid=kid)
        assert NOT_GENUINE == await refused(provider, forged)


@pytest.mark.parametrize("header", [{"jku": 5}, {"jwk": 5}, {"x5c": "x"}, {"cty": []}], ids=repr)
async def test_a_mistyped_header_is_refused(provider, token, header):
    """RFC 7515, 4.1: also where the member is not looked at."""
    assert NOT_GENUINE == await refused(provider, token(header))


async def test_unknown_members_of_the_header_do_not_matter(provider, token):
    """RFC 7515, 4: they are ignored."""
    await provider.verifier.access_token(token({"x": {"y": 1}, "x5t": "x", "x5c": ["x" * 3000]}))


@pytest.mark.parametrize("member", ["jku", "x5u"])
async def test_urls_in_the_header_are_not_fetched(provider, scripted, keys, member):
    """SR-37: the forger's own key, linked; and a good token is good whatever it links to."""
    url = f"{scripted.issuer}/forged"
    claims = access_claims(scripted.issuer)

    assert NOT_GENUINE == await refused(provider, signed(claims, keys.other_rsa, kid="rsa-1", **{member: url}))
    await provider.verifier.access_token(signed(claims, keys.rsa, **{member: url}))
    assert {DISCOVERY, KEYS} == {request.path for request in scripted.requests}


@pytest.mark.parametrize(
    "kid",
    ["../../dev/null", "/etc/passwd", "' OR 1=1 --", "a\0b", "x" * 10_000, "%2e%2e%2f", "http://evil.example/", ""],
)
async def test_kid_is_only_compared(provider, scripted, token, kid):
    """SR-37: no path, no query, no address."""
    assert NOT_GENUINE == await refused(provider, token({"kid": kid}))
    assert {DISCOVERY, KEYS} == {request.path for request in scripted.requests}


@pytest.mark.parametrize("kid", [5, [], {}, True])
async def test_kid_that_is_no_string_is_refused(provider, scripted, token, kid):
    """Anything else is refused without asking anybody."""
    assert NOT_GENUINE == await refused(provider, token({"kid": kid}))
    assert not scripted.requests


async def test_a_changed_token_is_refused(provider, scripted, token):
    """SR-37: every segment counts."""
    header, payload, signature = token().split(".")
    other = encoded(access_claims(scripted.issuer, sub="somebody-else"))
    swapped = signature[:-10] + signature[-10:].swapcase()

    for forged in (f"{header}.{other}.{signature}", f"{header}.{payload}.{swapped}", f"{header}.{payload}."):
        assert NOT_GENUINE == await refused(provider, forged)


async def test_another_key_of_the_same_name_is_refused(provider, scripted, keys):
    """The name of a key is no proof."""
    assert NOT_GENUINE == await refused(provider, signed(access_claims(scripted.issuer), keys.other_rsa, kid="rsa-1"))


async def test_only_allowed_algorithms_are_accepted(make_provider, scripted, keys, token):
    """The list may be shorter."""
    provider = make_provider(algorithms=("RS512",))

    assert NOT_GENUINE == await refused(provider, token())
    await provider.verifier.access_token(token({"alg": "RS512"}))


@pytest.mark.parametrize("algorithms", [(), ("none",), ("HS256",), ("RS256", "HS256")])
def test_allowed_algorithms_must_be_asymmetric(make_provider, algorithms):
    """A mistake in the configuration cannot open the door."""
    with pytest.raises(ValueError, match="algorithms"):
        make_provider(algorithms=algorithms)


@pytest.mark.parametrize(
    ("changes", "later"),
    [({"exp": NOW - 60}, 0), ({"exp": NOW}, 60.9), ({"exp": NOW - 59.5}, 0), ({"nbf": NOW + 60}, 0), ({"nbf": 0}, 0)],
)
async def test_token_is_valid_at_its_time_limits(provider, token, clock, changes, later):
    """A minute, as clocks differ; equality passes."""
    clock.now += later

    await provider.verifier.access_token(token(**changes))


@pytest.mark.parametrize(
    "changes", [{"exp": NOW - 61}, {"exp": 0}, {"nbf": NOW + 61}, {"nbf": NOW + 70, "exp": NOW + 65}]
)
async def test_token_is_invalid_beyond_its_time_limits(provider, token, changes):
    """Step 3, for tokens that are genuine."""
    assert EXPIRED == await refused(provider, token(**changes))


async def test_a_forged_token_is_not_called_expired(provider, scripted, keys):
    """Step 2 comes before step 3."""
    forged = signed(access_claims(scripted.issuer, exp=0), keys.other_rsa, kid="rsa-1")

    assert NOT_GENUINE == await refused(provider, forged)


@pytest.mark.parametrize("typ", ["at+jwt", "application/at+jwt", "AT+JWT", "jwt", None])
async def test_the_types_of_access_tokens_are_accepted(provider, token, typ):
    """RFC 9068, and what providers wrote before."""
    await provider.verifier.access_token(token({"typ": typ}))


@pytest.mark.parametrize(
    "typ", ["ID", "id+jwt", "logout+jwt", "Logout", "Refresh", "dpop+jwt", "secevent+jwt", "JOSE", 5, []]
)
async def test_other_types_are_refused_without_a_request_to_the_provider(provider, scripted, token, typ):
    """SR-37: a token that was made for something else."""
    assert NOT_GENUINE == await refused(provider, token({"typ": typ}))
    assert not scripted.requests


@pytest.mark.parametrize(
    "changes",
    [
        *({"typ": typ} for typ in ("ID", "id", "Refresh", "Offline", "Logout", "DPoP", 5, [])),
        {"at_hash": "x"},
        {"c_hash": "x"},
        {"token_use": "id"},
        {"events": {LOGOUT: {}}},
        {"cnf": {"jkt": "x"}},
    ],
    ids=repr,
)
async def test_claims_of_other_token_types_are_refused_without_a_request_to_the_provider(
    provider, scripted, token, changes
):
    """SR-37: what Keycloak's ``typ`` says, and what only other tokens have, or what a bearer may not present."""
    assert NOT_GENUINE == await refused(provider, token(**changes))
    assert not scripted.requests


@pytest.mark.parametrize("claims", [id_claims, logout_claims])
async def test_other_tokens_of_the_provider_are_no_access_tokens(provider, scripted, keys, claims):
    """SR-37: as they are, and dressed up with what bearers need."""
    more = {"jti": "j", "scope": "openid", "exp": NOW + 300}

    assert MALFORMED == await refused(provider, signed(claims(scripted.issuer, scope=None), keys.rsa))
    assert NOT_GENUINE == await refused(provider, signed(claims(scripted.issuer, **more), keys.rsa))


async def test_issuer_and_audience_are_left_to_the_caller(provider, token):
    """They are given, not judged: the order of the contract has other checks between."""
    claims = await provider.verifier.access_token(token(iss="http://other", aud="other"))

    assert ("http://other", ("other",)) == (claims.issuer, claims.audience)
