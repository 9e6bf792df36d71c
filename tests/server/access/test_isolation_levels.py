"""The application's tables with other default isolation levels; PostgreSQL only."""

import asyncio

import asyncpg
import pytest

from bodhi.database import open_database
from bodhi.server.access.errors import ApiError
from bodhi.server.access.leases import Leases
from bodhi.server.apps.service import AppAccessRequests


@pytest.fixture(params=["serializable", "repeatable read"])
async def database_url(request, dialect):
    """The URL of an empty database with that default level."""
    url = request.getfixturevalue(f"{dialect}_url")
    if dialect == "postgres":
        connection = await asyncpg.connect(url)
        name = await connection.fetchval("SELECT current_database()")
        await connection.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = '{request.param}'")
        await connection.close()
    return url


@pytest.fixture
async def nodes(application, database_url):
    """Separate connections of two processes."""
    async with open_database(database_url, limit_seconds=60) as other:
        yield application, other


async def test_the_limit_of_a_source_holds_on_two_nodes(nodes):
    """Each request counts what the others left, and none fails for another reason."""
    services = [AppAccessRequests(node, None, None, public_url="https://x.example", per_client=3) for node in nodes]

    outcomes = await asyncio.gather(
        *(
            services[number % 2].create(
                "app", flow_type="popup", redirect_url=None, requested={"a": ["b"]}, source="192.0.2.1"
            )
            for number in range(20)
        ),
        return_exceptions=True,
    )

    refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert 17 == len(refused)
    assert {"access_request_error-too_many_drafts"} == {
        error.code if isinstance(error, ApiError) else repr(error) for error in refused
    }


async def test_total_limit_holds_on_two_nodes(nodes):
    """Whichever sources ask at the same time: there is not one request too many."""
    services = [AppAccessRequests(node, None, None, public_url="https://x.example", max_open=5) for node in nodes]
    start = asyncio.Barrier(20)

    async def ask(number):
        await start.wait()
        return await services[number % 2].create(
            f"app-{number}", flow_type="popup", redirect_url=None, requested={"a": ["b"]}, source=f"192.0.{number}.1"
        )

    outcomes = await asyncio.gather(*(ask(number) for number in range(20)), return_exceptions=True)

    refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert 15 == len(refused)
    assert {"access_request_error-too_many_drafts"} == {
        error.code if isinstance(error, ApiError) else repr(error) for error in refused
    }


async def test_lease_has_one_holder_at_a_time(nodes):
    """Whoever waits gets it, and nobody is told of the others."""
    inside = most = served = 0

    async def take(leases):
        nonlocal inside, most, served
        async with leases.held("it"):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1
        served += 1

    leases = [Leases(node, wait_seconds=60) for node in nodes]
    await asyncio.gather(*(take(leases[number % 2]) for number in range(12)))

    assert (1, 12) == (most, served)
