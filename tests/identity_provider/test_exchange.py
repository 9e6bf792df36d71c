"""Token exchange and the service account."""

import pytest

from bodhi.testing.identity_provider.token_endpoint import TOKEN_EXCHANGE

EXCHANGED = "openid email profile roles scope_user_user scope_user_admin"


@pytest.fixture
def exchange(provider, post):
    """Exchanges a token like bodhi, with *changes* to the form."""
    provider.add_client("app", name="An application")

    async def exchange(subject_token, *, scope=EXCHANGED, **changes):
        sound = {"grant_type": TOKEN_EXCHANGE, "subject_token": subject_token, "audience": provider.client_id}
        return await post("token", scope=scope, **(sound | changes))

    return exchange


async def test_exchanged_token_has_the_client_as_audience_and_no_wider_scope(provider, exchange):
    """Same person, own audience, and of the user scopes those that the application had."""
    presented = provider.issue_access_token("power", client_id="app", scope="openid scope_user_user scope_bodhi")

    status, answer = await exchange(presented)

    claims = provider.realm.read_access_token(answer["access_token"])
    expected = {
        "sub": provider.person("power").user_id,
        "azp": "bodhi",
        "aud": ["bodhi"],
        "scope": "openid email profile roles scope_user_user",
    }
    assert (200, expected) == (status, {name: claims[name] for name in expected})
    assert "refresh_token" not in answer
    assert "access_request_id" not in claims


async def test_a_consent_shows_in_the_exchanged_token(provider, exchange):
    """By the id that the person consented to."""
    consent = provider.realm.consents.register("request-1", "app", provider.person("user").user_id)
    presented = provider.issue_access_token("user", client_id="app", scope=f"scope_user_user {consent.scope}")

    _, answer = await exchange(presented, scope=f"{EXCHANGED} {consent.scope}")

    claims = provider.realm.read_access_token(answer["access_token"])
    assert "request-1" == claims["access_request_id"]
    assert consent.scope in claims["scope"].split()


async def test_an_exchanged_token_does_not_outlive_the_presented_one(provider, exchange):
    """It ends when that one would have."""
    presented = provider.issue_access_token("user", client_id="app", expires_in=20)

    _, answer = await exchange(presented)

    ends = provider.realm.read_access_token(presented)["exp"]
    assert ends == provider.realm.read_access_token(answer["access_token"])["exp"]


async def test_only_valid_tokens_are_exchanged(provider, exchange, clock):
    """Expired, foreign, forged, meant for somebody else, of nobody: all are refused with 400."""
    expired = provider.issue_access_token("user", client_id="app", expires_in=1)
    clock.advance(2_000)
    sound = provider.issue_access_token("user", client_id="app")
    head, body, signature = sound.split(".")
    refused = {
        "expired": expired,
        "forged": f"{head}.{body}.{signature[::-1]}",
        "no JWT": "text",
        "of another issuer": provider.issue_access_token("user", client_id="app", iss="https://example.org"),
        "an ID token": provider.issue_tokens("user")["id_token"],
        "for another audience": provider.issue_access_token("user", client_id="app", audience=["app"]),
        "of nobody": provider.issue_access_token("user", client_id="app", sub="unknown"),
    }

    answers = {what: (await exchange(token))[0] for what, token in refused.items()}

    assert dict.fromkeys(refused, 400) == answers
    assert (400, 200) == ((await exchange(sound, audience="app"))[0], (await exchange(sound))[0])


async def test_the_service_account_is_the_client_itself(provider, post):
    """A public client has none."""
    provider.add_client("app")

    status, answer = await post("token", grant_type="client_credentials", scope="service_account")

    claims = provider.realm.read_access_token(answer["access_token"])
    assert (200, "service-account-bodhi", "service_account") == (status, claims["sub"], claims["scope"])
    status, refused = await post("token", grant_type="client_credentials", client_id="app", client_secret=None)
    assert (400, "unauthorized_client") == (status, refused["error"])


@pytest.mark.parametrize("grant_type", ["password", None])
async def test_other_grants_are_refused(post, grant_type):
    """There are four."""
    status, refused = await post("token", grant_type=grant_type)

    assert (400, "unsupported_grant_type") == (status, refused["error"])
