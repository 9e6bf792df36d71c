"""Tokens in the ``Authorization`` header, through the whole server."""

import pytest

GATED = "/bodhi/v1/tokens"  # sessions alone


@pytest.fixture
def ask(browser, provider):
    """Asks as another application, with a token of its own for a person."""
    provider.add_client("notes", secret="a secret of the notes")

    async def ask(path="/bodhi/v1/user", *, scope="openid profile scope_user_user", user="user", token=None, **claims):
        token = token or provider.issue_access_token(
            user, client_id="notes", audience=["notes", "bodhi"], scope=scope, **claims
        )
        return await browser.session.get(browser.make_url(path), headers={"Authorization": f"Bearer {token}"})

    return ask


async def test_another_application_tells_who_it_acts_for(ask, provider):
    """With the scope that the person gave it."""
    response = await ask()

    told = await response.json()
    assert ("logged_in", provider.person("user").user_id, "user", "scope_user_user") == (
        told["auth_status"],
        told["user_id"],
        told["username"],
        told["role"],
    )
    assert {"Cookie", "Authorization"} == set(response.headers["Vary"].replace(" ", "").split(","))


async def test_without_a_user_scope_it_keeps_its_identity(ask, provider):
    """Who it acts for is known; what it may do is nothing, which is 401 and not 403."""
    told = await (await ask(scope="openid profile")).json()
    gated = await ask(GATED, scope="openid profile")

    assert ("logged_in", provider.person("user").user_id, None) == (told["auth_status"], told["user_id"], told["role"])
    assert (401, "api_auth_error-missing_auth") == (gated.status, (await gated.json())["error"]["code"])


async def test_one_exchange_serves_many_requests(ask, provider):
    """Until the token, or what it was exchanged for, expires."""
    token = provider.issue_access_token("user", client_id="notes", audience=["bodhi"], scope="scope_user_user")

    for _ in range(3):
        assert 200 == (await ask(token=token)).status

    assert 1 == provider.counts["exchange"]


async def test_a_removed_person_is_nobody_to_other_applications(ask, provider, open_browser, server):
    """Nor is what was remembered of them."""
    admin = await open_browser(server)
    await admin.log_in(provider, "admin")
    await (await open_browser(server)).log_in(provider, "user")
    token = provider.issue_access_token("user", client_id="notes", audience=["bodhi"], scope="scope_user_user")
    assert "logged_in" == (await (await ask(token=token)).json())["auth_status"]

    assert 200 == (await admin.delete(f"/bodhi/v1/users/{provider.person('user').user_id}")).status

    assert {"auth_status": "logged_out"} == await (await ask(token=token)).json()


async def test_a_token_is_looked_at_instead_of_the_session(browser, provider):
    """A bad one makes nobody of somebody, since it is what the caller wants to be judged by."""
    await browser.log_in(provider, "power")
    for value in ("Bearer nonsense", "Basic dXNlcjpwYXNz", "bearer x", "Bearer bodhiapp_" + "x" * 43):
        told = await browser.get("/bodhi/v1/user", headers={"Authorization": value})
        gated = await browser.get(GATED, headers={"Authorization": value})

        assert {"auth_status": "logged_out"} == await told.json()
        assert 401 == gated.status
    assert "power" == (await browser.user())["username"]


async def test_an_api_token_acts_for_its_owner(browser, provider, ask):
    """From its making to its end."""
    await browser.log_in(provider, "power")
    made = await browser.post(GATED, json={"name": "mine", "scope": "scope_token_user"})
    token = (await made.json())["token"]
    assert "no-store" == made.headers["Cache-Control"]
    (listed,) = (await (await browser.get(GATED)).json())["data"]

    assert {"auth_status": "api_token", "role": "scope_token_user"} == await (await ask(token=token)).json()
    assert "token_hash" not in listed
    assert token not in str(listed)
    assert 204 == (await browser.delete(f"{GATED}/{listed['id']}")).status
    assert {"auth_status": "logged_out"} == await (await ask(token=token)).json()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"audience": ["somebody-else"]}, "token_error-invalid_audience"),
        ({"iss": "https://evil.example"}, "token_error-invalid_issuer"),
        ({"expires_in": -1}, "token_error-expired"),
        ({"typ": "ID"}, "token_error-json_web_token"),
        ({"jti": None}, "token_error-invalid_token"),
    ],
    ids=str,
)
async def test_a_wrong_token_is_nobodys(ask, provider, changes, code):
    """And the provider is not asked about it."""
    options = {"client_id": "notes", "audience": ["bodhi"], "scope": "scope_user_user", **changes}
    response = await ask(GATED, token=provider.issue_access_token("user", **options))

    assert (401, code) == (response.status, (await response.json())["error"]["code"])
    assert 0 == provider.counts["exchange"]


async def test_an_outage_of_the_provider_is_no_refusal(ask, provider):
    """Where the token needs an exchange: 503, and later it works."""
    token = provider.issue_access_token("user", client_id="notes", audience=["bodhi"], scope="scope_user_user")
    provider.fail("exchange", status=503)
    gated = await ask(GATED, token=token)

    assert (503, "auth_error-idp_unavailable") == (gated.status, (await gated.json())["error"]["code"])
    assert "logged_in" == (await (await ask(token=token)).json())["auth_status"]
