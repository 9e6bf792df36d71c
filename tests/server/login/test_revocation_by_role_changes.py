"""Approval, role change and removal revoke sessions and tokens, in the whole server."""

import pytest

from bodhi.session import SESSIONS, SessionUnavailable


@pytest.fixture
async def people(server, open_browser, provider):
    """Browsers of the admin, of a manager, and two of a power user."""
    browsers = {}
    for name, user in (("admin", "admin"), ("manager", "manager"), ("power", "power"), ("phone", "power")):
        browsers[name] = await open_browser(server)
        await browsers[name].log_in(provider, user)
    return browsers


async def code_of(response):
    """Return status and code of a response."""
    text = await response.text()
    return response.status, (await response.json())["error"]["code"] if '"error"' in text else None


def role_of(provider, user):
    """Return the URL for a user's role."""
    return f"/bodhi/v1/users/{provider.person(user).user_id}/role"


async def api_token(browser, scope="scope_token_power_user"):
    """Create an API token of the logged-in user."""
    response = await browser.post("/bodhi/v1/tokens", json={"name": "mine", "scope": scope})
    assert 201 == response.status, await response.text()
    return (await response.json())["token"]


async def user_of_token(browser, token):
    """Return the result of ``GET /bodhi/v1/user`` with a token."""
    response = await browser.session.get(
        browser.make_url("/bodhi/v1/user"), headers={"Authorization": f"Bearer {token}"}
    )
    return await response.json()


async def test_role_change_ends_all_sessions(people, provider):
    """They have the old role in them."""
    response = await people["manager"].put(role_of(provider, "power"), json={"role": "resource_user"})

    assert (200, None) == await code_of(response)
    assert {"auth_status": "logged_out"} == await people["power"].user() == await people["phone"].user()
    assert "manager" == (await people["manager"].user())["username"]
    told = await people["power"].log_in(provider, "power")
    assert "resource_user" == told["role"]


async def test_api_tokens_are_limited_to_their_owners_role(people, provider):
    """From the change on."""
    token = await api_token(people["power"])
    assert {"auth_status": "api_token", "role": "scope_token_power_user"} == await user_of_token(people["admin"], token)

    await people["manager"].put(role_of(provider, "power"), json={"role": "resource_user"})

    assert {"auth_status": "logged_out"} == await user_of_token(people["admin"], token)


async def test_a_removal_ends_sessions_and_tokens(people, provider):
    """By an administrator alone."""
    token = await api_token(people["power"])
    path = f"/bodhi/v1/users/{provider.person('power').user_id}"
    assert (403, "api_auth_error-forbidden") == await code_of(await people["manager"].delete(path))

    assert (200, None) == await code_of(await people["admin"].delete(path))

    assert {"auth_status": "logged_out"} == await people["power"].user() == await people["phone"].user()
    assert {"auth_status": "logged_out"} == await user_of_token(people["admin"], token)


async def test_failed_revocation_by_a_role_change_can_be_repeated(people, provider, server, monkeypatch):
    """The role has changed by then, and is changed to the same once more."""
    with monkeypatch.context() as broken:

        async def fail(*_, **__):
            raise SessionUnavailable

        broken.setattr(server.app[SESSIONS].get_session_store(), "clear_user", fail)
        response = await people["manager"].put(role_of(provider, "power"), json={"role": "resource_user"})
    assert (503, "user_route_error-session_clear_failed") == await code_of(response)
    assert response.headers["Retry-After"]

    response = await people["manager"].put(role_of(provider, "power"), json={"role": "resource_user"})
    assert (200, None) == await code_of(response)
    assert {"auth_status": "logged_out"} == await people["power"].user()


async def test_an_approval_ends_the_sessions_without_a_role(people, provider, server, open_browser):
    """The next login has one."""
    nobody = await open_browser(server)
    await nobody.log_in(provider, "nobody")
    assert 201 == (await nobody.post("/bodhi/v1/user/request-access")).status
    assert "pending" == (await (await nobody.get("/bodhi/v1/user/request-status")).json())["status"]
    (pending,) = (await (await people["manager"].get("/bodhi/v1/access-requests/pending")).json())["requests"]

    response = await people["manager"].post(
        f"/bodhi/v1/access-requests/{pending['id']}/approve", json={"role": "resource_user"}
    )

    assert (200, None) == await code_of(response)
    assert {"auth_status": "logged_out"} == await nobody.user()
    assert "resource_user" == (await nobody.log_in(provider, "nobody"))["role"]


async def test_manager_cannot_grant_a_role_above_their_own(people, provider):
    """Neither by a change of role nor by an approval."""
    response = await people["manager"].put(role_of(provider, "power"), json={"role": "resource_admin"})

    assert (400, "user_route_error-invalid_role") == await code_of(response)
    assert "power" == (await people["power"].user())["username"]
