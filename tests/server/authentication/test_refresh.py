"""One refresh per session: grants, waiting requests, and failures."""

import asyncio
import base64
import json

import pytest

from bodhi.oidc.errors import ProviderRefused, ProviderUnavailable
from bodhi.oidc.responses import Tokens
from bodhi.server.access.errors import ApiError, LoginEnded
from bodhi.server.access.instance import Instance
from bodhi.server.authentication.login_check import LOGIN_ENDING_ERRORS
from bodhi.server.authentication.refresh import GRACE_SECONDS, Refresher
from bodhi.server.authentication.refresh_lease import LEASE
from bodhi.server.authentication.unstored_tokens import Renewal

NOW = 1_800_000_000
INSTANCE = Instance("bodhi", "a secret that nobody guesses")


def jwt(expires_in, subject="alice"):
    """Return an access token without a valid signature."""
    payload = base64.urlsafe_b64encode(json.dumps({"sub": subject, "exp": NOW + expires_in}).encode())
    return f"e30.{payload.decode().rstrip('=')}.c2ln"


def expired(**more):
    """Return session data with an expired access token."""
    return {"user_id": "alice", "access_token": jwt(0), "refresh_token": "rt-1", **more}


class Row:
    """A session's row in memory, shared by processes."""

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
    """Issues new tokens once per refresh token, when released."""

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
    return Refresher(provider.refresh, clock=lambda: NOW, **options)


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


async def test_valid_access_token_needs_no_request():
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

    with pytest.raises(ApiError) as refusal:
        await refresher(provider).refresh(row, INSTANCE)
    assert ("auth_error-refresh_token_not_found", []) == (refusal.value.code, provider.calls)


async def test_invalid_grant_ends_the_session():
    """For good: the provider does not know the login any more."""
    row = Row(expired())

    with pytest.raises(ApiError) as refusal:
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
    with pytest.raises(ApiError) as refusal:
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


async def test_lease_of_a_dead_holder_is_waited_for_until_it_expires():
    """By the database's clock."""
    row, provider = Row(expired()), Provider()
    row.data[LEASE] = {"id": "dead", "until": row.now_ms + 30_000}

    with pytest.raises(ApiError) as refusal:
        await refresher(provider, wait_seconds=0.05).refresh(row, INSTANCE)
    assert ("auth_error-idp_unavailable", []) == (refusal.value.code, provider.calls)

    row.now_ms += 30_000
    await refresher(provider).refresh(row, INSTANCE)
    assert jwt(300) == row.data["access_token"]


async def test_late_holder_overwrites_nothing():
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

    with pytest.raises(ApiError) as refusal:
        await request
    assert ("auth_error-refresh_token_not_found", None) == (refusal.value.code, row.data)


async def test_tokens_of_another_user_are_not_stored():
    """A provider that mixes people up does not log one in as another."""
    row = Row(expired())

    with pytest.raises(ApiError) as refusal:
        await refresher(Provider(subject="mallory")).refresh(row, INSTANCE)
    assert ("auth_error-idp_unavailable", expired()) == (refusal.value.code, row.data)


async def test_failed_store_of_new_tokens_is_retried(monkeypatch):
    """What the provider gave is lost otherwise: it has spent the old refresh token."""
    monkeypatch.setattr("bodhi.server.authentication.refresh_lease.POLL_SECONDS", (0.0,))
    row, provider = Row(expired()), Provider()
    provider.may_answer.clear()
    request = asyncio.create_task(refresher(provider).refresh(row, INSTANCE))
    await provider.was_asked.wait()
    row.failures = 3
    provider.may_answer.set()
    await request

    assert jwt(300) == row.data["access_token"]


class Notes:
    """Records role notes, and checks that the role version was read before the provider call."""

    def __init__(self, provider):
        self.noted = []
        self._provider = provider

    async def last_change(self):
        assert not self._provider.was_asked.is_set()
        return 7

    async def note_refresh(self, session, data, since, *, has_id_token):
        self.noted.append((data["access_token"], since))


async def test_refresh_reports_the_users_current_role():
    """So that the person's present role is known, unless it was changed after the provider was asked."""
    provider = Provider()
    notes = Notes(provider)

    await refresher(provider, users=notes).refresh(Row(expired()), INSTANCE)

    assert [(jwt(300), 7)] == notes.noted


@pytest.mark.parametrize("status", [400, 401, 403])
@pytest.mark.parametrize("error", sorted(LOGIN_ENDING_ERRORS))
async def test_codes_that_ask_for_a_new_login_end_the_session(error, status):
    """At any status of a refusal."""
    row = Row(expired())

    with pytest.raises(ApiError) as refusal:
        await refresher(Provider(error=ProviderRefused(status, error))).refresh(row, INSTANCE)
    assert ("auth_error-refresh_token_not_found", None) == (refusal.value.code, row.data)


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (400, "invalid_request", ("auth_error-refresh_refused", 401)),
        (400, "invalid_scope", ("auth_error-refresh_refused", 401)),
        (403, "access_denied", ("auth_error-refresh_refused", 401)),
        *((status, "invalid_client", ("auth_error-idp_unavailable", 503)) for status in (400, 401, 403)),
        *((status, "unauthorized_client", ("auth_error-idp_unavailable", 503)) for status in (400, 401, 403)),
        (401, "something_else", ("auth_error-idp_unavailable", 503)),
        (400, "", ("auth_error-idp_unavailable", 503)),
        (405, "", ("auth_error-idp_unavailable", 503)),
    ],
)
async def test_other_refusals_keep_the_session_and_have_their_own_error(status, error, expected):
    """A new login, or nothing but waiting; both say that the provider refused."""
    row = Row(expired())

    with pytest.raises(ApiError) as refusal:
        await refresher(Provider(error=ProviderRefused(status, error))).refresh(row, INSTANCE)
    assert expected == (refusal.value.code, refusal.value.status)
    assert "refused" in refusal.value.message
    assert expired() == row.data


async def until(condition):
    """Wait until *condition* holds, by running the event loop."""
    while not condition():
        await asyncio.sleep(0)


@pytest.fixture
def hasty(monkeypatch):
    """Remove the pauses between attempts."""
    monkeypatch.setattr("bodhi.server.authentication.refresh_lease.POLL_SECONDS", (0.0,))
    monkeypatch.setattr("bodhi.server.authentication.refresh_lease.SETTLE_SECONDS", 0.0)
    monkeypatch.setattr("bodhi.server.authentication.unstored_tokens.RETRY_SECONDS", 0.0)


async def test_a_late_answer_is_stored(hasty):
    """Requests give up at their limit, later ones at once; the grant goes on."""
    row, provider = Row(expired()), Provider()
    provider.may_answer.clear()
    one = refresher(provider, wait_seconds=0.01)
    for _ in range(3):
        with pytest.raises(ApiError) as refusal:
            await one.refresh(row, INSTANCE)
        assert "auth_error-idp_unavailable" == refusal.value.code
    provider.may_answer.set()
    await one.close(10)

    assert (["rt-1"], jwt(300)) == (provider.calls, row.data["access_token"])
    await one.refresh(row, INSTANCE)


async def test_hanging_provider_gets_no_requests_of_other_sessions(hasty):
    """After a few sessions whose grants hang, the next ones get their answer at once, and ask for nothing."""
    provider = Provider()
    provider.may_answer.clear()
    one = refresher(provider, wait_seconds=0.01)
    rows = []
    for number in range(10):
        rows.append(Row(expired()))
        rows[-1].key = b"row %d" % number
        with pytest.raises(ApiError):
            await one.refresh(rows[-1], INSTANCE)

    assert 3 == len(provider.calls)
    await one.close(0)


async def test_new_tokens_outlive_an_outage_of_the_database(hasty, caplog):
    """They are kept in memory, served from there, and stored when that works again; nothing of them is in the log."""
    rows, provider = [Row(expired(number=number)) for number in range(12)], Provider()
    for number, row in enumerate(rows):
        row.key, row.data["refresh_token"] = b"row %d" % number, f"first {number}"
    one = refresher(provider)
    provider.may_answer.clear()
    requests = [asyncio.create_task(one.refresh(row, INSTANCE)) for row in rows]
    await until(lambda: len(provider.calls) == 12)
    for row in rows:
        row.failures = 10**6
    provider.may_answer.set()

    answers = await asyncio.gather(*requests, return_exceptions=True)

    assert {ConnectionError} == set(map(type, answers))
    for row in rows:
        served = one.with_unstored_tokens(row.key, row.data)
        assert (jwt(300), row.data["number"]) == (served["access_token"], served["number"])
        assert jwt(0) == row.data["access_token"]
    for row in rows:
        row.failures = 0
    await one.close(30)
    assert {jwt(300)} == {row.data["access_token"] for row in rows}
    assert sorted(f"first {number}" for number in range(12)) == sorted(provider.calls)
    assert one.with_unstored_tokens(rows[0].key, rows[0].data) is None
    assert not [secret for secret in (jwt(300), "rt-13", "first 11") if secret in caplog.text]


async def test_a_request_after_the_outage_stores_what_was_kept(hasty, monkeypatch):
    """Before anything else: the spent refresh token is not presented again."""
    monkeypatch.setattr("bodhi.server.authentication.unstored_tokens.RETRY_SECONDS", 3600.0)
    row, provider = Row(expired()), Provider()
    one = refresher(provider)
    await lose_the_database_during(one, row, provider)

    await one.refresh(row, INSTANCE)

    assert (["rt-1"], jwt(300), "rt-2") == (provider.calls, row.data["access_token"], row.data["refresh_token"])


async def lose_the_database_during(one, row, provider):
    """Refresh during an outage, so that the new tokens cannot be stored."""
    provider.may_answer.clear()
    request = asyncio.create_task(one.refresh(row, INSTANCE))
    await provider.was_asked.wait()
    row.failures = 10**6
    provider.may_answer.set()
    await asyncio.gather(request, return_exceptions=True)
    row.failures = 0


async def test_a_session_that_ended_in_the_outage_stays_ended(hasty, monkeypatch):
    """What was kept for it is forgotten."""
    monkeypatch.setattr("bodhi.server.authentication.unstored_tokens.RETRY_SECONDS", 3600.0)
    row, provider = Row(expired()), Provider()
    one = refresher(provider)
    await lose_the_database_during(one, row, provider)
    row.data = None

    with pytest.raises(ApiError) as refusal:
        await one.refresh(row, INSTANCE)
    assert ("auth_error-refresh_token_not_found", 0) == (refusal.value.code, len(one._unstored))


async def test_tokens_not_stored_at_shutdown_are_logged(hasty, caplog):
    """By the session's name for the log; also where the end comes in the middle of storing."""
    provider = Provider()
    one = refresher(provider, name_of=lambda key: f"handle of {key.decode()}")
    kept, storing = Row(expired()), Row(expired())
    storing.key = b"another row"
    await lose_the_database_during(one, kept, provider)
    kept.failures = 10**6
    never = asyncio.Event()
    provider.was_asked.clear()
    provider.may_answer.clear()
    storing.data["refresh_token"] = "rt-of-another"
    request = asyncio.create_task(one.refresh(storing, INSTANCE))
    await provider.was_asked.wait()
    storing.atomically = lambda _: never.wait()  # type: ignore[method-assign]
    provider.may_answer.set()
    await until(lambda: not one._in_flight)

    await one.close(0)

    await asyncio.gather(request, return_exceptions=True)
    assert "new tokens lost, they could not be stored sessions=handle of another row, handle of row" in caplog.text


async def test_other_process_waits_for_tokens_held_in_memory(monkeypatch):
    """It takes the lease over and gives the first one time to store: the spent refresh token is not presented."""
    monkeypatch.setattr("bodhi.server.authentication.refresh_lease.POLL_SECONDS", (0.0,))
    monkeypatch.setattr("bodhi.server.authentication.refresh_lease.SETTLE_SECONDS", 0.2)
    monkeypatch.setattr("bodhi.server.authentication.unstored_tokens.RETRY_SECONDS", 0.01)
    row, provider = Row(expired()), Provider()
    first, second = refresher(provider), refresher(provider)
    provider.may_answer.clear()
    request = asyncio.create_task(first.refresh(row, INSTANCE))
    await provider.was_asked.wait()
    row.failures = 10**6
    provider.may_answer.set()
    await asyncio.gather(request, return_exceptions=True)
    row.now_ms += 60_000
    row.failures = 0

    await second.refresh(row, INSTANCE)

    assert (["rt-1"], jwt(300), False) == (provider.calls, row.data["access_token"], LEASE in row.data)


async def test_invalid_grant_after_an_outage_ends_nothing_for_a_while(hasty):
    """A holder that never gave its lease back may have the new tokens, and store them yet."""
    row, provider = Row(expired()), Provider(error=ProviderRefused(400, "invalid_grant"))
    row.data[LEASE] = {"id": "of a node of an earlier version", "until": row.now_ms}
    for seconds in (0, GRACE_SECONDS - 1):
        row.now_ms = NOW * 1000 + seconds * 1000
        with pytest.raises(ApiError) as refusal:
            await refresher(provider).refresh(row, INSTANCE)
        assert ("auth_error-idp_unavailable", "rt-1") == (refusal.value.code, row.data["refresh_token"])

    row.now_ms += 1000
    with pytest.raises(ApiError) as refusal:
        await refresher(provider).refresh(row, INSTANCE)
    assert ("auth_error-refresh_token_not_found", None) == (refusal.value.code, row.data)


async def test_within_the_grace_period_the_holder_s_tokens_arrive(hasty, monkeypatch):
    """The other process was answered invalid_grant, and goes on with what the first one stores."""
    monkeypatch.setattr("bodhi.server.authentication.unstored_tokens.RETRY_SECONDS", 3600.0)
    row, provider = Row(expired()), Provider()
    first, second = refresher(provider), refresher(provider)
    await lose_the_database_during(first, row, provider)
    row.now_ms += 60_000
    with pytest.raises(ApiError) as refusal:
        await second.refresh(row, INSTANCE)
    assert "auth_error-idp_unavailable" == refusal.value.code

    await first.refresh(row, INSTANCE)

    assert (jwt(300), "rt-2", False) == (row.data["access_token"], row.data["refresh_token"], LEASE in row.data)


async def test_memory_is_bounded(hasty, monkeypatch):
    """A session whose new tokens could not be kept is not refreshed."""
    monkeypatch.setattr("bodhi.server.authentication.unstored_tokens.RETRY_SECONDS", 3600.0)
    monkeypatch.setattr("bodhi.server.authentication.unstored_tokens.MAX_KEPT", 1)
    row, other, provider = Row(expired()), Row(expired()), Provider()
    other.key = b"another row"
    one = refresher(provider)
    await lose_the_database_during(one, row, provider)

    with pytest.raises(ApiError) as refusal:
        await one.refresh(other, INSTANCE)
    assert ("auth_error-database_unavailable", ["rt-1"]) == (refusal.value.code, provider.calls)


def test_unstored_tokens_are_not_shown_in_repr():
    """In a log or a traceback."""
    tokens = Tokens("the access token", "the new one", "the id token", 300)

    shown = repr(Renewal(Row({}), "lease", "the old one", tokens, NOW))

    assert not [secret for secret in ("the access", "the new", "the id", "the old") if secret in shown]
