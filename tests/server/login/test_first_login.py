"""From an unregistered server to its first administrator, in the whole application."""

import asyncio

import pytest

from bodhi.oidc import ProviderRefused
from bodhi.server.login.api import LOGIN

UNREGISTERED = {"BODHI_CLIENT_ID": None, "BODHI_CLIENT_SECRET": None}
SETUP = {"name": "a server for tests"}


@pytest.fixture
async def server(start_server):
    """A node without a configured client."""
    return await start_server(**UNREGISTERED)


async def status_of(browser):
    """Return the registration status."""
    response = await browser.get("/bodhi/v1/info")
    return (await response.json())["status"]


@pytest.fixture
async def registered(browser):
    """A browser at the registered node."""
    response = await browser.post("/bodhi/v1/setup", json=SETUP)
    assert (200, {"status": "resource-admin"}) == (response.status, await response.json())
    return browser


async def test_before_the_setup_all_requests_are_anonymous(browser):
    """And nobody can log in."""
    assert "setup" == await status_of(browser)
    assert {"auth_status": "logged_out"} == await browser.user()
    for path in ("/bodhi/v1/users", "/bodhi/v1/access-requests"):
        error = (await (await browser.get(path)).json())["error"]
        assert ("auth_error-app_status_invalid", "invalid_app_state") == (error["code"], error["type"])


async def test_first_login_makes_the_administrator(registered, provider, open_browser, server):
    """With the role in the session at once; the next one has none, asks for one, and gets it."""
    assert "resource_admin" == (await registered.log_in(provider, "nobody"))["role"]
    assert "ready" == await status_of(registered)

    second = await open_browser(server)
    assert (await second.log_in(provider, "user"))["role"] is None
    assert 201 == (await second.post("/bodhi/v1/user/request-access")).status
    (request,) = (await (await registered.get("/bodhi/v1/access-requests/pending")).json())["requests"]
    approve = f"/bodhi/v1/access-requests/{request['id']}/approve"
    assert 200 == (await registered.post(approve, json={"role": "resource_user"})).status

    assert {"auth_status": "logged_out"} == await second.user()
    assert "resource_user" == (await second.log_in(provider, "user"))["role"]
    listed = (await (await registered.get("/bodhi/v1/users")).json())["users"]
    assert {"nobody": "resource_admin", "user": "resource_user"} == {one["username"]: one["role"] for one in listed}


async def test_of_first_logins_at_once_one_becomes_the_administrator(
    registered, provider, start_server, open_browser, server
):
    """On two nodes; all of them are logged in."""
    nodes = server, await start_server(**UNREGISTERED)
    users = ("admin", "manager", "power", "user")
    browsers = [await open_browser(nodes[number % 2]) for number in range(len(users))]
    answers = [
        await provider.log_in_url(await browser.begin(), user=user)
        for browser, user in zip(browsers, users, strict=True)
    ]

    responses = await asyncio.gather(
        *(browser.finish(answer) for browser, answer in zip(browsers, answers, strict=True))
    )

    assert [200] * len(users) == [response.status for response in responses]
    roles = [(await browser.user())["role"] for browser in browsers]
    assert (3, 1) == (roles.count(None), roles.count("resource_admin"))


async def test_a_first_login_that_fails_leaves_the_place_to_the_next(registered, provider, server, monkeypatch):
    """The status stays, and so does nobody's session."""

    async def refuse(*_):
        raise ProviderRefused(403, "denied")

    with monkeypatch.context() as failing:
        failing.setattr(server.app[LOGIN].provider.management, "make_resource_admin", refuse)
        response = await registered.finish(await provider.log_in_url(await registered.begin(), user="admin"))
        assert 400 == response.status
    assert ("resource-admin", {"auth_status": "logged_out"}) == (await status_of(registered), await registered.user())

    assert "resource_admin" == (await registered.log_in(provider, "user"))["role"]
    assert "ready" == await status_of(registered)


async def test_a_configured_client_gets_its_first_administrator_too(start_server, open_browser, provider):
    """Once, whatever the settings say afterwards."""
    for user, role in (("nobody", "resource_admin"), ("user", "resource_user")):
        server = await start_server(BODHI_CLIENT_STATUS="resource-admin")
        browser = await open_browser(server)
        assert role == (await browser.log_in(provider, user))["role"]
        assert "ready" == await status_of(browser)
