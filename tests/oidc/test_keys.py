import asyncio
import secrets

import pytest
from joserfc.jwk import OctKey, OKPKey, RSAKey

from bodhi.oidc import ProviderUnavailable
from bodhi.oidc.errors import TokenError, UntrustedToken
from bodhi.oidc.keys import MIN_INTERVAL_SECONDS, REFRESH_SECONDS, SigningKey
from oidc.background import settled
from oidc.scripted import DISCOVERY, HANGS, KEYS, RESETS, Reply
from oidc.tokens import access_claims, public, signed

UNUSABLE = {
    "an error": Reply(500, {"error": "server_error"}),
    "a gateway's page": Reply(502, b"<html>Bad Gateway</html>"),
    "not found": Reply(404),
    "HTML": Reply(200, b"<html>It works</html>"),
    "nothing": Reply(200, b""),
    "a list": Reply(200, []),
    "no keys": Reply(200, {"keys": []}),
    "keys that are no list": Reply(200, {"keys": {"kid": "x"}}),
    "keys that are no keys": Reply(200, {"keys": [None, 5, "x", [], {}, {"kty": []}, {"kty": "RSA"}]}),
    "broken compression": Reply(200, b"{}", {"Content-Encoding": "gzip"}),
    "too much": Reply(200, b'{"keys": ["' + b"x" * 600_000 + b'"]}'),
    "a reset": RESETS,
}


@pytest.fixture
def token(scripted, keys):
    """Creates access tokens of the provider."""
    return lambda key=keys.rsa, **header: signed(access_claims(scripted.issuer), key, **header)


async def refused(provider, token):
    """The error class with which the token is refused."""
    with pytest.raises(TokenError) as refusal:
        await provider.verifier.access_token(token)
    return type(refusal.value)


async def test_keys_are_fetched_once(provider, scripted, token):
    """Many tokens of one key, one fetch, also when they come together."""
    await asyncio.gather(*(provider.verifier.access_token(token()) for _ in range(20)))

    assert 1 == scripted.count(KEYS)


async def test_unknown_keys_cause_one_fetch_in_an_interval(provider, scripted, token, clock):
    """SR-38: a thousand tokens with made-up kids."""
    await provider.verifier.access_token(token())
    clock.now += MIN_INTERVAL_SECONDS

    tokens = [token(kid=secrets.token_hex(8)) for _ in range(20)] * 50
    errors = await asyncio.gather(*(refused(provider, forged) for forged in tokens))

    assert {UntrustedToken} == set(errors)
    for forged in tokens[:10]:
        await refused(provider, forged)
    assert 2 == scripted.count(KEYS)
    clock.now += MIN_INTERVAL_SECONDS
    await refused(provider, tokens[0])
    assert 3 == scripted.count(KEYS)


async def test_a_clock_that_was_set_back_does_not_stop_fetches(provider, scripted, token, keys, clock):
    """A new key is fetched although the last fetch seems to be in the future."""
    await provider.verifier.access_token(token())
    scripted.publish(public(keys.other_rsa))
    clock.now -= 100

    await provider.verifier.access_token(token(keys.other_rsa))

    assert 2 == scripted.count(KEYS)


async def test_a_new_key_is_accepted_and_the_old_one_no_longer(provider, scripted, token, keys, clock):
    """SR-38: the provider rolls over to a new key."""
    await provider.verifier.access_token(token())
    scripted.publish(public(keys.other_rsa))
    clock.now += MIN_INTERVAL_SECONDS

    await provider.verifier.access_token(token(keys.other_rsa))

    clock.now += MIN_INTERVAL_SECONDS
    assert UntrustedToken == await refused(provider, token())


async def test_a_withdrawn_key_is_dropped_in_time(provider, scripted, token, keys, clock):
    """Keys are asked for from time to time, although none is missing; nobody waits for that."""
    await provider.verifier.access_token(token())
    scripted.publish(public(keys.other_rsa))
    clock.now += REFRESH_SECONDS

    await provider.verifier.access_token(signed(access_claims(scripted.issuer, exp=clock.now), keys.rsa))
    await settled(provider)

    assert UntrustedToken == await refused(provider, token())


@pytest.mark.parametrize("reply", UNUSABLE.values(), ids=UNUSABLE.keys())
async def test_known_keys_outlive_an_outage(provider, scripted, clock, keys, token, reply):
    """SR-38: the old keys stay in use, whatever comes instead of new ones; a new key cannot be judged."""
    await provider.verifier.access_token(token())
    scripted.reply(KEYS, reply)
    clock.now += MIN_INTERVAL_SECONDS

    with pytest.raises(ProviderUnavailable):
        await provider.verifier.access_token(token(kid="new"))
    with pytest.raises(ProviderUnavailable):
        await provider.verifier.access_token(token(kid="new"))

    await provider.verifier.access_token(token())


@pytest.mark.parametrize("reply", UNUSABLE.values(), ids=UNUSABLE.keys())
async def test_without_any_key_the_provider_is_unavailable(provider, scripted, token, keys, clock, reply):
    """Never a 401 for tokens that may be good."""
    scripted.reply(KEYS, reply)
    for _ in range(2):
        with pytest.raises(ProviderUnavailable):
            await provider.verifier.access_token(token())

    scripted.publish(public(keys.rsa))
    clock.now += MIN_INTERVAL_SECONDS
    await provider.verifier.access_token(token())


async def test_an_outage_of_discovery_is_one_of_the_keys(make_provider, scripted, token, clock):
    """Without metadata there is no address of the keys; at Keycloak a 404 tells another one."""
    provider = make_provider(is_keycloak=True)
    scripted.reply(DISCOVERY, Reply(503), Reply(404))

    with pytest.raises(ProviderUnavailable):
        await provider.verifier.access_token(token())
    clock.now += MIN_INTERVAL_SECONDS

    await provider.verifier.access_token(token())


async def test_hanging_key_request_is_an_outage(make_provider, scripted, token):
    """Waiting ends with the limit."""
    scripted.reply(KEYS, HANGS)

    with pytest.raises(ProviderUnavailable):
        await make_provider(limit_seconds=0.05).verifier.access_token(token())


async def test_no_redirect_is_followed(provider, scripted, token, keys):
    """SR-38: keys come from where the metadata say, or not at all."""
    scripted.reply(KEYS, Reply(302, headers={"Location": "/elsewhere"}))
    scripted.reply("/elsewhere", Reply(200, {"keys": [public(keys.rsa)]}))

    with pytest.raises(ProviderUnavailable):
        await provider.verifier.access_token(token())

    assert 0 == scripted.count("/elsewhere")


async def test_unusable_keys_are_skipped(provider, scripted, token, keys):
    """A set may hold what is not understood."""
    odd = [None, {}, {"kty": "AKP", "kid": "new"}, {"kty": "RSA", "n": "!", "e": 5}, {"kty": "EC", "crv": "P-999"}]
    scripted.publish(*odd, public(keys.rsa))

    await provider.verifier.access_token(token())


@pytest.mark.parametrize(
    ("name", "algorithm"),
    [("ec", "ES256"), ("ed25519", "EdDSA"), ("ed25519", "Ed25519"), ("rsa", "PS256"), ("rsa", "RS512")],
)
async def test_every_kind_of_asymmetric_key_works(provider, scripted, token, keys, name, algorithm):
    """RSA, elliptic curves and Ed25519, the latter under both names."""
    key = getattr(keys, name)
    scripted.publish(*(public(one) for one in (keys.rsa, keys.ec, keys.ed25519)))

    await provider.verifier.access_token(token(key, alg=algorithm))


@pytest.mark.parametrize(
    "members",
    [
        {"use": "enc"},
        {"alg": "PS256"},
        {"alg": "RSA-OAEP"},
        {"key_ops": ["sign"]},
        {"kid": 5},
        {"alg": []},
        {"use": []},
    ],
)
async def test_a_key_for_something_else_is_not_used(provider, scripted, token, keys, members):
    """``use``, ``alg`` and ``key_ops`` are heeded."""
    scripted.publish(public(keys.other_rsa), public(keys.rsa, **members))

    assert UntrustedToken == await refused(provider, token())


@pytest.mark.parametrize("members", [{"use": None}, {"alg": "RS256"}, {"key_ops": ["verify"]}, {"x5c": 5, "more": {}}])
async def test_a_key_for_signatures_is_used(provider, scripted, token, keys, members):
    """Members that say nothing against it do not matter."""
    jwk = {name: value for name, value in public(keys.rsa, **members).items() if value is not None}
    scripted.publish(jwk)

    await provider.verifier.access_token(token())


async def test_a_token_without_kid_is_tried_with_all_keys_of_its_kind(provider, scripted, token, keys):
    """A provider need not name its keys."""
    scripted.publish(*(public(one) for one in (keys.ec, keys.other_rsa, keys.rsa)))

    await provider.verifier.access_token(token(kid=None))
    assert UntrustedToken == await refused(provider, token(RSAKey.generate_key(2048), kid=None))


async def test_key_agreement_key_is_skipped(provider, scripted, token, keys):
    """X25519 has the same type as Ed25519, and signs nothing."""
    agreement = OKPKey.generate_key("X25519").as_dict(private=False)
    scripted.publish(agreement, public(keys.ed25519))

    await provider.verifier.access_token(token(keys.ed25519, alg="EdDSA", kid=None))
    assert SigningKey.of(agreement) is None


def test_symmetric_and_weak_keys_are_ignored(keys):
    """A shared secret and 1024 bits prove nothing."""
    with pytest.warns(match="2048"):
        weak = RSAKey.generate_key(1024)

    assert SigningKey.of(OctKey.generate_key(256).as_dict()) is None
    assert SigningKey.of({**weak.as_dict(private=False), "use": "sig"}) is None
    assert SigningKey.of(public(keys.rsa)) is not None


def test_a_published_private_key_is_used_as_a_public_one(keys):
    """Nothing secret is taken in, even when the provider shows it."""
    found = SigningKey.of(keys.rsa.as_dict(private=True))

    assert found is not None
    assert not found.key.is_private


@pytest.mark.parametrize("kid", ["rsa-1", None, "shared"])
async def test_new_key_under_an_old_kid_is_fetched(provider, scripted, token, keys, clock, kid):
    """Or without a kid: the signature fails, the keys are fetched and tried again."""
    scripted.publish({**public(keys.rsa), "kid": kid})
    await provider.verifier.access_token(token(kid=kid))
    scripted.publish({**public(keys.other_rsa), "kid": kid})
    clock.now += MIN_INTERVAL_SECONDS

    await provider.verifier.access_token(token(keys.other_rsa, kid=kid))

    assert 2 == scripted.count(KEYS)
    assert UntrustedToken == await refused(provider, token(kid=kid))


async def test_new_key_beside_the_old_one_without_kids(provider, scripted, token, keys, clock):
    """Both stay valid."""
    scripted.publish({**public(keys.rsa), "kid": None})
    await provider.verifier.access_token(token(kid=None))
    scripted.publish({**public(keys.rsa), "kid": None}, {**public(keys.other_rsa), "kid": None})
    clock.now += MIN_INTERVAL_SECONDS

    await provider.verifier.access_token(token(keys.other_rsa, kid=None))
    await provider.verifier.access_token(token(kid=None))

    assert 2 == scripted.count(KEYS)


async def test_forged_signatures_cause_one_fetch_in_an_interval(provider, scripted, token, keys, clock):
    """A thousand of them, under a known kid and without one, together and one after the other."""
    await provider.verifier.access_token(token())
    assert UntrustedToken == await refused(provider, token(keys.other_rsa, kid="rsa-1"))
    assert 1 == scripted.count(KEYS)
    clock.now += MIN_INTERVAL_SECONDS

    forged = [token(keys.other_rsa, kid="rsa-1"), token(keys.other_rsa, kid=None)] * 500
    errors = await asyncio.gather(*(refused(provider, one) for one in forged))

    assert {UntrustedToken} == set(errors)
    assert 2 == scripted.count(KEYS)


async def test_failed_signature_is_no_verdict_while_keys_cannot_be_fetched(provider, scripted, token, keys, clock):
    """The key may be a new one; tokens of the known key are accepted meanwhile."""
    await provider.verifier.access_token(token())
    scripted.reply(KEYS, Reply(503))
    clock.now += MIN_INTERVAL_SECONDS

    for _ in range(2):
        with pytest.raises(ProviderUnavailable):
            await provider.verifier.access_token(token(keys.other_rsa, kid="rsa-1"))
    await provider.verifier.access_token(token())

    assert 2 == scripted.count(KEYS)
