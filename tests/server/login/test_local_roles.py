"""Roles that managers give in bodhi's own database, for providers without management calls."""

import asyncio

import pytest

from bodhi.server.access.profiles import PROFILES
from bodhi.server.access.scopes import Role
from bodhi.session import SESSIONS, SessionUnavailable
from bodhi.session.handles import digest_of

OWN_TABLE = {"BODHI_AUTH_MANAGEMENT": "false", "BODHI_TOKEN_MEMORY": "0"}
TOKENS = "/bodhi/v1/tokens"
LAST_ADMIN = (409, "user_route_error-last_admin")
REFUSED_TOKEN = (401, "api_auth_error-missing_auth")


@pytest.fixture
async def server(start_server):
    """A node that gives roles itself."""
    return await start_server(**OWN_TABLE)


@pytest.fixture
async def admin(server, open_browser, provider):
    """An administrator, by the provider's word."""
    browser = await open_browser(server)
    await browser.log_in(provider, "admin")
    return browser


async def code_of(response):
    """Return status and code of a response."""
    return response.status, (await response.json())["error"]["code"] if response.status >= 400 else None


async def put(browser, user_id, role):
    """Give a role; return status and code."""
    return await code_of(await browser.put(f"/bodhi/v1/users/{user_id}/role", json={"role": role}))


async def delete(browser, user_id):
    """Remove a user; return status and code."""
    return await code_of(await browser.delete(f"/bodhi/v1/users/{user_id}"))


async def api_token_of(browser):
    """Create an API token of the logged-in user."""
    response = await browser.post(TOKENS, json={"scope": "scope_token_user"})
    assert 201 == response.status, await response.text()
    return (await response.json())["token"]


async def used(browser, token):
    """Use an API token; return status and code."""
    url = browser.make_url("/bodhi/v1/auth/verify")
    async with browser.session.get(url, headers={"Authorization": f"Bearer {token}", "Cookie": ""}) as response:
        return await code_of(response)


async def logged_in(open_browser, server, provider, user):
    """Open a browser in which *user* is logged in, and return it with what the user is."""
    browser = await open_browser(server)
    return browser, await browser.log_in(provider, user)


async def test_a_given_role_comes_with_the_next_login(start_server, server, open_browser, admin, provider):
    """And stays, at refreshes and further logins, on every node."""
    browser, user = await logged_in(open_browser, server, provider, "nobody")
    assert user["role"] is None

    assert (200, None) == await put(admin, user["user_id"], "resource_power_user")

    assert "logged_out" == (await browser.user())["auth_status"]
    for node in (server, await start_server(**OWN_TABLE)):
        browser, user = await logged_in(open_browser, node, provider, "nobody")
        assert "resource_power_user" == user["role"]
        assert 200 == (await browser.get(TOKENS)).status
    assert Role.POWER_USER is await server.app[PROFILES].role_of(user["user_id"])
    assert 0 == provider.counts["assign_role"] + provider.counts["users"]


async def test_a_given_role_outlives_a_refresh(server, open_browser, admin, provider):
    """The new tokens know nothing of it."""
    _, user = await logged_in(open_browser, server, provider, "nobody")
    await put(admin, user["user_id"], "resource_power_user")
    browser, _ = await logged_in(open_browser, server, provider, "nobody")
    expired = provider.issue_access_token("nobody", expires_in=-5)
    digest = digest_of(browser.session_cookie)
    await server.app[SESSIONS].atomically(digest, lambda data, _: data.update(access_token=expired))

    assert "resource_power_user" == (await browser.user())["role"]

    assert 1 == provider.counts["refresh"]
    assert Role.POWER_USER is await server.app[PROFILES].role_of(user["user_id"])


@pytest.mark.parametrize("change", ["resource_user", "resource_power_user", "removal"])
async def test_a_refresh_during_a_change_keeps_no_earlier_role(
    server, open_browser, admin, provider, monkeypatch, change
):
    """The session with the old role is about to end; API tokens would have that role for longer."""
    browser, user = await logged_in(open_browser, server, provider, "manager")
    user_id, profiles = user["user_id"], server.app[PROFILES]
    expired = provider.issue_access_token("manager", expires_in=-5)
    await server.app[SESSIONS].atomically(
        digest_of(browser.session_cookie), lambda data, _: data.update(access_token=expired)
    )
    name = "remove" if change == "removal" else "set_role"
    genuine = getattr(profiles, name)

    async def then_refresh(*args):
        await genuine(*args)
        await browser.user()
        assert 1 == provider.counts["refresh"]

    monkeypatch.setattr(profiles, name, then_refresh)

    answer = await (delete(admin, user_id) if change == "removal" else put(admin, user_id, change))

    assert 1 == provider.counts["refresh"]
    assert ((200, None), "logged_out") == (answer, (await browser.user())["auth_status"])
    assert (None if change == "removal" else Role(change)) is await profiles.role_of(user_id)


async def test_it_comes_before_what_the_provider_says(server, open_browser, admin, provider):
    """A demotion too, for API tokens at once."""
    browser, user = await logged_in(open_browser, server, provider, "manager")
    token = await api_token_of(browser)
    assert (200, None) == await used(browser, token)

    assert (200, None) == await put(admin, user["user_id"], "resource_user")

    assert "logged_out" == (await browser.user())["auth_status"]
    assert "resource_user" == (await browser.log_in(provider, "manager"))["role"]
    assert 403 == (await browser.get("/bodhi/v1/users")).status
    assert (200, None) == await used(browser, token)


@pytest.mark.parametrize("user", ["manager", "user", "nobody"])
async def test_a_removal_stays_until_a_role_is_given(start_server, open_browser, provider, user):
    """Neither the provider's claims nor the default role brings it back; an approval does."""
    server = await start_server(**OWN_TABLE, BODHI_AUTH_DEFAULT_ROLE="resource_power_user")
    admin, _ = await logged_in(open_browser, server, provider, "admin")
    browser, removed = await logged_in(open_browser, server, provider, user)
    token = await api_token_of(browser)

    assert (200, None) == await delete(admin, removed["user_id"])

    assert "logged_out" == (await browser.user())["auth_status"]
    assert REFUSED_TOKEN == await used(browser, token)
    assert (await browser.log_in(provider, user))["role"] is None
    assert REFUSED_TOKEN == await used(browser, token)
    assert 401 == (await browser.get(TOKENS)).status
    assert 201 == (await browser.post("/bodhi/v1/user/request-access")).status
    (request,) = (await (await admin.get("/bodhi/v1/access-requests/pending")).json())["requests"]
    approval = await admin.post(f"/bodhi/v1/access-requests/{request['id']}/approve", json={"role": "resource_user"})
    assert 200 == approval.status
    assert "resource_user" == (await browser.log_in(provider, user))["role"]
    assert REFUSED_TOKEN == await used(browser, token)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("change", ["removed", "demoted"])
async def test_a_login_under_way_does_not_survive_a_change(server, open_browser, admin, provider, when, change):
    """Whether it has read the stored role or not."""
    other_device, user = await logged_in(open_browser, server, provider, "power")
    browser = await open_browser(server)
    answer = await provider.log_in_url(await browser.begin(), user="power")
    hold = provider.hold("code", after=when == "after")
    login = asyncio.create_task(browser.finish(answer))
    await hold.wait_until_reached()

    user_id = user["user_id"]
    done = await (delete(admin, user_id) if change == "removed" else put(admin, user_id, "resource_user"))
    hold.release()

    assert (200, None) == done
    assert (409, "login_error-access_changed") == await code_of(await login)
    assert "logged_out" == (await browser.user())["auth_status"] == (await other_device.user())["auth_status"]
    assert 0 == await server.app[SESSIONS].count_sessions_for_user(user["user_id"])
    expected = None if change == "removed" else "resource_user"
    assert expected == (await browser.log_in(provider, "power"))["role"]


async def test_the_last_administrator_stays(server, open_browser, admin, provider):
    """Somebody who is one by a role given here counts as another."""
    admin_id, (browser, user) = (await admin.user())["user_id"], await logged_in(open_browser, server, provider, "user")
    assert LAST_ADMIN == await put(admin, admin_id, "resource_manager")
    assert LAST_ADMIN == await delete(admin, admin_id)

    assert (200, None) == await put(admin, user["user_id"], "resource_admin")
    await browser.log_in(provider, "user")
    assert (200, None) == await put(browser, admin_id, "resource_manager")

    assert LAST_ADMIN == await delete(browser, user["user_id"])
    assert "resource_manager" == (await admin.log_in(provider, "admin"))["role"]


async def test_two_administrators_cannot_demote_each_other(start_server, server, open_browser, admin, provider):
    """On two nodes at the same time."""
    browser, user = await logged_in(open_browser, server, provider, "user")
    assert (200, None) == await put(admin, user["user_id"], "resource_admin")
    browser, _ = await logged_in(open_browser, await start_server(**OWN_TABLE), provider, "user")
    admin_id = (await admin.user())["user_id"]

    demotions = (put(admin, user["user_id"], "resource_user"), put(browser, admin_id, "resource_user"))
    answers = await asyncio.gather(*demotions)

    assert 1 == answers.count((200, None)), answers
    roles = [await server.app[PROFILES].role_of(user_id) for user_id in (admin_id, user["user_id"])]
    assert 1 == roles.count(Role.ADMIN)


async def test_ranks_hold(server, open_browser, admin, provider):
    """Managers give what they have, to those who are not above them; only administrators remove."""
    manager, _ = await logged_in(open_browser, server, provider, "manager")
    _, user = await logged_in(open_browser, server, provider, "user")
    admin_id = (await admin.user())["user_id"]

    assert (400, "user_route_error-invalid_role") == await put(manager, user["user_id"], "resource_admin")
    assert (403, "api_auth_error-forbidden") == await put(manager, admin_id, "resource_user")
    assert (403, "api_auth_error-forbidden") == await delete(manager, user["user_id"])
    assert (404, "user_route_error-user_not_found") == await put(manager, "who", "resource_user")
    assert (404, "user_route_error-user_not_found") == await delete(admin, "who")
    assert (200, None) == await put(manager, user["user_id"], "resource_manager")


async def test_users_with_a_role_are_listed(server, open_browser, admin, provider):
    """From the table, in pages."""
    for user in ("user", "power", "nobody"):
        await logged_in(open_browser, server, provider, user)

    first, second = [await (await admin.get(f"/bodhi/v1/users?page={page}&page_size=2")).json() for page in (1, 2)]

    assert [("admin", "resource_admin"), ("power", "resource_power_user"), ("user", "resource_user")] == [
        (user["username"], user["role"]) for page in (first, second) for user in page["users"]
    ]
    assert (provider.client_id, 3, 2, True, False) == (
        *(first[name] for name in ("client_id", "total_users", "total_pages", "has_next", "has_previous")),
    )
    assert (False, True) == (second["has_next"], second["has_previous"])


async def test_the_first_user_becomes_administrator(start_server, open_browser, provider):
    """The role is stored here; the next one has none."""
    server = await start_server(**OWN_TABLE, BODHI_CLIENT_STATUS="resource-admin")

    browser, user = await logged_in(open_browser, server, provider, "nobody")
    _, next_user = await logged_in(open_browser, server, provider, "user")

    assert ("resource_admin", "resource_user") == (user["role"], next_user["role"])
    assert 200 == (await browser.get("/bodhi/v1/users")).status
    assert 0 == provider.counts["make_resource_admin"]
    assert "resource_admin" == (await logged_in(open_browser, server, provider, "nobody"))[1]["role"]


async def test_roles_given_here_do_not_count_with_management_calls(start_server, server, open_browser, admin, provider):
    """After a change of the settings, the provider is asked."""
    _, user = await logged_in(open_browser, server, provider, "nobody")
    await put(admin, user["user_id"], "resource_admin")
    browser, _ = await logged_in(open_browser, server, provider, "nobody")
    managed = await start_server(BODHI_AUTH_MANAGEMENT="true")
    elsewhere = await open_browser(managed)
    elsewhere.session.cookie_jar.update_cookies({"bodhiapp_session_id": browser.session_cookie})

    assert (await elsewhere.user())["role"] is None


@pytest.mark.parametrize("management", ["true", "false"])
async def test_the_role_a_user_has_changes_nothing(start_server, open_browser, provider, management):
    """No session ends, and no login under way."""
    server = await start_server(BODHI_AUTH_MANAGEMENT=management)
    admin, administrator = await logged_in(open_browser, server, provider, "admin")
    browser, user = await logged_in(open_browser, server, provider, "power")
    since = await server.app[PROFILES].last_change()

    assert (200, None) == await put(admin, user["user_id"], "resource_power_user")
    assert (200, None) == await put(admin, administrator["user_id"], "resource_admin")

    assert user == await browser.user()
    assert administrator == await admin.user()
    assert since == await server.app[PROFILES].last_change()
    assert 0 == provider.counts["assign_role"]


@pytest.mark.parametrize("management", ["true", "false"])
async def test_a_failed_change_is_completed_by_the_same_role_again(
    start_server, open_browser, provider, monkeypatch, management
):
    """The sessions with the old role end then; once they have, nothing is left to do."""
    server = await start_server(BODHI_AUTH_MANAGEMENT=management)
    admin, _ = await logged_in(open_browser, server, provider, "admin")
    browser, user = await logged_in(open_browser, server, provider, "power")

    async def fail(*_, **__):
        raise SessionUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(type(server.app[SESSIONS]._store), "clear_user", fail)
        assert (503, "user_route_error-session_clear_failed") == await put(admin, user["user_id"], "resource_user")
    assert "resource_power_user" == (await browser.user())["role"]

    assert (200, None) == await put(admin, user["user_id"], "resource_user")

    assert "logged_out" == (await browser.user())["auth_status"]
    again = await browser.log_in(provider, "power")
    assert "resource_user" == again["role"]
    assert (200, None) == await put(admin, user["user_id"], "resource_user")
    assert again == await browser.user()


ALL = {
    **OWN_TABLE,
    "BODHI_AUTH_ALLOW": "@example.org",
    "BODHI_AUTH_ALLOW_UNVERIFIED_EMAIL": "true",
    "BODHI_AUTH_DEFAULT_ROLE": "resource_user",
    "BODHI_AUTH_USERINFO": "always",
    "BODHI_AUTH_NAME_CLAIM": "email",
}


@pytest.mark.parametrize("path", [TOKENS, "/bodhi/v1/user", "/bodhi/v1/auth/verify"])
async def test_known_logins_need_no_further_statement(start_server, open_browser, provider, monkeypatch, path):
    """None of these settings adds one, nor a call of the provider."""
    seen = []
    for environ in ({}, ALL):
        server = await start_server(**environ)
        browser, user = await logged_in(open_browser, server, provider, "power")
        assert "resource_power_user" == user["role"]
        await browser.get(path)
        before, statements = dict(provider.counts), []
        with monkeypatch.context() as patch:
            record_statements(patch, server.app[PROFILES]._database, statements)
            assert 200 == (await browser.get(path)).status
        assert before == dict(provider.counts)
        seen.append(statements)

    without, with_all = seen
    assert without == with_all
    assert "find_person" not in with_all


def record_statements(patch, database, statements):
    """Add the names of the statements that *database* runs to *statements*."""
    for method in ("maybe", "many", "count"):
        genuine = getattr(type(database), method)

        async def noting(self, name, *args, _genuine=genuine, **values):
            statements.append(name)
            return await _genuine(self, name, *args, **values)

        patch.setattr(type(database), method, noting)
