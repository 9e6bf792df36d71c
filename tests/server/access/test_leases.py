"""Leases across processes: one holder at a time, with expiry."""

import asyncio

import pytest

from bodhi.database import DatabaseUnavailable, Schema, open_database
from bodhi.server.access.errors import ApiError, api_error_of
from bodhi.server.access.leases import MARGIN_SECONDS, Leases
from support.patience import SECONDS

HOLD_SECONDS = 60


@pytest.fixture
def leases(application, clock):
    """Leases with a long wait, for a busy machine."""
    return Leases(application, hold_seconds=HOLD_SECONDS, wait_seconds=SECONDS, clock=clock)


@pytest.fixture
def impatient(application, clock):
    """Leases with a short wait."""
    return Leases(application, hold_seconds=HOLD_SECONDS, wait_seconds=0.1, clock=clock)


async def test_lease_has_one_holder_at_a_time(application, database_url):
    """Of ten who want it at once, from two processes, each has it alone."""
    inside, most = 0, 0

    async def take(leases):
        nonlocal inside, most
        async with leases.held("it"):
            inside += 1
            most = max(most, inside)
            await application.maybe("find_instance")
            inside -= 1

    async with open_database(database_url, limit_seconds=60) as elsewhere:
        both = Leases(application), Leases(elsewhere)
        await asyncio.gather(*(take(both[number % 2]) for number in range(10)))

    assert (0, 1) == (inside, most)


async def test_leases_of_different_names_do_not_wait_for_each_other(leases):
    """A name is a matter of its own."""
    async with leases.held("one"), leases.held("another"):
        pass


async def test_waiting_for_a_lease_times_out(leases, impatient):
    """Then it is as if the provider did not answer: its holder waits for it."""
    async with leases.held("it"):
        with pytest.raises(ApiError) as refused:
            async with impatient.held("it"):
                pytest.fail("two hold it")

    assert ("auth_error-idp_unavailable", 503) == (refused.value.code, refused.value.status)
    async with leases.held("it"):
        pass


async def test_work_in_a_lease_times_out(application, leases):
    """Before the lease runs out, and the lease is free again at once."""
    with pytest.raises(ApiError, match="identity provider"):
        async with Leases(application, hold_seconds=0.05).held("it"):
            await asyncio.Event().wait()

    async with leases.held("it"):
        pass


async def test_lease_is_released_when_its_work_fails(leases):
    """The next one need not wait."""
    with pytest.raises(ZeroDivisionError):
        async with leases.held("it"):
            raise ZeroDivisionError

    async with leases.held("it"):
        pass


async def test_lease_of_a_crashed_holder_expires(application, leases, impatient, clock):
    """By the clock of the database, after its time and a margin; who comes back late ends nobody's turn."""
    hold_ms = (HOLD_SECONDS + MARGIN_SECONDS) * 1000
    await application.maybe("take_lease", name="it", holder="the dead", hold_ms=hold_ms, now=clock())

    clock.advance(hold_ms - 1)
    with pytest.raises(ApiError):
        async with impatient.held("it"):
            pytest.fail("it is still the dead one's")
    clock.advance(1)
    async with leases.held("it"):
        assert 0 == await application.count("give_back_lease", name="it", holder="the dead")
        with pytest.raises(ApiError):
            async with impatient.held("it"):
                pytest.fail("two hold it")


async def test_unresponsive_database_is_reported(database_url):
    """At once, and not after the patience for another holder."""
    async with open_database(database_url) as database:
        leases = Leases(database)

    with pytest.raises(DatabaseUnavailable) as refused:
        async with leases.held("it"):
            pytest.fail("nobody gave it")

    assert "auth_error-database_unavailable" == api_error_of(refused.value).code


async def test_failed_release_of_a_lease_does_not_fail_its_work(database_url, caplog):
    """What was done stands; the lease runs out by itself."""
    async with open_database(database_url) as database:
        await Schema(database, "application").migrate()
        async with Leases(database).held("it"):
            await database.__aexit__()

    assert "lease 'it' was not released" in caplog.text
