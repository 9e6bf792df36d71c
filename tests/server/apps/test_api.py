"""The app access request API, for applications and for users."""

import asyncio

import pytest

from bodhi.oidc.errors import ProviderRefused, ProviderUnavailable
from bodhi.server.access.gate import USER_OR_APP
from bodhi.server.access.instance import Instance, Status
from bodhi.server.access.principal import ApiToken, ExternalApp
from bodhi.server.access.scopes import TokenScope, UserScope
from bodhi.server.apps.api import OPERATIONS
from bodhi.server.apps.entity_gate import ids_in, only_approved
from bodhi.server.apps.service import APP_ACCESS_REQUESTS, DRAFT_MS, AppAccessRequests
from bodhi.server.http.input import parameter_of
from bodhi.server.http.operations import Operation
from bodhi.server.http.responses import json_response
from support.scripted_consents import SCOPE, ScriptedConsents

MALFORMED = (400, "json_rejection_error")
UNKNOWN = "00000000-0000-0000-0000-000000000000"
ASK = "/apps/request-access"
WISHES = {"devices": ["6f2c2f0e-0000-4000-8000-00000000000a"]}
POPUP = {"app_client_id": "app", "flow_type": "popup", "requested": WISHES}
REDIRECT = {**POPUP, "flow_type": "redirect", "redirect_url": "https://app.example/done?a=b"}


class Registered:
    """This server's registration."""

    async def current(self):
        """A client of the provider."""
        return Instance("bodhi", "secret", "scope", Status.READY)


@pytest.fixture
def provider():
    """The identity provider."""
    return ScriptedConsents()


@pytest.fixture
def ended():
    """The ids of approvals that ended."""
    return []


@pytest.fixture
def requests(application, provider, clock, ended):
    """The service behind the handlers."""
    return AppAccessRequests(
        application, provider, Registered(), public_url="http://localhost:1135", on_withdrawal=ended.append, clock=clock
    )


@only_approved(ids_in("devices"))
async def device(request):
    """An entity that can be approved."""
    return json_response({"device": parameter_of(request, "id")})


DEVICE = Operation("GET", "/bodhi/v1/devices/{id}", device, USER_OR_APP, "A device.")


@pytest.fixture
async def api(serve, requests):
    """The handlers, and a handler behind the entity gate."""
    return await serve((*OPERATIONS, DEVICE), {APP_ACCESS_REQUESTS: requests})


@pytest.fixture
async def bare(serve):
    """The handlers without services, for errors before any call."""
    return await serve(OPERATIONS, {APP_ACCESS_REQUESTS: AppAccessRequests(None, None, None, public_url="x")})


async def create_draft(api, body=POPUP):
    """Create a draft; return its id."""
    status, created = await api("", "POST", ASK, body)
    assert (201, "draft") == (status, created["status"])
    return created["id"]


async def test_request_with_content_gets_a_review_url(api, provider):
    """It gets a page to send a person to."""
    status, created = await api("", "POST", ASK, POPUP)

    page = f"http://localhost:1135/ui/apps/access-requests/review?id={created['id']}"
    assert (201, {"status": "draft", "id": created["id"], "review_url": page}) == (status, created)
    assert [] == provider.calls


@pytest.mark.parametrize("nothing", [{}, {"requested": None}, {"requested": {"devices": []}}])
async def test_request_without_content_gets_a_scope(api, provider, nothing):
    """Nobody has to decide."""
    status, created = await api("", "POST", ASK, {"app_client_id": "app", "flow_type": "popup", **nothing})

    assert (201, {"status": "approved", "id": created["id"], "resource_scope": SCOPE}) == (status, created)
    polled = {"id": created["id"], "status": "approved", "resource_scope": SCOPE, "access_request_scope": None}
    assert (200, polled) == await api("", "GET", f"/apps/access-requests/{created['id']}?app_client_id=app")
    assert [("register", "bodhi", "app")] == provider.calls


REFUSED = [
    ({**POPUP, "flow_type": "page"}, "app_access_request_error-invalid_flow_type"),
    ({**POPUP, "flow_type": ""}, "app_access_request_error-invalid_flow_type"),
    ({**POPUP, "flow_type": "redirect"}, "app_access_request_error-missing_redirect_url"),
    ({**REDIRECT, "redirect_url": None}, "app_access_request_error-missing_redirect_url"),
    ({**REDIRECT, "redirect_url": "javascript:alert(1)"}, "app_access_request_error-invalid_redirect_url"),
    (
        {**REDIRECT, "redirect_url": "https://app.example\\@evil.example"},
        "app_access_request_error-invalid_redirect_url",
    ),
    ({**REDIRECT, "redirect_url": "https://user@app.example"}, "app_access_request_error-invalid_redirect_url"),
    ({**REDIRECT, "redirect_url": "https://app.example#x"}, "app_access_request_error-invalid_redirect_url"),
    ({}, "json_rejection_error"),
    ({"flow_type": "popup"}, "json_rejection_error"),
    ({"app_client_id": "app"}, "json_rejection_error"),
    ([POPUP], "json_rejection_error"),
    ({**POPUP, "app_client_id": ""}, "json_rejection_error"),
    ({**POPUP, "app_client_id": "x" * 256}, "json_rejection_error"),
    ({**POPUP, "app_client_id": "a\nb"}, "json_rejection_error"),
    ({**POPUP, "app_client_id": "app\n"}, "json_rejection_error"),
    ({**POPUP, "app_client_id": "\0"}, "json_rejection_error"),
    ({**POPUP, "app_client_id": 1}, "json_rejection_error"),
    ({**POPUP, "flow_type": None}, "json_rejection_error"),
    ({**REDIRECT, "redirect_url": ["https://app.example"]}, "json_rejection_error"),
    ({**POPUP, "requested": "x" * 20_000}, "json_rejection_error"),
]


async def test_malformed_app_access_request_is_refused(bare):
    """Each has its code, and nothing is stored."""
    answers = [await bare("", "POST", ASK, body) for body, _ in REFUSED]

    assert [(400, code) for _, code in REFUSED] == answers
    assert MALFORMED == await bare("", "POST", ASK, data=b"{", headers={"Content-Type": "application/json"})


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({**POPUP, "app_client_id": "x" * 256}, "$.app_client_id"),
        ({**POPUP, "flow_type": None}, "$.flow_type"),
        ({**REDIRECT, "redirect_url": "https://app.example/" + "x" * 2_048}, "longer than 2048 characters"),
        ({**POPUP, "requested": "x" * 20_000}, "longer than 16384 bytes"),
    ],
)
async def test_error_message_names_the_problem(bare, body, named):
    """And repeats nothing of what was sent."""
    async with bare.client.post(f"/bodhi/v1{ASK}", json=body) as response:
        text = await response.text()

    assert 400 == response.status
    assert named in text
    assert "xxx" not in text


async def test_number_of_app_access_requests_is_limited(api):
    """Each address may have ten open requests of one client."""
    for _ in range(10):
        await create_draft(api)

    assert (429, "access_request_error-too_many_drafts") == await api("", "POST", ASK, POPUP)
    assert 201 == (await api("", "POST", ASK, {**POPUP, "app_client_id": "other"}))[0]


async def test_only_the_requesting_application_can_poll(bare, api):
    """Others are told that there is nothing."""
    request_id = await create_draft(api)
    poll = f"/apps/access-requests/{request_id}"

    draft = {"id": request_id, "status": "draft", "resource_scope": None, "access_request_scope": None}
    assert (200, draft) == await api("", "GET", f"{poll}?app_client_id=app")
    for path in (f"{poll}?app_client_id=other", f"/apps/access-requests/{UNKNOWN}?app_client_id=app"):
        assert (404, "app_access_request_error-not_found") == await api("", "GET", path)
    for path in (
        poll,
        f"{poll}?app_client_id=",
        f"{poll}?app_client_id=a&app_client_id=b",
        "/apps/access-requests/1?app_client_id=a",
    ):
        assert MALFORMED == await bare("", "GET", path)


async def test_a_draft_expires(api, clock):
    """For everybody."""
    request_id = await create_draft(api)
    clock.advance(DRAFT_MS)

    expired = (404, "access_request_error-expired")
    path = f"/access-requests/{request_id}"
    assert expired == await api("", "GET", f"/apps{path}?app_client_id=app")
    assert expired == await api("user", "GET", f"{path}/review")
    assert expired == await api("user", "PUT", f"{path}/approve", {"approved": {}})
    assert expired == await api("user", "POST", f"{path}/deny")


async def test_user_reviews_a_request(api):
    """What is asked for, word for word, and by whom."""
    wishes = {"devices": [1, 2.50, "é", 123456789012345678901234567890], "deep": {"a": [None, True]}}
    request_id = await create_draft(api, {**REDIRECT, "requested": wishes})

    seen = {
        "id": request_id,
        "app_client_id": "app",
        "app_name": "The App",
        "app_description": "Prints.",
        "flow_type": "redirect",
        "status": "draft",
        "requested": wishes,
    }
    assert (200, seen) == await api("user", "GET", f"/access-requests/{request_id}/review")
    assert (404, "app_access_request_error-not_found") == await api("user", "GET", f"/access-requests/{UNKNOWN}/review")


async def test_user_approves_a_request(api, provider):
    """The application goes on with the scope; the person is sent back to it."""
    request_id = await create_draft(api, REDIRECT)

    decided = {
        "status": "approved",
        "flow_type": "redirect",
        "redirect_url": f"https://app.example/done?a=b&id={request_id}",
    }
    assert (200, decided) == await api("user", "PUT", f"/access-requests/{request_id}/approve", {"approved": WISHES})

    assert [("consent", "token of resource_user", "app", request_id)] == provider.calls
    polled = {
        "id": request_id,
        "status": "approved",
        "resource_scope": SCOPE,
        "access_request_scope": f"scope_access_request:{request_id}",
    }
    assert (200, polled) == await api("", "GET", f"/apps/access-requests/{request_id}?app_client_id=app")


async def test_user_denies_a_request(api, provider):
    """The provider hears nothing of it."""
    request_id = await create_draft(api)

    assert (200, {"status": "denied", "flow_type": "popup"}) == await api(
        "user", "POST", f"/access-requests/{request_id}/deny"
    )
    assert [] == provider.calls


async def test_decided_request_cannot_be_decided_again(api):
    """Also when two decide at once."""
    request_id = await create_draft(api)
    path = f"/access-requests/{request_id}"

    answers = await asyncio.gather(
        *(api("user", "PUT", f"{path}/approve", {"approved": {}}) for _ in range(3)),
        *(api("admin", "POST", f"{path}/deny") for _ in range(3)),
    )

    assert [200] + [409] * 5 == sorted(status for status, _ in answers)
    processed = (409, "access_request_error-already_processed")
    assert processed == await api("user", "PUT", f"{path}/approve", {"approved": {}})
    assert processed == await api("user", "POST", f"{path}/deny")


async def test_unknown_request_cannot_be_decided(api):
    """With another code than applications get."""
    missing = (404, "access_request_error-not_found")
    path = f"/access-requests/{UNKNOWN}"

    assert missing == await api("user", "PUT", f"{path}/approve", {"approved": {}})
    assert missing == await api("user", "POST", f"{path}/deny")
    assert missing == await api("user", "DELETE", path)


async def test_an_approval_is_an_object(bare):
    """Everything else is malformed, the id too."""
    path = f"/access-requests/{UNKNOWN}/approve"
    bodies = [{}, [], {"approved": None}, {"approved": []}, {"approved": "all"}, {"approved": {"a": "x" * 20_000}}]
    answers = [await bare("user", "PUT", path, body) for body in bodies]

    assert [MALFORMED] * len(bodies) == answers
    for method, path in (("GET", "/1/review"), ("PUT", "/1/approve"), ("POST", "/1/deny"), ("DELETE", "/pending")):
        assert MALFORMED == await bare("user", method, f"/access-requests{path}", {"approved": {}})


async def test_provider_failures_have_their_own_errors(api, provider):
    """A collision is an outcome; all else can be tried again."""
    request_id = await create_draft(api)
    path = f"/access-requests/{request_id}/approve"
    failed = (500, "access_request_error-kc_registration_failed")
    for failure in (ProviderUnavailable(), ProviderRefused(403, "access_denied")):
        provider.failure = failure
        assert failed == await api("user", "PUT", path, {"approved": {}})
        assert failed == await api("", "POST", ASK, {**POPUP, "requested": None})

    provider.failure = ProviderRefused(409, "conflict")
    assert (200, {"status": "failed", "flow_type": "popup"}) == await api("user", "PUT", path, {"approved": {}})
    assert "failed" == (await api("", "GET", f"/apps/access-requests/{request_id}?app_client_id=app"))[1]["status"]


async def test_an_approval_is_withdrawn(api, ended):
    """By who gave it; what was exchanged by it is forgotten."""
    request_id = await create_draft(api)
    path = f"/access-requests/{request_id}"
    await api("user", "PUT", f"{path}/approve", {"approved": WISHES})
    assert (404, "access_request_error-not_found") == await api("admin", "DELETE", path)
    assert [] == ended

    assert [(204, None), (409, "access_request_error-already_processed")] == [
        await api("user", "DELETE", path) for _ in range(2)
    ]
    assert [request_id] == ended
    polled = await api("", "GET", f"/apps{path}?app_client_id=app")
    assert "withdrawn" == polled[1]["status"]


async def test_own_approvals_are_listed(api, bare):
    """With what they are for; others' are not."""
    request_id = await create_draft(api)
    await api("user", "GET", f"/access-requests/{request_id}/review")
    await api("user", "PUT", f"/access-requests/{request_id}/approve", {"approved": WISHES})
    own = {
        "id": request_id,
        "app_client_id": "app",
        "app_name": "The App",
        "app_description": "Prints.",
        "approved": WISHES,
        "approved_at": "2027-01-15T08:00:00Z",
    }

    listed = {"requests": [own], "total": 1, "page": 1, "page_size": 30}
    assert (200, listed) == await api("user", "GET", "/user/app-access-requests")
    none = {"requests": [], "total": 0, "page": 2, "page_size": 100}
    assert (200, none) == await api("admin", "GET", "/user/app-access-requests?page=2&page_size=500")
    for query in ("page=0", "page_size=0", "page=x"):
        assert MALFORMED == await bare("user", "GET", f"/user/app-access-requests?{query}")


CALLERS = {
    "": (401, "auth_error-invalid_access"),
    "nobody": (401, "api_auth_error-missing_auth"),
    "token": (401, "api_auth_error-missing_auth"),
    "app": (401, "api_auth_error-missing_auth"),
}


async def test_decisions_require_a_session(bare, authenticator):
    """An application cannot approve itself."""
    authenticator.callers["token"] = ApiToken("id-user", TokenScope.ADMIN, "t")
    authenticator.callers["app"] = ExternalApp("id-user", "u", UserScope.ADMIN, "t", "t", "app")
    path = f"/access-requests/{UNKNOWN}"
    for caller, refused in CALLERS.items():
        answers = [
            await bare(caller, "GET", f"{path}/review"),
            await bare(caller, "PUT", f"{path}/approve", {"approved": {}}),
            await bare(caller, "POST", f"{path}/deny"),
            await bare(caller, "DELETE", path),
            await bare(caller, "GET", "/user/app-access-requests"),
        ]
        assert [refused] * 5 == answers


async def test_entity_gate_decorates_a_handler(api, authenticator):
    """What was approved, for whom and as long as it is; sessions pass."""
    request_id = await create_draft(api)
    [printer] = WISHES["devices"]
    authenticator.callers["app"] = ExternalApp("id-user", "user", UserScope.USER, "t", "t", "app", request_id)
    path = f"/devices/{printer}"

    assert (403, "access_request_auth_error-access_request_not_approved") == await api("app", "GET", path)
    await api("user", "PUT", f"/access-requests/{request_id}/approve", {"approved": WISHES})

    assert (200, {"device": printer}) == await api("app", "GET", path)
    assert (200, {"device": UNKNOWN}) == await api("user", "GET", f"/devices/{UNKNOWN}")
    assert (403, "access_request_auth_error-entity_not_approved") == await api("app", "GET", f"/devices/{UNKNOWN}")
    not_found = (404, "access_request_auth_error-entity_not_found")
    for no_id in ("1", printer[:-1], f"x%2F{printer}", f"{printer}%2F", f"{printer}%0A"):
        assert not_found == await api("app", "GET", f"/devices/{no_id}")
    await api("user", "DELETE", f"/access-requests/{request_id}")
    assert (403, "access_request_auth_error-access_request_not_approved") == await api("app", "GET", path)
