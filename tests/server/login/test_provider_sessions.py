import asyncio

import pytest

from bodhi.database import DatabaseUnavailable
from bodhi.server.access.sweeping import BATCH
from bodhi.server.login.provider_sessions import CLOCK_SKEW_MS, ProviderSessions

HOUR = 3_600
LOGOUT_EXPIRES_AT = 1_800_000_120  # seconds since 1970


@pytest.fixture
def sessions(application, clock):
    """The service, with the test's clock."""
    return ProviderSessions(application, clock=clock)


async def test_sessions_of_a_provider_session_are_found(sessions):
    """More than one, where somebody logged in again before they logged out at the provider."""
    await sessions.remember("sid-1", "b" * 16, "alice", lifetime_seconds=HOUR)
    await sessions.remember("sid-1", "a" * 16, "alice", lifetime_seconds=HOUR)
    await sessions.remember("sid-2", "c" * 16, "bob", lifetime_seconds=HOUR)

    assert [("a" * 16, "alice"), ("b" * 16, "alice")] == await sessions.handles_of("sid-1")
    assert [] == await sessions.handles_of("sid-3")


async def test_provider_session_entry_lives_as_long_as_its_session(sessions, clock):
    """Remembered again, it lives from then on, and belongs to who is in it now."""
    await sessions.remember("sid", "handle", "alice", lifetime_seconds=HOUR)
    clock.advance(HOUR * 500)
    await sessions.remember("sid", "handle", "bob", lifetime_seconds=HOUR)
    clock.advance(HOUR * 1_000 - 1)
    assert [("handle", "bob")] == await sessions.handles_of("sid")

    clock.advance(1)
    assert [] == await sessions.handles_of("sid")


async def test_provider_session_entries_are_deleted_together(sessions):
    """Others stay."""
    for sid, handle in (("sid-1", "a"), ("sid-1", "b"), ("sid-2", "c")):
        await sessions.remember(sid, handle, "alice", lifetime_seconds=HOUR)

    await sessions.forget("sid-1")

    assert ([], 1) == (await sessions.handles_of("sid-1"), len(await sessions.handles_of("sid-2")))


async def test_logout_token_is_accepted_once(sessions, clock):
    """Whoever sends it again, and also in the moments in which it has only just expired."""
    outcomes = await asyncio.gather(*(sessions.claim_once("jti", LOGOUT_EXPIRES_AT) for _ in range(5)))
    assert [False] * 4 + [True] == sorted(outcomes)

    clock.now_ms = LOGOUT_EXPIRES_AT * 1_000 + CLOCK_SKEW_MS - 1
    await sessions.sweep()
    assert not await sessions.claim_once("jti", LOGOUT_EXPIRES_AT)
    assert await sessions.claim_once("other", LOGOUT_EXPIRES_AT)


async def test_a_secret_is_good_once_for_each_kind(sessions):
    """A state and a code of the same text are two."""
    assert await sessions.claim_secret("login", "secret", 600)

    assert not await sessions.claim_secret("login", "secret", 600)
    assert await sessions.claim_secret("sso", "secret", 600)


async def test_a_logout_token_that_failed_may_come_again(sessions):
    """The provider tries again when it is told of an error."""
    await sessions.claim_once("jti", LOGOUT_EXPIRES_AT)
    await sessions.forget_token("jti")

    assert await sessions.claim_once("jti", LOGOUT_EXPIRES_AT)


async def test_expired_entries_are_swept(sessions, application, clock):
    """In batches; what lives stays."""
    logout_tokens = [{"jti": str(number), "expires_at": 1} for number in range(BATCH + 1)]
    await application.each("heed_logout_token", logout_tokens)
    await sessions.claim_once("kept", LOGOUT_EXPIRES_AT)
    await sessions.remember("sid-1", "a", "alice", lifetime_seconds=1)
    await sessions.remember("sid-2", "b", "alice", lifetime_seconds=2)
    clock.advance(1_000)

    assert BATCH + 2 == await sessions.sweep()
    assert 0 == await sessions.sweep()
    assert [("b", "alice")] == await sessions.handles_of("sid-2")
    assert not await sessions.claim_once("kept", LOGOUT_EXPIRES_AT)


async def test_outage_is_reported_as_database_unavailable():
    """A logout token that was not noted has not been heeded."""

    class Away:
        async def count(self, *_, **__):
            raise DatabaseUnavailable

    with pytest.raises(DatabaseUnavailable):
        await ProviderSessions(Away()).claim_once("jti", LOGOUT_EXPIRES_AT)
