"""A server that registers itself, and its first administrator."""

import asyncio

import pytest

from bodhi.database import DatabaseUnavailable
from bodhi.server.access.instance import INSTANCES

SETUP = "/bodhi/v1/setup"
NAME = {"name": "Sessions of a shop"}


@pytest.fixture
async def server(start_server):
    """A server that is not registered at its provider."""
    return await start_server(BODHI_CLIENT_ID=None, BODHI_CLIENT_SECRET=None)


async def status_of(browser):
    """Return the public registration status."""
    return (await (await browser.get("/bodhi/v1/info")).json())["status"]


async def test_setup_and_first_login_make_an_administrator(browser, provider, open_browser, server):
    """Whoever logs in first is it, whatever they were before; the second is not."""
    assert "setup" == await status_of(browser)
    response = await browser.post(SETUP, json=NAME)
    assert (200, {"status": "resource-admin"}) == (response.status, await response.json())

    first = await browser.log_in(provider, "user")
    second = await (await open_browser(server)).log_in(provider, "power")

    assert ("resource_admin", None) == (first["role"], second["role"])
    assert "ready" == await status_of(browser)
    assert 1 == provider.counts["make_resource_admin"]


async def test_of_two_concurrent_first_logins_one_is_the_administrator(browser, provider, open_browser, server):
    """However close together they come."""
    await browser.post(SETUP, json=NAME)
    other = await open_browser(server)
    answers = [
        await provider.log_in_url(await one.begin(), user=user) for one, user in ((browser, "user"), (other, "power"))
    ]

    responses = await asyncio.gather(browser.finish(answers[0]), other.finish(answers[1]))

    assert [200, 200] == [response.status for response in responses]
    roles = [(await one.user())["role"] for one in (browser, other)]
    assert 1 == roles.count("resource_admin")


async def test_failed_first_login_can_be_repeated(browser, provider):
    """Nobody is the administrator then, and the next who logs in becomes it."""
    await browser.post(SETUP, json=NAME)
    provider.fail("make_resource_admin", status=403, body={"error": "forbidden"})
    answer = await provider.log_in_url(await browser.begin(), user="user")

    assert 400 <= (await browser.finish(answer)).status
    assert "resource-admin" == await status_of(browser)
    assert "resource_admin" == (await browser.log_in(provider, "power"))["role"]


async def test_a_second_setup_is_refused(browser):
    """At the same time or later."""
    responses = await asyncio.gather(*(browser.post(SETUP, json=NAME) for _ in range(5)))

    assert [200, 400, 400, 400, 400] == sorted(response.status for response in responses)


async def test_an_outage_does_not_open_the_setup(browser, server, monkeypatch):
    """What cannot be read is no missing row."""
    await browser.post(SETUP, json=NAME)

    async def fail(*_, **__):
        raise DatabaseUnavailable

    monkeypatch.setattr(server.app[INSTANCES]._database, "maybe", fail)

    for response in (await browser.post(SETUP, json=NAME), await browser.get("/bodhi/v1/info")):
        assert (503, "auth_error-database_unavailable") == (response.status, (await response.json())["error"]["code"])
