"""A refresh that is cancelled, wherever it waits, loses no token that the provider has issued."""

import asyncio
from itertools import count

import pytest

from bodhi.oidc.errors import ProviderRefused
from bodhi.oidc.responses import Tokens
from bodhi.server.authentication.refresh import Refresher
from bodhi.server.authentication.refresh_lease import LEASE
from bodhi.server.authentication.stored_login import SessionRow
from bodhi.session.handles import digest_of
from server.authentication.test_refresh import INSTANCE, NOW, expired, jwt
from support.cancellation import Moment, cancelled_at

SOON_SECONDS = 30  # below the time limit of the database and that of a lease
pytestmark = pytest.mark.parametrize("moment", Moment)


class Provider:
    """Takes each refresh token once; the answer arrives a little after the token is spent."""

    def __init__(self):
        self.valid = "rt-1"
        self.calls = 0

    async def refresh(self, _, refresh_token):
        self.calls += 1
        await asyncio.sleep(0)
        if refresh_token != self.valid:
            raise ProviderRefused(400, "invalid_grant")
        self.valid = f"rt-{self.calls + 1}"
        return Tokens(jwt(300), self.valid, None, None)


class Notes:
    """The roles in refreshed tokens."""

    def __init__(self):
        self.noted = []

    async def last_change(self):
        await asyncio.sleep(0)
        return 1

    async def note_refresh(self, session, data, since, *, has_id_token):
        await asyncio.sleep(0)
        self.noted.append(data["refresh_token"])


@pytest.fixture(autouse=True)
def _hasty(monkeypatch):
    """What is kept in memory is stored soon, and the holder of a lease that was left has nothing to store."""
    monkeypatch.setattr("bodhi.server.authentication.unstored_tokens.RETRY_SECONDS", 0.0)
    monkeypatch.setattr("bodhi.server.authentication.refresh_lease.SETTLE_SECONDS", 0.0)


def refresher(provider):
    """One process's, with leases that end at once, as those of a process that was ended do before long."""
    return Refresher(provider.refresh, clock=lambda: NOW, users=Notes(), lease_seconds=0)


async def _assert_is_refreshed(row, provider, calls):
    data = (await row.read()).data
    assert (provider.valid, jwt(300), calls) == (data["refresh_token"], data["access_token"], provider.calls)
    assert LEASE not in data


async def test_a_request_that_is_cancelled_anywhere(sessions, moment):
    """The refresh goes on without it, and the others that wait for it are served; one grant is made."""
    for number in count(1):
        session_id, _ = await sessions.create(expired())
        provider, row = Provider(), SessionRow(sessions, digest_of(session_id))
        process = refresher(provider)
        async with asyncio.timeout(SOON_SECONDS), asyncio.TaskGroup() as group:
            cancelled = group.create_task(cancelled_at(number, moment, process.refresh(row, INSTANCE)))
            group.create_task(process.refresh(row, INSTANCE))
            group.create_task(process.refresh(row, INSTANCE))
        await _assert_is_refreshed(row, provider, 1)
        assert (0, set(), {}) == (len(process._unstored), process._in_flight, process._flights._flights)
        assert ["rt-2"] == process._users.noted
        if not cancelled.result():
            return


async def test_a_refresh_that_is_cancelled_anywhere(sessions, moment):
    """As at a shutdown: tokens that have come are stored, and another node refreshes only if there are none."""
    for number in count(1):
        session_id, _ = await sessions.create(expired())
        provider, row = Provider(), SessionRow(sessions, digest_of(session_id))
        process = refresher(provider)
        was_cancelled = await cancelled_at(number, moment, process._run(row, INSTANCE))
        async with asyncio.timeout(SOON_SECONDS):
            await process.close(SOON_SECONDS)
            calls = provider.calls
            is_spent = provider.valid != "rt-1"
            await refresher(provider).refresh(row, INSTANCE)
        assert 0 == len(process._unstored)
        await _assert_is_refreshed(row, provider, calls if is_spent else calls + 1)
        if not was_cancelled:
            return
