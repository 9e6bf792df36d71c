"""The authorization matrix: every route with every caller, compared with the specification."""

import re
from uuid import UUID

import pytest
from aiohttp import web

from bodhi.server.access.gate import Gate
from bodhi.server.access.scopes import Role, TokenScope, UserScope
from bodhi.server.app import OPERATIONS
from bodhi.server.http.context import context_of
from bodhi.server.http.input import Paging
from bodhi.server.http.operations import OPTIONAL, PUBLIC, Operation
from server.routes.callers import LEVELS, every_caller, session

# Section 9.1 and those that it refers to. All gates here are for sessions alone.
GATES = {
    PUBLIC: {
        "GET /ping",
        "GET /health",
        "GET /bodhi/v1/info",
        "GET /bodhi/v1/openapi.json",
        "POST /bodhi/v1/setup",
        "POST /bodhi/v1/logout",
        "POST /bodhi/v1/auth/backchannel-logout",
        "GET /bodhi/v1/auth/frontchannel-logout",
        "GET /bodhi/v1/auth/verify",
        "POST /bodhi/v1/apps/request-access",
        "GET /bodhi/v1/apps/access-requests/{id}",
        "GET /",
        "GET /ui/",
        "GET /ui/auth/callback",
        "POST /ui/logout",
        "GET /ui/sso",
        "GET /ui/sso/code",
        "GET /ui/sso/session",
        "GET /ui/static/{name}",
        "GET /favicon.ico",
    },
    OPTIONAL: {
        "POST /bodhi/v1/auth/initiate",
        "POST /bodhi/v1/auth/callback",
        "GET /bodhi/v1/user",
        "POST /bodhi/v1/user/request-access",
        "GET /bodhi/v1/user/request-status",
        # Sessions of one's own: without a role people have some, too.
        "GET /bodhi/v1/user/sessions",
        "DELETE /bodhi/v1/user/sessions/{handle}",
        "DELETE /bodhi/v1/user/sessions",
        "GET /ui/sessions",
        "POST /ui/sessions/{handle}/end",
        "POST /ui/sessions/end-others",
        "GET /ui",
        "GET /ui/chat",
        "POST /ui/request-access",
        "GET /ui/login",
        "POST /ui/login",
        "POST /ui/auth/callback",
        "GET /ui/apps/access-requests/review",
    },
    Gate(Role.USER): {
        "GET /bodhi/v1/access-requests/{id}/review",
        "DELETE /bodhi/v1/access-requests/{id}",
        "GET /bodhi/v1/user/app-access-requests",
    },
    # With the sign-in's age in the gate: what gives power or takes it from others. What only takes one's own is not.
    Gate(Role.USER, recent_login_from=Role.MANAGER): {
        "PUT /bodhi/v1/access-requests/{id}/approve",
        "POST /bodhi/v1/access-requests/{id}/deny",
        "POST /ui/apps/access-requests/{id}/approve",
        "POST /ui/apps/access-requests/{id}/deny",
    },
    Gate(Role.POWER_USER): {
        "GET /bodhi/v1/tokens",
        "PUT /bodhi/v1/tokens/{id}",  # which asks for the sign-in's age where it would make a token active again
        "DELETE /bodhi/v1/tokens/{id}",
        "GET /ui/tokens",
        "POST /ui/tokens/{id}/disable",
        "POST /ui/tokens/{id}/rename",
        "POST /ui/tokens/{id}/delete",
    },
    Gate(Role.POWER_USER, recent_login_from=Role.POWER_USER): {
        "POST /bodhi/v1/tokens",
        "POST /ui/tokens",
        "POST /ui/tokens/{id}/enable",
    },
    Gate(Role.MANAGER): {
        "GET /bodhi/v1/users",
        "GET /bodhi/v1/users/{user_id}/sessions",
        "GET /bodhi/v1/access-requests/pending",
        "GET /bodhi/v1/access-requests",
        "GET /ui/admin",
        "GET /ui/admin/person",
        "GET /ui/admin/access-requests",
    },
    Gate(Role.MANAGER, recent_login_from=Role.MANAGER): {
        "PUT /bodhi/v1/users/{user_id}/role",
        "DELETE /bodhi/v1/users/{user_id}/sessions",
        "DELETE /bodhi/v1/users/{user_id}/sessions/{handle}",
        "POST /bodhi/v1/access-requests/{id}/approve",
        "POST /bodhi/v1/access-requests/{id}/reject",
        "POST /ui/admin/person/sessions/{handle}/end",
        "POST /ui/admin/person/end-all",
        "POST /ui/admin/person/role",
        "POST /ui/admin/access-requests/{id}/approve",
        "POST /ui/admin/access-requests/{id}/reject",
    },
    Gate(Role.ADMIN, recent_login_from=Role.ADMIN): {
        "DELETE /bodhi/v1/users/{user_id}",  # H-41
        "DELETE /bodhi/v1/sessions",
        "PUT /bodhi/v1/settings/{key}",
        "DELETE /bodhi/v1/settings/{key}",
        "POST /ui/admin/settings/{key}",
        "POST /ui/admin/settings/{key}/reset",
        "POST /ui/admin/person/remove",
        "POST /ui/admin/sessions/{handle}/end",
        "POST /ui/admin/sessions/end-all",
    },
    Gate(Role.ADMIN): {
        "GET /bodhi/v1/sessions",
        "GET /bodhi/v1/settings",
        "GET /ui/admin/sessions",
        "GET /ui/admin/tokens",
        "POST /ui/admin/tokens/{id}/disable",
        "GET /ui/admin/settings",
        "GET /ui/admin/activity",
    },
}

# What the gate and the strict authenticator refuse with. Any other answer comes from behind them.
REFUSALS = {
    (401, "auth_error-invalid_access"),
    (401, "auth_error-missing_roles"),
    (401, "role_error-invalid_role_name"),
    (401, "api_auth_error-missing_auth"),
    (403, "api_auth_error-forbidden"),
    (403, "auth_error-recent_login_required"),
}
# Handlers that take nobody, where their routes take anybody: people alone, or whoever is known.
NEEDS_A_PERSON = {
    "POST /ui/request-access",
    "GET /bodhi/v1/user/sessions",
    "DELETE /bodhi/v1/user/sessions/{handle}",
    "DELETE /bodhi/v1/user/sessions",
    "GET /ui/sessions",
    "POST /ui/sessions/{handle}/end",
    "POST /ui/sessions/end-others",
}
# Whom it lets in is in its query; without one, whoever has a role or scope.
VERIFY = "GET /bodhi/v1/auth/verify"
NEEDS_SOMEBODY = {"POST /bodhi/v1/user/request-access", VERIFY, *NEEDS_A_PERSON}

SESSIONS = {"session", "old_session"}
# What a caller does last.
LAST = {
    "DELETE /bodhi/v1/sessions": 1,
    "POST /ui/admin/sessions/end-all": 1,
    "POST /bodhi/v1/logout": 2,
    "POST /ui/logout": 2,
}

# The page and its size that are shown; None where there is no such page.
PAGES = {
    "": (1, 30),
    "page=1&page_size=1": (1, 1),
    "page=1000000000&page_size=100": (1_000_000_000, 100),
    "page_size=101": (1, 100),
    "page_size=1000000000": (1, 100),
    "page=2&sort=created_at&sort_order=desc": (2, 30),
    "page=0": None,
    "page=-1": None,
    "page=9223372036854775808": None,
    "page=1.5": None,
    "page=": None,
    "page=one": None,
    "page=1&page=2": None,
    "page_size=0": None,
    "page_size=-1": None,
    "page_size=none": None,
}


async def show_context(request):
    """Return the context's repr."""
    return web.Response(text=repr(context_of(request)))


def own(path, gate):
    """An operation of a service that is built on bodhi."""
    return Operation("GET", path, show_context, gate, "Who asks, printed")


# Gates that no route has yet, for services built on this one.
FURTHER = (
    own("/further/user", Gate(Role.USER, TokenScope.USER, UserScope.USER)),
    own("/further/power", Gate(Role.POWER_USER, TokenScope.POWER_USER, UserScope.POWER_USER)),
    own("/further/apps", Gate(Role.USER, None, UserScope.USER)),
    own("/further/tokens", Gate(Role.MANAGER, TokenScope.MANAGER, None)),
    own("/further/uneven", Gate(Role.ADMIN, TokenScope.USER, UserScope.MANAGER)),
)


def name_of(operation):
    """Return method and path."""
    return f"{operation.method} {operation.path}"


def expected(operation, caller):
    """Return status and code of the expected error, or None if the caller may pass."""
    if name_of(operation) == VERIFY and caller.kind != "anonymous":
        return None if caller.level in LEVELS else (403, "api_auth_error-forbidden")
    if operation.access in (PUBLIC, OPTIONAL):
        is_known = caller.kind in SESSIONS or (caller.kind != "anonymous" and name_of(operation) not in NEEDS_A_PERSON)
        return None if is_known or name_of(operation) not in NEEDS_SOMEBODY else (401, "api_auth_error-missing_auth")
    if caller.kind == "anonymous":
        return 401, "auth_error-invalid_access"
    if caller.kind in SESSIONS and caller.level not in LEVELS:
        return 401, {"none": "auth_error-missing_roles", "unknown": "role_error-invalid_role_name"}[caller.level]
    gate = operation.access
    least = {"api_token": gate.token_scope, "external_app": gate.user_scope}.get(caller.kind, gate.role)
    if least is None or caller.level not in LEVELS:
        return 401, "api_auth_error-missing_auth"
    if LEVELS.index(caller.level) < level_of(least):
        return 403, "api_auth_error-forbidden"
    recent = gate.recent_login_from
    is_asked = caller.kind == "old_session" and recent is not None and LEVELS.index(caller.level) >= level_of(recent)
    return (403, "auth_error-recent_login_required") if is_asked else None


def level_of(least):
    """Return the position of a role or scope in LEVELS."""
    return LEVELS.index(re.fullmatch("(?:resource|scope_token|scope_user)_(.*)", str(least))[1])


def address_of(operation):
    """Return the operation's path with parameters that match nothing."""
    return re.sub(r"\{(\w+)\}", lambda match: unknown(operation.parameters.get(match[1])), operation.path)


def unknown(kind):
    """Return a parameter value that matches nothing."""
    return str(UUID(int=0)) if kind is UUID else "4711"


async def answer_to(client, method, operation, headers):
    """Return status and error code, None without an error envelope."""
    async with client.request(method, address_of(operation), headers=headers, allow_redirects=False) as response:
        is_envelope = response.status >= 400 and response.content_type == "application/json" and method != "HEAD"
        return response.status, (await response.json())["error"]["code"] if is_envelope else None


def test_every_route_has_the_gate_of_the_specification():
    """Whoever adds one has to say here, too, whom it is for."""
    declared = {}
    for operation in OPERATIONS:
        declared.setdefault(operation.access, set()).add(name_of(operation))

    assert GATES == declared


def test_an_operation_without_a_gate_cannot_be_written():
    """There is nothing that it would be by default."""
    with pytest.raises(TypeError, match="access"):
        Operation("GET", "/open", show_context, summary="For whom?")  # type: ignore[call-arg]


async def test_every_route_has_the_specified_result_for_every_caller(start_client, provider, database_url):
    """Who may pass does, and nobody else; HEAD is GET."""
    client = await start_client(FURTHER)
    wrong, passed = [], 0
    callers = await every_caller(client.app, provider, database_url)
    # At the end, the logouts and the administrator, who ends all sessions: for they mean it.
    for caller in sorted(callers, key=lambda one: (one.kind, one.level) == ("session", "admin")):
        for operation in sorted((*OPERATIONS, *FURTHER), key=lambda one: LAST.get(name_of(one), 0)):
            wanted, headers = expected(operation, caller), caller.headers
            if name_of(operation) in LAST and (caller.kind, caller.level) == ("session", "admin"):
                # The one that ended all sessions ended its own as well.
                headers = (await session(client.app, provider, "admin", ["resource_admin"])).headers
            answer = await answer_to(client, operation.method, operation, headers)
            passed += answer not in REFUSALS
            if wanted != (answer if answer in REFUSALS else None) or answer[0] == 500:
                wrong.append((name_of(operation), caller, wanted, answer))
            if operation.method == "GET":
                head, _ = await answer_to(client, "HEAD", operation, headers)
                wrong += [(name_of(operation), caller, answer, f"HEAD {head}")] if head != answer[0] else []
    assert [] == wrong
    assert 100 < passed


async def test_contexts_are_printed_without_their_credentials(start_client, provider, database_url):
    """Whatever kind they are of."""
    client = await start_client(FURTHER)
    kinds = set()
    for caller in await every_caller(client.app, provider, database_url):
        for operation in FURTHER:
            async with client.get(operation.path, headers=caller.headers) as response:
                printed = await response.text()
            if response.status == 200:
                kinds.add(printed.partition("(")[0])
                assert not [secret for secret in {caller.secret, *provider.issued_secrets} if secret in printed]

    assert {"SessionUser", "ApiToken", "ExternalApp"} == kinds


async def test_before_the_setup_every_caller_is_anonymous(start_client, provider, database_url):
    """500 where somebody is needed; who could be anybody is nobody."""
    callers = await every_caller((await start_client()).app, provider, database_url)
    client = await start_client(FURTHER, is_registered=False)
    wrong = []
    for caller in [one for one in callers if one.level in {"none", "admin"}]:
        for operation in (*OPERATIONS, *FURTHER):
            answer = await answer_to(client, operation.method, operation, caller.headers)
            needs_somebody = name_of(operation) in NEEDS_SOMEBODY
            wanted = (401, "api_auth_error-missing_auth") if needs_somebody else None
            if operation.access not in (PUBLIC, OPTIONAL):
                wanted = (500, "auth_error-app_status_invalid")
            if wanted != (answer if answer in {*REFUSALS, (500, "auth_error-app_status_invalid")} else None):
                wrong.append((name_of(operation), caller, wanted, answer))
        async with client.get("/bodhi/v1/user", headers=caller.headers) as response:
            assert {"auth_status": "logged_out"} == await response.json()

    assert [] == wrong


async def test_credentials_are_refused_on_a_foreign_host(start_client, provider, database_url):
    """Not even those of an administrator: it may be a page of somebody else that asks."""
    client = await start_client(FURTHER)
    callers = await every_caller(client.app, provider, database_url)
    wrong = []
    for caller in [one for one in callers if one.level == "admin"]:
        for operation in [one for one in (*OPERATIONS, *FURTHER) if one.path not in {"/ping", "/health"}]:
            headers = {**caller.headers, "Host": "evil.example"}
            answer = await answer_to(client, operation.method, operation, headers)
            wrong += [(name_of(operation), caller, answer)] if answer[0] != 421 else []

    assert [] == wrong


async def test_every_list_has_the_same_paging(start_client, provider):
    """A page past the end is empty; one that cannot be is an error of the caller."""
    client = await start_client()
    admin = await session(client.app, provider, "admin", ["resource_admin"])
    lists = [operation.path for operation in OPERATIONS if operation.query is Paging]
    assert 5 == len(lists)
    for path in lists:
        for query, wanted in PAGES.items():
            async with client.get(f"{path}?{query}", headers=admin.headers) as response:
                answer = await response.json()
                shown = (answer["page"], answer["page_size"]) if response.status == 200 else answer["error"]["code"]
            assert (200 if wanted else 400, wanted or "json_rejection_error") == (response.status, shown), (path, query)


def test_shared_default_queries_are_immutable():
    """Requests without one share it."""
    queries = {operation.query for operation in OPERATIONS if operation.query is not None}

    assert len(queries) > 10
    assert [] == [query for query in queries if not query.__struct_config__.frozen]  # type: ignore[attr-defined]
