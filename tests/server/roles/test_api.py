"""The role request API, for users and managers."""

import asyncio

import pytest

from bodhi.errors import BodhiError
from bodhi.oidc import ProviderLacks, ProviderRefused, ProviderUnavailable
from bodhi.server.access.principal import ApiToken, ExternalApp, SessionUser
from bodhi.server.access.scopes import Role, TokenScope, UserScope
from bodhi.server.roles.api import OPERATIONS
from bodhi.server.roles.service import ACCESS_REQUESTS, AccessRequests
from bodhi.session import SessionUnavailable

ASK = ("POST", "/user/request-access")
LOOK = ("GET", "/user/request-status")
MALFORMED = (400, "json_rejection_error")
NOW = "2027-01-15T08:00:00Z"


@pytest.fixture
async def api(serve, application, people, provider, sessions, clock):
    """The handlers."""
    service = AccessRequests(
        application, profiles=people, management=provider, end_sessions=sessions.clear_sessions_for_user, clock=clock
    )
    return await serve(OPERATIONS, {ACCESS_REQUESTS: service})


async def ids_of(api):
    """Return the ids of all requests."""
    _, page = await api("manager", "GET", "/access-requests")
    return [request["id"] for request in page["requests"]]


async def pending_request(api):
    """Create a request of the user ``id-nobody``; return its id."""
    assert (201, None) == await api("nobody", *ASK)
    return (await ids_of(api))[-1]


async def test_user_without_a_role_requests_one(api):
    """Once; until it is decided they see how it stands."""
    assert (404, "access_request_error-pending_request_not_found") == await api("nobody", *LOOK)
    assert (201, None) == await api("nobody", *ASK)
    assert (409, "access_request_error-already_pending") == await api("nobody", *ASK)

    status = {"username": "nobody", "status": "pending", "created_at": NOW, "updated_at": NOW}
    assert (200, status) == await api("nobody", *LOOK)


async def test_concurrent_requests_of_a_user_create_one(api):
    """A double click."""
    answers = await asyncio.gather(*(api("nobody", *ASK) for _ in range(5)))

    assert [201, 409, 409, 409, 409] == sorted(status for status, _ in answers)
    assert 1 == len(await ids_of(api))


async def test_user_with_a_role_cannot_request_one(api, authenticator):
    """Neither people with a role nor what acts for somebody."""
    authenticator.callers["token"] = ApiToken("id-nobody", TokenScope.USER, "t")
    authenticator.callers["app"] = ExternalApp("id-nobody", "nobody", UserScope.USER, "t", "t", "app")

    for caller in ("user", "power_user", "manager", "admin", "token", "app"):
        assert (422, "access_request_error-already_has_access") == await api(caller, *ASK)


async def test_anonymous_callers_cannot_request_a_role(api):
    """Nor do they have a request."""
    assert (401, "api_auth_error-missing_auth") == await api("", *ASK)
    assert (404, "access_request_error-pending_request_not_found") == await api("", *LOOK)


async def test_request_status_is_the_callers_own(api):
    """Only managers do."""
    await pending_request(api)

    for caller in ("user", "manager"):
        assert (404, "access_request_error-pending_request_not_found") == await api(caller, *LOOK)


MANAGERS_ONLY = (
    ("GET", "/access-requests"),
    ("GET", "/access-requests/pending"),
    ("POST", "/access-requests/1/approve", {"role": "resource_user"}),
    ("POST", "/access-requests/1/reject"),
)


async def test_only_managers_decide(api, authenticator, provider):
    """In a session; a token is not enough, however strong."""
    authenticator.callers["token"] = ApiToken("id-admin", TokenScope.ADMIN, "t")
    authenticator.callers["app"] = ExternalApp("id-admin", "admin", UserScope.ADMIN, "t", "t", "app")

    for call in MANAGERS_ONLY:
        assert (401, "auth_error-invalid_access") == await api("", *call)
        for caller in ("nobody", "token", "app"):
            assert (401, "api_auth_error-missing_auth") == await api(caller, *call)
        for caller in ("user", "power_user"):
            assert (403, "api_auth_error-forbidden") == await api(caller, *call)
    assert [] == provider.calls


async def test_lists_show_requests_oldest_first(api, authenticator, clock):
    """Those that wait, or all of them, with who decided."""
    for number in range(3):
        authenticator.callers["nobody"] = SessionUser(f"u-{number}", f"user {number}", None, "t")
        await pending_request(api)
        clock.advance(1_500)
    first, second, third = await ids_of(api)
    assert (200, None) == await api("manager", "POST", f"/access-requests/{second}/reject")

    status, page = await api("manager", "GET", "/access-requests")
    assert (200, [first, second, third], 3, 1, 30) == (
        status,
        [request["id"] for request in page["requests"]],
        page["total"],
        page["page"],
        page["page_size"],
    )
    assert {
        "id": second,
        "username": "user 1",
        "user_id": "u-1",
        "reviewer": "manager",
        "status": "rejected",
        "created_at": "2027-01-15T08:00:01.500000Z",
        "updated_at": "2027-01-15T08:00:04.500000Z",
    } == page["requests"][1]
    status, page = await api("admin", "GET", "/access-requests/pending")
    assert (200, [first, third], 2) == (status, [request["id"] for request in page["requests"]], page["total"])
    assert {"pending"} == {request["status"] for request in page["requests"]}
    assert {None} == {request["reviewer"] for request in page["requests"]}


@pytest.mark.parametrize("path", ["/access-requests", "/access-requests/pending"])
async def test_lists_have_pages(api, authenticator, path):
    """Of 30 unless asked for otherwise, of 100 at most; sorting is accepted and changes nothing."""
    for number in range(3):
        authenticator.callers["nobody"] = SessionUser(f"u-{number}", "somebody", None, "t")
        await api("nobody", *ASK)

    async def page_of(query):
        _, page = await api("manager", "GET", f"{path}?{query}")
        return [request["user_id"] for request in page["requests"]], page["total"], page["page"], page["page_size"]

    assert (["u-0", "u-1"], 3, 1, 2) == await page_of("page_size=2&sort=username&sort_order=desc")
    assert (["u-2"], 3, 2, 2) == await page_of("page=2&page_size=2")
    assert ([], 3, 3, 2) == await page_of("page=3&page_size=2")
    assert (["u-0", "u-1", "u-2"], 3, 1, 100) == await page_of("page_size=1000")
    assert ([], 3, 1_000_000_000, 30) == await page_of("page=1000000000")


async def test_invalid_page_numbers_are_refused(api):
    """One 400 for all of them."""
    queries = ("page=0", "page=-1", "page_size=0", "page_size=-5", "page=x", "page=", "page=1.5", "page=1&page=2")

    for path in ("/access-requests", "/access-requests/pending"):
        answers = {query: await api("manager", "GET", f"{path}?{query}") for query in queries}
        assert dict.fromkeys(queries, MALFORMED) == answers


async def test_approval_assigns_the_role_and_revokes_sessions(api, people, provider, sessions):
    """All of the requester's, and nobody else's."""
    await people.note("id-nobody", "nobody", None)
    for user_id in ("id-nobody", "id-nobody", "id-nobody", "id-user"):
        await sessions.create({"user_id": user_id})
    number = await pending_request(api)

    assert (200, None) == await api("manager", "POST", f"/access-requests/{number}/approve", {"role": "resource_user"})

    assert [("assign_role", "token of resource_manager", "id-nobody", "resource_user")] == [
        call for call in provider.calls if call[0] != "list_users"
    ]
    assert 0 == await sessions.count_sessions_for_user("id-nobody")
    assert 1 == await sessions.count_sessions_for_user("id-user")
    assert Role.USER == await people.role_of("id-nobody")
    assert (404, "access_request_error-pending_request_not_found") == await api("nobody", *LOOK)


async def test_a_rejection_changes_nothing_else(api, provider, sessions):
    """Who was refused may ask again."""
    await sessions.create({"user_id": "id-nobody"})
    number = await pending_request(api)

    assert (200, None) == await api("manager", "POST", f"/access-requests/{number}/reject")

    assert [] == provider.calls
    assert 1 == await sessions.count_sessions_for_user("id-nobody")
    assert (201, None) == await api("nobody", *ASK)


async def test_manager_cannot_approve_an_administrator(api, provider):
    """Nobody gives more than they have."""
    number = await pending_request(api)
    path = f"/access-requests/{number}/approve"

    refusal = (400, "access_request_error-insufficient_privileges")
    assert refusal == await api("manager", "POST", path, {"role": "resource_admin"})
    assert [] == provider.calls
    assert (200, None) == await api("admin", "POST", path, {"role": "resource_admin"})


async def test_an_unknown_request_is_not_found(api):
    """Neither approved nor rejected."""
    unknown = (404, "access_request_error-request_not_found")

    for number in (0, -1, 4711, 2**63 - 1):
        assert unknown == await api("manager", "POST", f"/access-requests/{number}/approve", {"role": "resource_user"})
        assert unknown == await api("manager", "POST", f"/access-requests/{number}/reject")


async def test_malformed_request_id_is_refused(api):
    """It is a malformed path, not an unknown request."""
    for number in ("x", "1.5", "%20", 2**63, "9" * 400, "%00"):
        path = f"/access-requests/{number}"
        assert MALFORMED == await api("manager", "POST", f"{path}/approve", {"role": "resource_user"})
        assert MALFORMED == await api("manager", "POST", f"{path}/reject")


@pytest.mark.parametrize("first", ["approve", "reject"])
async def test_a_request_is_decided_once(api, provider, first):
    """Whatever was decided first."""
    number = await pending_request(api)
    body = {"role": "resource_user"}
    await api("manager", "POST", f"/access-requests/{number}/{first}", body if first == "approve" else None)
    calls = [*provider.calls]

    decided = (409, "access_request_error-already_processed")
    assert decided == await api("admin", "POST", f"/access-requests/{number}/approve", body)
    assert decided == await api("admin", "POST", f"/access-requests/{number}/reject")
    assert calls == provider.calls


async def test_approving_twice_at_once_gives_one_role(api, provider):
    """A double click, or two managers."""
    number = await pending_request(api)
    answers = await asyncio.gather(
        *(
            api(("manager", "admin")[each % 2], "POST", f"/access-requests/{number}/approve", {"role": "resource_user"})
            for each in range(4)
        )
    )

    assert [200, 409, 409, 409] == sorted(status for status, _ in answers)
    assert 1 == len(provider.calls_of("assign_role"))


BAD_BODIES = {
    "nothing": {"data": b"", "headers": {"Content-Type": "application/json"}},
    "no JSON": {"data": b'{"role": ', "headers": {"Content-Type": "application/json"}},
    "no UTF-8": {"data": b'{"role": "\xff"}', "headers": {"Content-Type": "application/json"}},
    "another type": {"data": b'{"role": "resource_user"}', "headers": {"Content-Type": "text/plain"}},
    "a form": {"data": {"role": "resource_user"}},
    "no role": {"json": {}},
    "a null": {"json": {"role": None}},
    "a number": {"json": {"role": 4}},
    "a list": {"json": ["resource_user"]},
    "deep": {"data": b"[" * 100_000, "headers": {"Content-Type": "application/json"}},
}


async def test_a_malformed_approval_is_refused(api, provider):
    """By one rule."""
    path = f"/access-requests/{await pending_request(api)}/approve"

    answers = {name: await api("manager", "POST", path, **body) for name, body in BAD_BODIES.items()}

    assert dict.fromkeys(BAD_BODIES, MALFORMED) == answers
    assert [] == provider.calls


async def test_unknown_role_is_refused(api, provider):
    """Names are exact."""
    path = f"/access-requests/{await pending_request(api)}/approve"

    for role in ("", "admin", "RESOURCE_USER", "resource_user ", "scope_token_user"):
        assert (400, "role_error-invalid_role_name") == await api("manager", "POST", path, {"role": role})
    assert [] == provider.calls


async def test_role_refused_by_the_provider_leaves_the_request_pending(api, provider):
    """It can be approved again."""
    number = await pending_request(api)
    approve = ("manager", "POST", f"/access-requests/{number}/approve", {"role": "resource_user"})

    for failure, told in (
        (ProviderRefused(403, "denied"), (500, "auth_service_error-auth_service_api_error")),
        (ProviderUnavailable(), (503, "auth_error-idp_unavailable")),
        (ProviderLacks(), (501, "auth_service_error-not_supported")),
    ):
        provider.failures["assign_role"] = [failure]
        assert told == await api(*approve)
        assert 200 == (await api("nobody", *LOOK))[0]
    assert (200, None) == await api(*approve)


@pytest.mark.parametrize(("failure", "status"), [(BodhiError, 500), (SessionUnavailable, 503)], ids=["fault", "outage"])
async def test_failed_session_revocation_is_an_error(api, sessions, monkeypatch, failure, status):
    """And approving again ends them."""
    await sessions.create({"user_id": "id-nobody"})
    number = await pending_request(api)
    approve = ("manager", "POST", f"/access-requests/{number}/approve", {"role": "resource_user"})

    async def fail(_):
        raise failure

    with monkeypatch.context() as outage:
        outage.setattr(sessions.get_session_store(), "clear_user", fail)
        assert (status, "user_route_error-session_clear_failed") == await api(*approve)
    assert 1 == await sessions.count_sessions_for_user("id-nobody")

    assert (200, None) == await api(*approve)
    assert 0 == await sessions.count_sessions_for_user("id-nobody")


async def test_database_outage_is_an_error(api, application):
    """503, whatever is asked; a database that answers nonsense is 500."""
    await application.script("ALTER TABLE bodhi_access_request RENAME COLUMN status TO renamed;")
    assert (500, "access_request_error-fetch_failed") == await api("manager", "GET", "/access-requests")

    await application.__aexit__()
    unavailable = (503, "auth_error-database_unavailable")
    assert unavailable == await api("nobody", *ASK)
    assert unavailable == await api("nobody", *LOOK)
    assert unavailable == await api("manager", "GET", "/access-requests")
    assert unavailable == await api("manager", "GET", "/access-requests/pending")
    assert unavailable == await api("manager", "POST", "/access-requests/1/approve", {"role": "resource_user"})
    assert unavailable == await api("manager", "POST", "/access-requests/1/reject")
