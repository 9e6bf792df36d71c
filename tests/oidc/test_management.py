import pytest

from bodhi.oidc import (
    AppInfo,
    ClientCredentials,
    Consent,
    ProviderLacks,
    ProviderRefused,
    ProviderUnavailable,
    RegisteredClient,
)
from oidc.scripted import RESETS, TOKEN, Reply

CALLS = {
    "register": (
        lambda p, c: p.management.register_client(name="n", description="", redirect_uris=["http://b/"]),
        "/bodhi/resources",
    ),
    "admin": (lambda p, c: p.management.make_resource_admin(c, "u"), "/bodhi/resources/make-resource-admin"),
    "assign": (lambda p, c: p.management.assign_role("t", "u", "resource_user"), "/bodhi/resources/assign-role"),
    "remove": (lambda p, c: p.management.remove_user("t", "u"), "/bodhi/resources/remove-user"),
    "list": (lambda p, c: p.management.list_users("t", page=1, page_size=30), "/bodhi/resources/users"),
    "consent": (
        lambda p, c: p.management.consent("t", app_client_id="a", access_request_id="r", description="d"),
        "/bodhi/users/request-access",
    ),
    "app": (
        lambda p, c: p.management.register_app_access(c, app_client_id="a"),
        "/bodhi/resources/apps/request-access",
    ),
    "info": (lambda p, c: p.management.app_info("t", "a"), "/bodhi/users/apps/a/info"),
}
EVERY_CALL = pytest.mark.parametrize(("call", "path"), CALLS.values(), ids=CALLS.keys())


@pytest.fixture
def managed(scripted):
    """The scripted provider, with tokens for service accounts."""
    scripted.reply(TOKEN, Reply(200, {"access_token": "service-token"}))
    return scripted


async def test_a_client_is_registered(provider, managed):
    """Spec 17: without a token, since there is nobody yet."""
    managed.reply(
        "/bodhi/resources", Reply(201, {"client_id": "id", "client_secret": "se:cret", "scope": "s", "more": 1})
    )

    found = await provider.management.register_client(name="My server", description="", redirect_uris=["http://b/cb"])

    assert RegisteredClient("id", "se:cret", "s") == found
    assert ClientCredentials("id", "se:cret") == found.credentials
    assert "se:cret" not in repr(found)
    asked = managed.requests[-1]
    assert {"name": "My server", "description": "", "redirect_uris": ["http://b/cb"]} == asked.json
    assert "Authorization" not in asked.headers
    assert "1.2.3" == asked.headers["x-bodhi-app-version"]


async def test_first_administrator_is_assigned_by_the_service_account(provider, managed, client):
    """Spec 17: with the token of the service account."""
    managed.reply("/bodhi/resources/make-resource-admin", Reply(200, {}))

    await provider.management.make_resource_admin(client, "u-1")

    assert {"user_id": "u-1"} == managed.requests[-1].json
    assert "Bearer service-token" == managed.requests[-1].headers["Authorization"]


async def test_roles_are_assigned_and_removed_with_the_caller_s_token(provider, managed):
    """Spec 17: with the caller's token; the answer's body does not matter."""
    managed.reply("/bodhi/resources/assign-role", Reply(200, b""))
    managed.reply("/bodhi/resources/remove-user", Reply(204, b""))

    await provider.management.assign_role("caller", "u-1", "resource_manager")
    await provider.management.remove_user("caller", "u-1")

    assigned, removed = managed.requests[-2:]
    assert {"user_id": "u-1", "role": "resource_manager"} == assigned.json
    assert {"user_id": "u-1"} == removed.json
    assert "Bearer caller" == assigned.headers["Authorization"] == removed.headers["Authorization"]


async def test_users_are_listed_as_the_provider_returns_them(provider, managed):
    """Spec 17: one page."""
    page = {"client_id": "id", "users": [{"user_id": "u-1"}], "page": 2, "total_pages": 3}
    managed.reply("/bodhi/resources/users", Reply(200, page))

    assert page == await provider.management.list_users("caller", page=2, page_size=10)
    assert {"page": "2", "page_size": "10"} == managed.requests[-1].query
    assert "Bearer caller" == managed.requests[-1].headers["Authorization"]


async def test_consent_is_registered(provider, managed):
    """Spec 17: the scopes come back."""
    answer = {
        "scope": "scope_resource-x",
        "access_request_id": "r-1",
        "access_request_scope": "scope_access_request:r-1",
    }
    managed.reply("/bodhi/users/request-access", Reply(201, answer))

    found = await provider.management.consent("caller", app_client_id="app", access_request_id="r-1", description="d")

    assert Consent("scope_resource-x", "r-1", "scope_access_request:r-1") == found
    assert {"app_client_id": "app", "access_request_id": "r-1", "description": "d"} == managed.requests[-1].json


async def test_application_access_is_registered_by_the_service_account(provider, managed, client):
    """Spec 17: the scope comes back."""
    managed.reply("/bodhi/resources/apps/request-access", Reply(200, {"scope": "scope_resource-x"}))

    assert "scope_resource-x" == await provider.management.register_app_access(client, app_client_id="app")
    assert {"app_client_id": "app"} == managed.requests[-1].json
    assert "Bearer service-token" == managed.requests[-1].headers["Authorization"]


async def test_an_application_is_described(provider, managed):
    """Spec 17: what is no text is not told."""
    managed.reply("/bodhi/users/apps/app/info", Reply(200, {"name": "App", "description": 5, "more": []}))

    assert AppInfo("App", None) == await provider.management.app_info("caller", "app")


@pytest.mark.parametrize("app_client_id", ["a/b", "a?b", "a#b", "../users", "a%2Fb", "ä b"])
async def test_the_id_of_an_application_stays_one_segment(provider, managed, app_client_id):
    """No id leads to another address."""
    managed.reply(f"/bodhi/users/apps/{app_client_id}/info", Reply(200, {"name": "App"}))

    assert "App" == (await provider.management.app_info("caller", app_client_id)).name


@pytest.mark.parametrize("app_client_id", ["", ".", ".."])
async def test_dot_segment_as_an_id_is_refused(provider, managed, app_client_id):
    """It is refused without asking."""
    with pytest.raises(ProviderRefused):
        await provider.management.app_info("caller", app_client_id)
    assert not managed.requests


@EVERY_CALL
@pytest.mark.parametrize(
    "reply",
    [
        Reply(404),
        Reply(404, b"<html></html>"),
        Reply(404, {"error": "HTTP 404 Not Found"}),
        Reply(405),
        Reply(501, {"error": "x"}),
    ],
    ids=["404", "404 page", "404 JSON", "405", "501"],
)
async def test_missing_management_call_is_reported_as_unsupported(provider, managed, client, call, path, reply):
    """Whatever it says to unknown addresses."""
    managed.reply(path, reply)

    with pytest.raises(ProviderLacks):
        await call(provider, client)
    assert path == managed.requests[-1].path


@EVERY_CALL
async def test_without_management_no_request_is_sent(make_provider, managed, client, call, path):
    """Not even for a token of the service account."""
    with pytest.raises(ProviderLacks):
        await call(make_provider(management=False), client)
    assert not managed.requests


@EVERY_CALL
@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(400, {"error": "bad_request"}), "bad_request"),
        (Reply(403, b""), ""),
        (Reply(409, {"error": "conflict"}), "conflict"),
        (Reply(404, {"error": "user_not_found"}), "user_not_found"),
    ],
    ids=["400", "403", "409", "404 of something"],
)
async def test_a_refusal_has_status_and_code(provider, managed, client, call, path, reply, error):
    """A 404 with a code of its own is about what was asked for."""
    managed.reply(path, reply)

    with pytest.raises(ProviderRefused) as refusal:
        await call(provider, client)
    assert (reply.status, error) == (refusal.value.status, refusal.value.error)


@EVERY_CALL
@pytest.mark.parametrize(
    "reply",
    [Reply(500), Reply(503, {"error": "x"}), Reply(429), Reply(302), RESETS],
    ids=["500", "503", "429", "302", "reset"],
)
async def test_an_outage_is_an_outage(provider, managed, client, call, path, reply):
    """It is not known whether it was done."""
    managed.reply(path, reply)

    with pytest.raises(ProviderUnavailable):
        await call(provider, client)


@pytest.mark.parametrize("name", ["register", "list", "consent", "app", "info"])
@pytest.mark.parametrize("body", [b"", b"<html></html>", [], b'"text"'])
async def test_garbage_is_an_outage(provider, managed, client, name, body):
    """Where the answer has to say something."""
    call, path = CALLS[name]
    managed.reply(path, Reply(200, body))

    with pytest.raises(ProviderUnavailable):
        await call(provider, client)


@pytest.mark.parametrize("name", ["register", "consent", "app"])
@pytest.mark.parametrize("value", [None, 5, "", [], "a\0b"])
async def test_an_answer_without_its_members_is_an_outage(provider, managed, client, name, value):
    """All of them are texts."""
    call, path = CALLS[name]
    members = dict.fromkeys(("client_id", "client_secret", "access_request_id", "access_request_scope"), "x")
    managed.reply(path, Reply(200, {**members, "scope": value}))

    with pytest.raises(ProviderUnavailable):
        await call(provider, client)
