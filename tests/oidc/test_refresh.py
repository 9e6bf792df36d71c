import pytest

from bodhi.oidc import ProviderRefused, ProviderTimedOut, ProviderUnavailable, Tokens
from oidc.scripted import DISCOVERY, HANGS, RESETS, TOKEN, Reply

GOOD = Reply(200, {"access_token": "at-2", "refresh_token": "rt-2", "expires_in": 300})
TRANSIENT = {
    "500": Reply(500, {"error": "server_error"}),
    "502": Reply(502, b"<html>Bad Gateway</html>"),
    "503": Reply(503),
    "a reset": RESETS,
}


async def test_tokens_are_refreshed(provider, scripted, client):
    """Spec 17: the form has the refresh token and the client."""
    scripted.reply(TOKEN, GOOD)

    assert Tokens("at-2", "rt-2", None, 300) == await provider.grants.refresh(client, "rt-1")
    assert {
        "grant_type": "refresh_token",
        "refresh_token": "rt-1",
        "client_id": client.client_id,
        "client_secret": client.client_secret,
    } == scripted.requests[-1].form


@pytest.mark.parametrize("failures", [1, 2, 3])
@pytest.mark.parametrize("reply", TRANSIENT.values(), ids=TRANSIENT.keys())
async def test_transient_failure_is_retried(provider, scripted, client, slept, reply, failures):
    """Up to three more attempts, after 0.1, 0.5 and 2 seconds."""
    scripted.reply(TOKEN, *[reply] * failures, GOOD)

    assert "at-2" == (await provider.grants.refresh(client, "rt-1")).access_token
    assert [0.1, 0.5, 2.0][:failures] == slept
    assert failures + 1 == scripted.count(TOKEN)


@pytest.mark.parametrize("reply", TRANSIENT.values(), ids=TRANSIENT.keys())
async def test_after_four_attempts_it_is_an_outage(provider, scripted, client, slept, reply):
    """SR-42: no refusal, so the session stays."""
    scripted.reply(TOKEN, reply)

    with pytest.raises(ProviderUnavailable):
        await provider.grants.refresh(client, "rt-1")

    assert [0.1, 0.5, 2.0] == slept
    assert 4 == scripted.count(TOKEN)


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, "invalid_grant"), (400, "invalid_client"), (401, "invalid_client"), (400, ""), (403, ""), (404, "")],
)
async def test_refusal_is_not_retried(provider, scripted, client, slept, status, error):
    """SR-42: the caller tells ``invalid_grant`` from the others."""
    scripted.reply(TOKEN, Reply(status, {"error": error} if error else b""))

    with pytest.raises(ProviderRefused) as refusal:
        await provider.grants.refresh(client, "rt-1")

    assert (status, error) == (refusal.value.status, refusal.value.error)
    assert [] == slept
    assert (2 if error == "invalid_client" else 1) == scripted.count(TOKEN)  # the other authentication is tried once


async def test_a_refusal_ends_the_attempts(provider, scripted, client):
    """A 5xx, then a refusal."""
    scripted.reply(TOKEN, Reply(500), Reply(400, {"error": "invalid_grant"}))

    with pytest.raises(ProviderRefused):
        await provider.grants.refresh(client, "rt-1")

    assert 2 == scripted.count(TOKEN)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(429, {"error": "slow_down"}),
        Reply(200, b"<html></html>"),
        Reply(200, {}),
        Reply(200, {"refresh_token": "r"}),
        Reply(302),
    ],
    ids=["429", "HTML", "empty", "without access token", "redirect"],
)
async def test_failure_that_may_have_rotated_the_token_is_not_retried(provider, scripted, client, slept, reply):
    """SR-42: an outage after one attempt."""
    scripted.reply(TOKEN, reply, GOOD)

    with pytest.raises(ProviderUnavailable):
        await provider.grants.refresh(client, "rt-1")

    assert [] == slept
    assert 1 == scripted.count(TOKEN)


async def test_timed_out_refresh_is_not_retried(make_provider, scripted, client, slept):
    """H-31: the provider may have rotated the token, and a second use of it would end the login."""
    scripted.reply(TOKEN, HANGS, GOOD)

    with pytest.raises(ProviderTimedOut):
        await make_provider(limit_seconds=0.1, refresh_limit_seconds=5).grants.refresh(client, "rt-1")

    assert [] == slept
    assert scripted.count(TOKEN) <= 1


async def test_with_token_reuse_any_failure_is_retried(make_provider, scripted, client, slept):
    """H-31: unless the provider is known to allow it."""
    scripted.reply(TOKEN, HANGS, GOOD)
    provider = make_provider(limit_seconds=2, refresh_limit_seconds=60, refresh_reuse=True)

    assert "at-2" == (await provider.grants.refresh(client, "rt-1")).access_token
    assert 0.1 == slept[0]


async def test_total_time_of_all_attempts_is_limited(make_provider, scripted, client):
    """SR-42: a limit for each attempt is not enough."""
    scripted.reply(TOKEN, HANGS)
    provider = make_provider(
        limit_seconds=0.1, refresh_limit_seconds=0.15, refresh_reuse=True, retry_delays=(0.0,) * 100
    )

    with pytest.raises(ProviderTimedOut):
        await provider.grants.refresh(client, "rt-1")

    assert scripted.count(TOKEN) <= 2


async def test_no_pause_before_an_attempt_beyond_the_limit(make_provider, scripted, client, slept):
    """A pause that is longer than what is left of the limit is not begun."""
    scripted.reply(TOKEN, Reply(503), GOOD)

    with pytest.raises(ProviderUnavailable):
        await make_provider(refresh_limit_seconds=1, retry_delays=(2.0,)).grants.refresh(client, "rt-1")

    assert [] == slept


async def test_a_short_outage_of_discovery_is_survived(provider, scripted, client):
    """Whatever it is on the way that fails."""
    scripted.reply(DISCOVERY, Reply(503), Reply(200, scripted.metadata))
    scripted.reply(TOKEN, GOOD)

    assert "at-2" == (await provider.grants.refresh(client, "rt-1")).access_token


async def test_without_pauses_there_is_one_attempt(make_provider, scripted, client):
    """Who wants no second attempt configures none."""
    scripted.reply(TOKEN, Reply(503))

    with pytest.raises(ProviderUnavailable):
        await make_provider(retry_delays=()).grants.refresh(client, "rt-1")

    assert 1 == scripted.count(TOKEN)


def test_total_limit_is_available_to_callers(make_provider):
    """Whoever holds a lease for a refresh has to know for how long."""
    assert 10 == make_provider().grants.refresh_limit_seconds
    assert 3 == make_provider(refresh_limit_seconds=3).grants.refresh_limit_seconds
