"""Tokens in the ``Authorization`` header, through the whole server."""

import pytest

from bodhi.server.access.errors import DatabaseUnavailable
from bodhi.server.apps.service import APP_ACCESS_REQUESTS

GATED = "/bodhi/v1/tokens"  # sessions alone


@pytest.fixture
def send(browser, provider):
    """Send a request as an external application."""
    provider.add_client("notes", secret="a secret of the notes")

    async def send(path="/bodhi/v1/user", *, scope="openid profile scope_user_user", user="user", token=None, **claims):
        token = token or provider.issue_access_token(
            user, client_id="notes", audience=["notes", "bodhi"], scope=scope, **claims
        )
        return await browser.session.get(browser.make_url(path), headers={"Authorization": f"Bearer {token}"})

    return send


async def test_external_app_acts_for_its_user(send, provider, open_browser, server):
    """With the scope that the person gave it."""
    await (await open_browser(server)).log_in(provider)
    response = await send()

    told = await response.json()
    assert ("logged_in", provider.person("user").user_id, "user", "scope_user_user") == (
        told["auth_status"],
        told["user_id"],
        told["username"],
        told["role"],
    )
    assert {"Cookie", "Authorization"} == set(response.headers["Vary"].replace(" ", "").split(","))


async def test_external_app_without_a_user_scope_only_identifies_its_user(send, provider):
    """Who it acts for is known; what it may do is nothing, which is 401 and not 403."""
    told = await (await send(scope="openid profile")).json()
    gated = await send(GATED, scope="openid profile")

    assert ("logged_in", provider.person("user").user_id, None) == (told["auth_status"], told["user_id"], told["role"])
    assert (401, "api_auth_error-missing_auth") == (gated.status, (await gated.json())["error"]["code"])


async def test_one_exchange_serves_many_requests(send, provider):
    """Until the token, or what it was exchanged for, expires."""
    token = provider.issue_access_token("user", client_id="notes", audience=["bodhi"], scope="scope_user_user")

    for _ in range(3):
        assert 200 == (await send(token=token)).status

    assert 1 == provider.counts["exchange"]


async def test_external_app_of_a_removed_user_is_refused(send, provider, open_browser, server):
    """Nor is what was remembered of them."""
    admin = await open_browser(server)
    await admin.log_in(provider, "admin")
    await (await open_browser(server)).log_in(provider, "user")
    token = provider.issue_access_token("user", client_id="notes", audience=["bodhi"], scope="scope_user_user")
    assert "logged_in" == (await (await send(token=token)).json())["auth_status"]

    assert 200 == (await admin.delete(f"/bodhi/v1/users/{provider.person('user').user_id}")).status

    assert {"auth_status": "logged_out"} == await (await send(token=token)).json()


@pytest.mark.parametrize(
    "paths", [("/bodhi/v1/users/{id}", ""), ("/ui/admin/person/remove", "id={id}")], ids=["api", "page"]
)
async def test_re_added_user_has_no_approved_applications(send, provider, open_browser, server, paths):
    """By logging in again: they have no role to hand on, and their approvals are withdrawn."""
    admin, user = await open_browser(server), await open_browser(server)
    await admin.log_in(provider, "admin")
    await user.log_in(provider, "user")
    user_id = provider.person("user").user_id
    scope = await approve(user)
    approved = {"scope": f"openid scope_user_user {scope}"}
    assert "scope_user_user" == (await (await send(**approved)).json())["role"]

    path, query = (part.format(id=user_id) for part in paths)
    removed = await (admin.post(f"{path}?{query}", allow_redirects=False) if query else admin.delete(path))
    assert removed.status in {200, 303}
    assert {"auth_status": "logged_out"} == await (await send()).json()
    await user.log_in(provider, "user")

    told = await (await send()).json()
    assert ("logged_in", None) == (told["auth_status"], told["role"])
    gated = await send(GATED, **approved)
    assert (403, "access_request_validation_error-not_approved") == (
        gated.status,
        (await gated.json())["error"]["code"],
    )


async def test_repeated_removal_withdraws_application_approvals(send, provider, open_browser, server):
    """Whatever of it failed before."""
    admin, user = await open_browser(server), await open_browser(server)
    await admin.log_in(provider, "admin")
    await user.log_in(provider, "user")
    scope = await approve(user)
    requests = server.app[APP_ACCESS_REQUESTS]
    works = requests.withdraw_all_of

    async def fails(_):
        requests.withdraw_all_of = works
        raise DatabaseUnavailable

    requests.withdraw_all_of = fails
    path = f"/bodhi/v1/users/{provider.person('user').user_id}"
    assert [503, 200] == [(await admin.delete(path)).status for _ in range(2)]
    await user.log_in(provider, "user")

    gated = await send(GATED, scope=f"scope_user_user {scope}")
    assert (403, "access_request_validation_error-not_approved") == (
        gated.status,
        (await gated.json())["error"]["code"],
    )


async def approve(browser):
    """Approve an access request in *browser*; return its scope."""
    requested = {"app_client_id": "notes", "flow_type": "popup", "requested": {"notes": ["read"]}}
    request_id = (await (await browser.post("/bodhi/v1/apps/request-access", json=requested)).json())["id"]
    path = f"/bodhi/v1/access-requests/{request_id}/approve"
    assert 200 == (await browser.put(path, json={"approved": requested["requested"]})).status
    found = await browser.get(f"/bodhi/v1/apps/access-requests/{request_id}?app_client_id=notes")
    return (await found.json())["access_request_scope"]


async def test_role_change_applies_to_external_apps_at_once(send, provider, open_browser, server, start_server):
    """What is remembered of their tokens as well, on this node and on others."""
    admin, other = await open_browser(server), await open_browser(await start_server())
    await admin.log_in(provider, "admin")
    await (await open_browser(server)).log_in(provider, "manager")
    options = {"client_id": "notes", "audience": ["bodhi"], "scope": "openid scope_user_admin"}
    token = provider.issue_access_token("manager", **options)

    async def roles():
        bearer = {"Authorization": f"Bearer {token}"}
        elsewhere = await other.session.get(other.make_url("/bodhi/v1/user"), headers=bearer)
        return [(await response.json())["role"] for response in (await send(token=token), elsewhere)]

    assert ["scope_user_manager"] * 2 == await roles()
    path = f"/bodhi/v1/users/{provider.person('manager').user_id}/role"
    for role, expected in (("resource_user", "scope_user_user"), ("resource_power_user", "scope_user_power_user")):
        assert 200 == (await admin.put(path, json={"role": role})).status
        assert [expected] * 2 == await roles()


async def test_bodhi_s_own_access_token_is_no_credential(browser, provider, send):
    """Whoever gets hold of one has nothing to present here."""
    await browser.log_in(provider, "admin")
    for audience in (["bodhi"], ["account", "notes", "bodhi"]):
        token = provider.issue_access_token("admin", audience=audience, scope="openid scope_user_admin")
        gated = await send(GATED, token=token)

        assert (401, "token_error-invalid_token") == (gated.status, (await gated.json())["error"]["code"])
        assert {"auth_status": "logged_out"} == await (await send(token=token)).json()
    assert 0 == provider.counts["exchange"]


async def test_bearer_token_takes_precedence_over_the_session(browser, provider):
    """A bad one makes nobody of somebody, since it is what the caller wants to be judged by."""
    await browser.log_in(provider, "power")
    for value in ("Bearer nonsense", "Basic dXNlcjpwYXNz", "bearer x", "Bearer bodhiapp_" + "x" * 43):
        told = await browser.get("/bodhi/v1/user", headers={"Authorization": value})
        gated = await browser.get(GATED, headers={"Authorization": value})

        assert {"auth_status": "logged_out"} == await told.json()
        assert 401 == gated.status
    assert "power" == (await browser.user())["username"]


async def test_an_api_token_acts_for_its_owner(browser, provider, send):
    """From its making to its end."""
    await browser.log_in(provider, "power")
    made = await browser.post(GATED, json={"name": "mine", "scope": "scope_token_user"})
    token = (await made.json())["token"]
    assert "no-store" == made.headers["Cache-Control"]
    (listed,) = (await (await browser.get(GATED)).json())["data"]

    assert {"auth_status": "api_token", "role": "scope_token_user"} == await (await send(token=token)).json()
    assert "token_hash" not in listed
    assert token not in str(listed)
    assert 204 == (await browser.delete(f"{GATED}/{listed['id']}")).status
    assert {"auth_status": "logged_out"} == await (await send(token=token)).json()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"audience": ["somebody-else"]}, "token_error-invalid_audience"),
        ({"iss": "https://evil.example"}, "token_error-invalid_issuer"),
        ({"expires_in": -61}, "token_error-expired"),
        ({"typ": "ID"}, "token_error-json_web_token"),
        ({"jti": None}, "token_error-invalid_token"),
    ],
    ids=str,
)
async def test_invalid_bearer_token_is_refused_despite_a_session(send, provider, changes, code):
    """And the provider is not asked about it."""
    options = {"client_id": "notes", "audience": ["bodhi"], "scope": "scope_user_user", **changes}
    response = await send(GATED, token=provider.issue_access_token("user", **options))

    assert (401, code) == (response.status, (await response.json())["error"]["code"])
    assert 0 == provider.counts["exchange"]


async def test_provider_outage_is_503_for_bearer_tokens(send, provider):
    """Where the token needs an exchange: 503, and later it works."""
    token = provider.issue_access_token("user", client_id="notes", audience=["bodhi"], scope="scope_user_user")
    provider.fail("exchange", status=503)
    gated = await send(GATED, token=token)

    assert (503, "auth_error-idp_unavailable") == (gated.status, (await gated.json())["error"]["code"])
    assert "logged_in" == (await (await send(token=token)).json())["auth_status"]
