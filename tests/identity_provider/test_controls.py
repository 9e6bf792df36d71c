"""Call recording and fault injection."""

import asyncio

import aiohttp
import pytest

SILENCE = aiohttp.ClientTimeout(total=0.05)


async def test_failure_happens_the_given_number_of_times(provider, refresh, http):
    """Before the grant, so that the refresh token is still good afterwards."""
    tokens = provider.issue_tokens()
    provider.fail("refresh", status=503, body={"error": "temporarily_unavailable"}, times=2)

    for _ in range(2):
        assert (503, {"error": "temporarily_unavailable"}) == await refresh(tokens["refresh_token"])
    assert 200 == (await refresh(tokens["refresh_token"]))[0]
    assert 3 == provider.counts["refresh"]
    assert [503, 503, 200] == [call.status for call in provider.calls]


async def test_a_failure_after_the_grant_has_used_the_token_up(provider, refresh, http):
    """The client cannot know; with HTML it gets what proxies send."""
    tokens = provider.issue_tokens()
    provider.fail("refresh", status=502, body="<html>", after=True)

    url = f"{provider.issuer}/protocol/openid-connect/token"
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    credentials = {"client_id": provider.client_id, "client_secret": provider.client_secret}
    async with http.post(url, data=form | credentials) as response:
        assert (502, "text/html", "<html>") == (response.status, response.content_type, await response.text())

    assert 400 == (await refresh(tokens["refresh_token"]))[0]


async def test_failures_of_one_call_come_in_their_order(provider, refresh):
    """And heal() forgets those that are left."""
    provider.fail("refresh", status=500, body={})
    provider.fail("refresh", status=429, body={}, times=None)

    assert [500, 429, 429] == [(await refresh("unknown"))[0] for _ in range(3)]
    provider.heal()
    assert 400 == (await refresh("unknown"))[0]


async def test_other_calls_are_not_disturbed(provider, refresh, post):
    """A grant has a name of its own."""
    provider.fail("refresh", body={}, times=None)

    assert 200 == (await post("token", grant_type="client_credentials"))[0]


async def test_an_answer_can_be_altered(provider, refresh):
    """What a provider leaves out or puts in; errors stay as they are, and the refresh counts."""
    tokens = provider.issue_tokens()
    provider.alter("refresh", lambda answer: (answer.pop("refresh_token"), answer.update(extra=1)))

    _, answer = await refresh(tokens["refresh_token"])

    assert (1, False) == (answer["extra"], "refresh_token" in answer)
    assert 400 == (await refresh(tokens["refresh_token"]))[0]


@pytest.mark.parametrize("after", [False, True])
async def test_a_connection_can_break(provider, refresh, after):
    """Before the grant or after it."""
    tokens = provider.issue_tokens()
    provider.reset("refresh", after=after)

    with pytest.raises(aiohttp.ClientConnectionError):
        await refresh(tokens["refresh_token"])

    assert (400 if after else 200) == (await refresh(tokens["refresh_token"]))[0]


async def test_a_call_can_hang(provider, http):
    """Until the provider ends; others are answered."""
    provider.hang("certs")
    url = f"{provider.issuer}/protocol/openid-connect/certs"

    with pytest.raises(TimeoutError):
        await http.get(url, timeout=SILENCE)
    async with http.get(url) as response:
        assert 200 == response.status


async def test_the_end_of_the_provider_breaks_what_hangs(provider, refresh):
    """So that no test waits for it."""
    provider.hang("refresh")
    asking = asyncio.create_task(refresh("unknown"))
    await provider.wait_for_calls("refresh")

    provider.close()

    with pytest.raises(aiohttp.ClientConnectionError):
        await asking


async def test_waiting_for_calls_ends(provider, refresh):
    """With an error that says how many arrived."""
    await refresh(provider.issue_tokens()["refresh_token"])

    with pytest.raises(TimeoutError, match=r"^1 of 2 calls of refresh arrived within 0\.01 s$"):
        await provider.wait_for_calls("refresh", 2, limit_seconds=0.01)


@pytest.mark.parametrize("after", [False, True])
async def test_a_call_can_be_held(provider, refresh, after):
    """Before the grant or after it, until the test lets it go."""
    tokens = provider.issue_tokens()
    hold = provider.hold("refresh", after=after)
    asking = asyncio.create_task(refresh(tokens["refresh_token"]))

    await hold.wait_until_reached()
    assert not asking.done()
    assert (400 if after else 200) == (await refresh(tokens["refresh_token"]))[0]
    hold.release()

    # The second of the two uses is the replay, whichever call that was.
    assert (200 if after else 400) == (await asking)[0]


async def test_a_call_can_take_long(provider, http):
    """In real time: shorter than the client waits, or longer."""
    provider.delay("certs", 0.02)
    provider.delay("certs", 60)
    url = f"{provider.issuer}/protocol/openid-connect/certs"

    async with http.get(url, timeout=aiohttp.ClientTimeout(total=30)) as response:
        assert 200 == response.status
    with pytest.raises(TimeoutError):
        await http.get(url, timeout=SILENCE)


async def test_calls_are_remembered_with_what_they_sent(provider, post, manage, http):
    """Form, query, JSON and headers."""
    await post("token", grant_type="refresh_token", refresh_token="t")
    await manage("POST", "resources", body={"name": "n"})

    refreshed, registered = provider.calls
    assert ("refresh", "t", 400) == (refreshed.name, refreshed.parameters["refresh_token"], refreshed.status)
    assert ("register_client", "n", 201) == (registered.name, registered.parameters["name"], registered.status)
    assert "application/json" == registered.headers["Content-Type"]
    assert "t" not in repr(refreshed).split("'")


async def test_secrets_are_remembered(provider, redeem, refresh):
    """Codes, verifiers, client secrets and every token, for whoever searches a log for them."""
    tokens = provider.issue_tokens()
    await redeem("unknown", code_verifier="the-verifier")
    _, second = await refresh(tokens["refresh_token"])

    expected = {provider.client_secret, "the-verifier", *_tokens(tokens), *_tokens(second)}
    assert expected <= provider.issued_secrets


def _tokens(answer):
    return {answer[name] for name in ("access_token", "refresh_token", "id_token")}
