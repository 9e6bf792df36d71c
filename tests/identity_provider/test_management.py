"""The management API: clients, roles, users, consents."""

import pytest

from bodhi.server.access.scopes import Role


@pytest.fixture
def token(provider):
    """Returns a user's access token."""
    return lambda username: provider.issue_tokens(username)["access_token"]


@pytest.fixture
async def service(post):
    """Returns the access token of the client's service account."""
    _, answer = await post("token", grant_type="client_credentials", scope="service_account")
    return answer["access_token"]


async def test_a_client_is_registered_and_gets_its_first_administrator(provider, post, manage):
    """Nobody has a role at it before; its service account names the first."""
    body = {"name": "a new server", "description": "", "redirect_uris": ["http://localhost:1/back"]}
    status, made = await manage("POST", "resources", body=body)
    assert (201, {"client_id", "client_secret", "scope"}) == (status, set(made))
    assert [] == provider.realm.accounts.members(made["client_id"])

    credentials = {"client_id": made["client_id"], "client_secret": made["client_secret"]}
    _, service = await post("token", grant_type="client_credentials", scope="service_account", **credentials)
    user_id = provider.person("nobody").user_id
    path = "resources/make-resource-admin"
    assert 200 == (await manage("POST", path, service["access_token"], {"user_id": user_id}))[0]

    assert Role.ADMIN is provider.realm.accounts.role(made["client_id"], user_id)
    assert None is provider.realm.accounts.role(provider.client_id, user_id)


async def test_managers_assign_and_remove(provider, manage, token):
    """The next token shows it."""
    nobody = provider.person("nobody").user_id

    body = {"user_id": nobody, "role": "resource_power_user"}
    assert 200 == (await manage("POST", "resources/assign-role", token("manager"), body))[0]
    claims = provider.realm.read_access_token(token("nobody"))
    assert {"bodhi": {"roles": ["resource_power_user"]}} == claims["resource_access"]

    assert 200 == (await manage("POST", "resources/remove-user", token("manager"), {"user_id": nobody}))[0]
    assert "resource_access" not in provider.realm.read_access_token(token("nobody"))


async def test_users_come_in_pages(provider, manage, token):
    """Those who have a role."""
    _, first = await manage("GET", "resources/users?page=1&page_size=3", token("manager"))
    _, second = await manage("GET", "resources/users?page=2&page_size=3", token("manager"))

    assert ["admin", "manager", "power"] == [user["username"] for user in first["users"]]
    expected = {
        "client_id": "bodhi",
        "users": [
            {
                "user_id": provider.person("user").user_id,
                "username": "user",
                "first_name": "Uma",
                "last_name": "User",
                "role": "resource_user",
            }
        ],
        "page": 2,
        "page_size": 3,
        "total_pages": 2,
        "total_users": 4,
        "has_next": False,
        "has_previous": True,
    }
    assert expected == second


async def test_manager_calls_are_refused_to_others(manage, token, service):
    """403 for who is known, 401 for who is not."""
    for caller in (token("power"), token("nobody"), service):
        assert (403, "access_denied") == await _error(manage("GET", "resources/users", caller))
    for caller in (None, "text"):
        assert (401, "invalid_token") == await _error(manage("GET", "resources/users", caller))


async def test_service_account_calls_are_refused_to_users(provider, manage, token):
    """An administrator is not the client."""
    body = {"user_id": provider.person("user").user_id, "app_client_id": "app"}

    for path in ("resources/make-resource-admin", "resources/apps/request-access"):
        assert (403, "access_denied") == await _error(manage("POST", path, token("admin"), body))


async def test_malformed_management_calls_are_refused(provider, manage, token):
    """No such person, no such role, no JSON, no such page."""
    known = provider.person("user").user_id
    assign = "resources/assign-role"

    unknown_user = {"user_id": "x", "role": "resource_user"}
    assert (404, "not_found") == await _error(manage("POST", assign, token("admin"), unknown_user))
    unknown_role = {"user_id": known, "role": "king"}
    assert (400, "invalid_request") == await _error(manage("POST", assign, token("admin"), unknown_role))
    assert (400, "invalid_request") == await _error(manage("POST", assign, token("admin"), {"user_id": known}))
    assert (400, "invalid_request") == await _error(manage("POST", "resources", body={"name": "n", "redirect_uris": 1}))
    assert (400, "invalid_request") == await _error(manage("GET", "resources/users?page=0", token("admin")))


async def test_a_person_consents_to_an_application(provider, manage, token):
    """The scope is the application's alone, and the same when it is asked for again."""
    provider.add_client("app", any_loopback=True)
    provider.add_client("other", any_loopback=True)
    body = {"app_client_id": "app", "access_request_id": "request-1", "description": ""}

    status, first = await manage("POST", "users/request-access", token("user"), body)
    assert (200, "scope_bodhi", "request-1") == (status, first["scope"], first["access_request_id"])
    assert (200, first) == await manage("POST", "users/request-access", token("user"), body)

    for caller, app in (("admin", "app"), ("user", "other")):
        other = manage("POST", "users/request-access", token(caller), body | {"app_client_id": app})
        assert (409, "conflict") == await _error(other)


async def test_applications_are_known_by_name(provider, manage, token, service):
    """Their description for people, and the scope to ask for the client with."""
    provider.add_client("app", name="An application", description="It does things.")

    expected = {"client_id": "app", "name": "An application", "description": "It does things."}
    assert (200, expected) == await manage("GET", "users/apps/app/info", token("user"))
    assert (404, "not_found") == await _error(manage("GET", "users/apps/unknown/info", token("user")))
    access = "resources/apps/request-access"
    assert (200, {"scope": "scope_bodhi"}) == await manage("POST", access, service, {"app_client_id": "app"})
    assert (404, "not_found") == await _error(manage("POST", access, service, {"app_client_id": "unknown"}))


async def _error(asking):
    status, body = await asking
    return status, body["error"]
