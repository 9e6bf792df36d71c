"""One refresh for each session: who asks, who waits, and what becomes of failures."""

import asyncio
import base64
import json

import pytest

from bodhi.auth.instance import Instance
from bodhi.auth.provider.answers import Tokens
from bodhi.auth.provider.errors import ProviderRefused, ProviderUnavailable
from bodhi.auth.refresh import LEASE, LoginEnded, Refresher
from bodhi.auth.refusal import Refusal

NOW = 1_800_000_000
INSTANCE = Instance("bodhi", "a secret that nobody guesses")


def jwt(expires_in, subject="alice"):
    """An access token that nobody checks."""
    payload = base64.urlsafe_b64encode(json.dumps({"sub": subject, "exp": NOW + expires_in}).encode())
    return f"e30.{payload.decode().rstrip('=')}.c2ln"


def expired(**more):
    """A session whose access token has run out."""
    return {"user_id": "alice", "access_token": jwt(0), "refresh_token": "rt-1", **more}


class Row:
    """A session's row in memory, for any number of processes."""

    key = b"row"

    def __init__(self, data):
        self.data = data
        self.now_ms = NOW * 1000
        self.failures = 0

    async def atomically(self, change):
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise ConnectionError
        if self.data is None:
            raise LoginEnded
        data = json.loads(json.dumps(self.data))
        answer = change(data, self.now_ms)
        self.data = data
        return answer

    async def end(self):
        self.data = None


class Provider:
    """Gives new tokens once for each refresh token, when it may."""

    def __init__(self, *, error=None, subject="alice", rotates=True):
        self.calls = []
        self.error = error
        self.subject = subject
        self.rotates = rotates
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.was_asked = asyncio.Event()

    async def refresh(self, client, refresh_token):
        assert INSTANCE.credentials == client
        self.calls.append(refresh_token)
        self.was_asked.set()
        await self.may_answer.wait()
        if self.error is not None:
            raise self.error
        if self.calls.count(refresh_token) > 1:
            raise ProviderRefused(400, "invalid_grant")
        return Tokens(jwt(300, self.subject), f"rt-{len(self.calls) + 1}" if self.rotates else None, None, None)


def refresher(provider, **options):
    """One process's."""
    return Refresher(provider, clock=lambda: NOW, **options)


async def test_many_requests_cause_one_grant():
    """In one process, and beside a second and a third one."""
    row, provider = Row(expired()), Provider()
    processes = [refresher(provider) for _ in range(3)]
    provider.may_answer.clear()
    requests = [asyncio.create_task(one.refresh(row, INSTANCE)) for one in processes for _ in range(50)]
    await provider.was_asked.wait()
    provider.may_answer.set()
    await asyncio.gather(*requests)

    assert ["rt-1"] == provider.calls
    assert ("rt-2", jwt(300), False) == (row.data["refresh_token"], row.data["access_token"], LEASE in row.data)


async def test_a_valid_token_asks_nobody():
    """Such as one that another request has fetched since this one loaded its session."""
    row, provider = Row(expired(access_token=jwt(1))), Provider()
    await refresher(provider).refresh(row, INSTANCE)

    assert [] == provider.calls


async def test_an_answer_without_a_refresh_token_keeps_the_old_one():
    """The provider does not rotate then."""
    row = Row(expired())
    await refresher(Provider(rotates=False)).refresh(row, INSTANCE)

    assert ("rt-1", jwt(300)) == (row.data["refresh_token"], row.data["access_token"])


@pytest.mark.parametrize("missing", ["refresh_token", "access_token"])
async def test_a_login_without_tokens_has_ended(missing):
    """The session is of no use to anybody."""
    data = expired()
    del data[missing]
    row, provider = Row(data), Provider()

    with pytest.raises(Refusal) as refusal:
        await refresher(provider).refresh(row, INSTANCE)
    assert ("auth_error-refresh_token_not_found", []) == (refusal.value.code, provider.calls)


async def test_invalid_grant_ends_the_session():
    """For good: the provider does not know the login any more."""
    row = Row(expired())

    with pytest.raises(Refusal) as refusal:
        await refresher(Provider(error=ProviderRefused(400, "invalid_grant"))).refresh(row, INSTANCE)
    assert ("auth_error-refresh_token_not_found", 401, None) == (refusal.value.code, refusal.value.status, row.data)


@pytest.mark.parametrize(
    "error",
    [ProviderUnavailable(), ProviderRefused(400, "invalid_client"), ProviderRefused(401, ""), ProviderRefused(404, "")],
    ids=str,
)
async def test_any_other_failure_leaves_the_session_as_it_was(error):
    """503, and the next request tries again at once."""
    row, provider = Row(expired()), Provider(error=error)
    one = refresher(provider)
    with pytest.raises(Refusal) as refusal:
        await one.refresh(row, INSTANCE)

    assert ("auth_error-idp_unavailable", 503) == (refusal.value.code, refusal.value.status)
    assert expired() == row.data
    provider.error, provider.calls = None, []
    await one.refresh(row, INSTANCE)
    assert jwt(300) == row.data["access_token"]


async def test_a_cancelled_request_loses_no_tokens():
    """Its work goes on, and the provider's answer is stored."""
    row, provider = Row(expired()), Provider()
    provider.may_answer.clear()
    one = refresher(provider)
    request = asyncio.create_task(one.refresh(row, INSTANCE))
    await provider.was_asked.wait()
    request.cancel()
    provider.may_answer.set()
    await one.close()

    assert jwt(300) == row.data["access_token"]


async def test_a_holder_that_died_is_waited_for_no_longer_than_its_lease():
    """By the database's clock."""
    row, provider = Row(expired()), Provider()
    row.data[LEASE] = {"id": "dead", "until": row.now_ms + 30_000}

    with pytest.raises(Refusal) as refusal:
        await refresher(provider, wait_seconds=0.05).refresh(row, INSTANCE)
    assert ("auth_error-idp_unavailable", []) == (refusal.value.code, provider.calls)

    row.now_ms += 30_000
    await refresher(provider).refresh(row, INSTANCE)
    assert jwt(300) == row.data["access_token"]


async def test_a_holder_that_comes_back_late_overwrites_nothing():
    """Another one has refreshed meanwhile, with tokens that are newer."""
    row, provider = Row(expired()), Provider()
    provider.may_answer.clear()
    late = asyncio.create_task(refresher(provider).refresh(row, INSTANCE))
    await provider.was_asked.wait()
    row.data = {**expired(), "access_token": jwt(600), "refresh_token": "rt-9"}
    provider.may_answer.set()
    await late

    assert (jwt(600), "rt-9") == (row.data["access_token"], row.data["refresh_token"])


async def test_invalid_grant_of_a_late_holder_ends_nothing():
    """Its refresh token was spent by whoever held the lease after it."""
    row, provider = Row(expired()), Provider(error=ProviderRefused(400, "invalid_grant"))
    provider.may_answer.clear()
    late = asyncio.create_task(refresher(provider).refresh(row, INSTANCE))
    await provider.was_asked.wait()
    newer = row.data = {**expired(), "access_token": jwt(600), "refresh_token": "rt-9"}
    provider.may_answer.set()
    await late

    assert newer == row.data


async def test_a_session_that_ended_meanwhile_stays_ended():
    """A role change or a logout beside the refresh."""
    row, provider = Row(expired()), Provider()
    provider.may_answer.clear()
    request = asyncio.create_task(refresher(provider).refresh(row, INSTANCE))
    await provider.was_asked.wait()
    row.data = None
    provider.may_answer.set()

    with pytest.raises(Refusal) as refusal:
        await request
    assert ("auth_error-refresh_token_not_found", None) == (refusal.value.code, row.data)


async def test_tokens_of_somebody_else_are_not_stored():
    """A provider that mixes people up does not log one in as another."""
    row = Row(expired())

    with pytest.raises(Refusal) as refusal:
        await refresher(Provider(subject="mallory")).refresh(row, INSTANCE)
    assert ("auth_error-idp_unavailable", expired()) == (refusal.value.code, row.data)


async def test_storing_is_tried_again(monkeypatch):
    """What the provider gave is lost otherwise: it has spent the old refresh token."""
    monkeypatch.setattr("bodhi.auth.refresh.POLL_SECONDS", (0.0,))
    row, provider = Row(expired()), Provider()
    provider.may_answer.clear()
    request = asyncio.create_task(refresher(provider).refresh(row, INSTANCE))
    await provider.was_asked.wait()
    row.failures = 3
    provider.may_answer.set()
    await request

    assert jwt(300) == row.data["access_token"]


class Notes:
    """What was noted of refreshed sessions, and whether the provider was asked before the last change was read."""

    def __init__(self, provider):
        self.noted = []
        self._provider = provider

    async def last_change(self):
        assert not self._provider.was_asked.is_set()
        return 7

    async def note_refresh(self, data, since):
        self.noted.append((data["access_token"], since))


async def test_who_refreshed_is_told():
    """So that the person's present role is known, unless it was changed after the provider was asked."""
    provider = Provider()
    notes = Notes(provider)

    await refresher(provider, notes=notes).refresh(Row(expired()), INSTANCE)

    assert [(jwt(300), 7)] == notes.noted
