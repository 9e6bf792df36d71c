"""The API ``/bodhi/v1/tokens``."""

import asyncio
import re

import pytest

from bodhi.server.access.errors import ApiError
from bodhi.server.access.gate import SESSION_POWER_USER
from bodhi.server.access.principal import ApiToken, ExternalApp
from bodhi.server.access.scopes import Role, TokenScope, UserScope
from bodhi.server.tokens.api import OPERATIONS
from bodhi.server.tokens.service import API_TOKENS, ApiTokens

MALFORMED = (400, "json_rejection_error")
NOT_FOUND = (404, "entity_error-not_found")
UNKNOWN = "/tokens/00000000-0000-0000-0000-000000000000"
SCOPE = {"scope": "scope_token_user"}
CHANGE = {"name": "printer", "status": "inactive"}
NOW = "2027-01-15T08:00:00Z"


@pytest.fixture
def tokens(application, clock):
    """The service behind the handlers."""
    return ApiTokens(application, clock=clock)


@pytest.fixture
async def api(serve, tokens):
    """The handlers."""
    return await serve(OPERATIONS, {API_TOKENS: tokens})


async def create_token(api, caller="power_user", **body):
    """Create a token; return its URL."""
    status, _ = await api(caller, "POST", "/tokens", {**SCOPE, **body})
    assert 201 == status
    _, page = await api(caller, "GET", "/tokens")
    return f"/tokens/{page['data'][0]['id']}"


async def test_token_value_is_returned_once(api, tokens, people):
    """The answer is for nobody else to keep."""
    await people.note("id-power_user", "power_user", Role.POWER_USER)
    async with api.client.post(
        "/bodhi/v1/tokens", json={"scope": "scope_token_power_user"}, headers={"Test-Caller": "power_user"}
    ) as response:
        answer = await response.json()
    assert (201, "no-store", ["token"]) == (response.status, response.headers["Cache-Control"], list(answer))

    context = await tokens.authenticate(answer["token"])
    assert ("id-power_user", TokenScope.POWER_USER) == (context.user_id, context.role)
    _, page = await api("power_user", "GET", "/tokens")
    assert answer["token"] not in str(page)
    assert answer["token"].startswith(page["data"][0]["token_prefix"])


async def test_a_token_is_described_without_its_hash(api):
    """All that a page about it needs."""
    await create_token(api, name="printer", expires_at="2027-01-15T10:00:00.5+01:00")

    _, page = await api("power_user", "GET", "/tokens")

    [token] = page["data"]
    assert re.fullmatch("bodhiapp_[A-Za-z0-9_-]{8}", token.pop("token_prefix"))
    assert re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", token.pop("id"))
    assert {
        "user_id": "id-power_user",
        "name": "printer",
        "scopes": "scope_token_user",
        "status": "active",
        "expires_at": "2027-01-15T09:00:00.500000Z",
        "created_at": NOW,
        "updated_at": NOW,
        "last_used_at": None,
    } == token
    assert {"total": 1, "page": 1, "page_size": 30} == {name: page[name] for name in ("total", "page", "page_size")}


CALLERS = {
    "": (401, "auth_error-invalid_access"),
    "nobody": (401, "api_auth_error-missing_auth"),
    "user": (403, "api_auth_error-forbidden"),
    "token": (401, "api_auth_error-missing_auth"),
    "app": (401, "api_auth_error-missing_auth"),
}


@pytest.mark.parametrize("caller", CALLERS)
async def test_power_users_in_sessions_have_tokens(serve, authenticator, caller):
    """Nobody else has anything to do with them."""
    authenticator.callers["token"] = ApiToken("id-power_user", TokenScope.ADMIN, "t")
    authenticator.callers["app"] = ExternalApp("id-power_user", "p", UserScope.ADMIN, "t", "t", "app")
    api = await serve(OPERATIONS, {})

    answers = [
        await api(caller, method, path, body)
        for method, path, body in (
            ("POST", "/tokens", SCOPE),
            ("GET", "/tokens", None),
            ("PUT", UNKNOWN, CHANGE),
            ("DELETE", UNKNOWN, None),
        )
    ]

    assert [CALLERS[caller]] * 4 == answers


@pytest.mark.parametrize(
    ("token", "message"),
    [
        (ApiToken("id", TokenScope.ADMIN, "t"), "API tokens are not accepted for this request."),
        (
            ExternalApp("id", "p", UserScope.ADMIN, "t", "t", "app"),
            "Tokens of applications are not accepted for this request.",
        ),
    ],
)
def test_token_routes_refuse_bearer_tokens(token, message):
    """Rather than that something else would be."""
    with pytest.raises(ApiError, match=message):
        SESSION_POWER_USER.check(token)


@pytest.mark.parametrize("caller", ["power_user", "manager", "admin"])
async def test_scope_above_power_user_is_refused(serve, caller):
    """Whoever makes it."""
    api = await serve(OPERATIONS, {API_TOKENS: ApiTokens(None)})

    answers = [
        await api(caller, "POST", "/tokens", {"scope": scope}) for scope in ("scope_token_manager", "scope_token_admin")
    ]

    assert [(400, "api_token_error-invalid_scope")] * 2 == answers


BAD_CREATIONS = [
    None,
    [],
    "x",
    {},
    {"name": "printer"},
    {"scope": None},
    {"scope": ["scope_token_user"]},
    {"scope": "scope_token_nobody"},
    {"scope": "Scope_Token_User"},
    {"scope": "scope_token_user "},
    {"scope": "resource_user"},
    {"scope": ""},
    {**SCOPE, "name": 1},
    {**SCOPE, "name": "x" * 101},
    {**SCOPE, "name": "a\0b"},
    {**SCOPE, "expires_at": "tomorrow"},
    {**SCOPE, "expires_at": 1_900_000_000},
    {**SCOPE, "expires_at": "2030-01-01T00:00:00"},
    {**SCOPE, "expires_at": "2030-13-01T00:00:00Z"},
    {**SCOPE, "expires_at": "9999-12-31T23:59:59-23:59"},  # in UTC, the year 10000
    {**SCOPE, "expires_at": "0001-01-01T00:00:00+23:59"},
]
BAD_CHANGES = [
    {},
    {"name": "printer"},
    {"status": "active"},
    {**CHANGE, "name": None},
    {**CHANGE, "name": "x" * 101},
    {**CHANGE, "status": "gone"},
    {**CHANGE, "status": None},
    {**CHANGE, "status": "Active"},
]


async def test_bad_bodies_are_one_400(serve):
    """Before anything is stored."""
    api = await serve(OPERATIONS, {API_TOKENS: ApiTokens(None)})

    creations = [await api("power_user", "POST", "/tokens", body) for body in BAD_CREATIONS]
    changes = [await api("power_user", "PUT", UNKNOWN, body) for body in BAD_CHANGES]
    raw = [
        await api("power_user", "POST", "/tokens", data=data, headers={"Content-Type": kind})
        for data, kind in (
            (b'{"scope": "scope_token_user"', "application/json"),
            (b'{"scope": "scope_token_user"}', "text/plain"),
            (b"scope=scope_token_user", "application/x-www-form-urlencoded"),
            (b'{"scope": "\xff"}', "application/json"),
            (b"[" * 10_000, "application/json"),
        )
    ]

    assert {MALFORMED} == {*creations, *changes, *raw}


async def test_undecodable_compressed_body_is_400(serve):
    """It fails while it is read, which is not a failure of the server."""
    api = await serve(OPERATIONS, {API_TOKENS: ApiTokens(None)})
    packed = {"Content-Type": "application/json", "Content-Encoding": "gzip"}

    assert MALFORMED == await api(
        "power_user", "POST", "/tokens", data=b'{"scope": "scope_token_user"}', headers=packed
    )


async def test_expiry_must_be_in_the_future(api):
    """By the clock of the database."""
    assert MALFORMED == await api("power_user", "POST", "/tokens", {**SCOPE, "expires_at": NOW})
    assert 201 == (await api("power_user", "POST", "/tokens", {**SCOPE, "expires_at": "2027-01-15T08:00:00.001Z"}))[0]


@pytest.mark.parametrize("name", ["x" * 100, "", None, "Ü\U0001f5a8 <b>"])
async def test_token_names_have_at_most_a_hundred_characters(api, name):
    """A name that is missing is empty."""
    await create_token(api, name=name)

    _, page = await api("power_user", "GET", "/tokens")
    assert [name or ""] == [token["name"] for token in page["data"]]


@pytest.mark.parametrize(
    "query",
    ["page=0", "page=-1", "page_size=0", "page=x", "page_size=1.5", "page=1&page=2", "page=99999999999999999999"],
)
async def test_page_numbers_start_at_one(serve, query):
    """What is no page is malformed."""
    api = await serve(OPERATIONS, {API_TOKENS: ApiTokens(None)})

    assert MALFORMED == await api("power_user", "GET", f"/tokens?{query}")


async def test_token_list_has_pages(api, clock):
    """Newest first, a hundred at most; a page beyond the last is empty."""
    for name in "abc":
        clock.advance(1_000)
        await create_token(api, name=name)

    async def page(query):
        _, answer = await api("power_user", "GET", f"/tokens?{query}")
        return "".join(token["name"] for token in answer["data"]), answer["total"], answer["page"], answer["page_size"]

    assert ("cb", 3, 1, 2) == await page("page_size=2&sort=name&sort_order=desc")
    assert ("a", 3, 2, 2) == await page("page=2&page_size=2")
    assert ("cba", 3, 1, 100) == await page("page_size=1000")
    assert ("", 3, 1_000_000_000, 30) == await page("page=1000000000")


async def test_tokens_of_other_users_are_not_found(api):
    """Others' are not listed, changed or deleted, and look like those that never were."""
    address = await create_token(api, "admin", name="admin's")

    assert (200, {"data": [], "total": 0, "page": 1, "page_size": 30}) == await api("power_user", "GET", "/tokens")
    for path in (address, UNKNOWN):
        assert NOT_FOUND == await api("power_user", "PUT", path, CHANGE)
        assert NOT_FOUND == await api("power_user", "DELETE", path)
    _, page = await api("admin", "GET", "/tokens")
    assert [("admin's", "active")] == [(token["name"], token["status"]) for token in page["data"]]


async def test_token_is_renamed_and_disabled(api, clock):
    """The answer is the token as it is now."""
    address = await create_token(api)
    clock.advance(1_000)

    status, token = await api("power_user", "PUT", address, CHANGE)

    assert (200, "printer", "inactive") == (status, token["name"], token["status"])
    assert (NOW, "2027-01-15T08:00:01Z") == (token["created_at"], token["updated_at"])
    assert not [name for name in token if "hash" in name]


async def test_a_token_is_deleted_once(api):
    """Of two clicks one finds it."""
    address = await create_token(api)

    answers = await asyncio.gather(*(api("power_user", "DELETE", address) for _ in range(2)))

    assert [NOT_FOUND, (204, None)] == sorted(answers, reverse=True)


@pytest.mark.parametrize("token_id", ["1", "x", "%00", "0" * 37, "00000000-0000-0000-0000-00000000000g"])
async def test_token_id_must_be_a_uuid(serve, token_id):
    """Any other is malformed."""
    api = await serve(OPERATIONS, {API_TOKENS: ApiTokens(None)})

    assert MALFORMED == await api("power_user", "PUT", f"/tokens/{token_id}", CHANGE)
    assert MALFORMED == await api("power_user", "DELETE", f"/tokens/{token_id}")
