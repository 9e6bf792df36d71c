"""The user management API."""

import asyncio

import pytest

from bodhi.errors import BodhiError
from bodhi.oidc import ProviderLacks, ProviderRefused, ProviderUnavailable
from bodhi.server.access.directory import Directory
from bodhi.server.access.errors import DatabaseUnavailable
from bodhi.server.access.leases import Leases
from bodhi.server.access.principal import ApiToken, ExternalApp
from bodhi.server.access.scopes import Role, TokenScope, UserScope
from bodhi.server.users.api import OPERATIONS
from bodhi.server.users.service import USERS, Users
from bodhi.session import SessionUnavailable
from server.conftest import session_user

MALFORMED = (400, "json_rejection_error")
OK = (200, None)
EVERYBODY = {
    "id-user": "resource_user",
    "id-power_user": "resource_power_user",
    "id-manager": "resource_manager",
    "id-admin": "resource_admin",
}


class Tokens:
    """Records whose API tokens were disabled, and whose exchanges were dropped."""

    def __init__(self):
        self.disabled = []
        self.forgotten = []
        self.failures = []

    async def disable(self, user_id, by):
        if self.failures:
            raise self.failures.pop()
        self.disabled.append(user_id)


@pytest.fixture
def tokens():
    """The tokens that a removal ends."""
    return Tokens()


@pytest.fixture
def make_users(provider, sessions, tokens):
    """Creates the service of a node."""

    def make(people, leases):
        people.forget_user.append(tokens.forgotten.append)
        return Users(
            provider,
            directory=Directory(provider, people),
            profiles=people,
            leases=leases,
            end_sessions=sessions.clear_sessions_for_user,
            on_removal=[tokens.disable],
        )

    return make


@pytest.fixture
async def api(serve, make_users, application, people, provider):
    """The handlers, with a user of each role."""
    provider.roles.update(EVERYBODY)
    return await serve(OPERATIONS, {USERS: make_users(people, Leases(application))})


def put(user_id, role):
    """Change a role."""
    return "PUT", f"/users/{user_id}/role", {"role": role}


def delete(user_id):
    """Remove a user."""
    return "DELETE", f"/users/{user_id}"


async def test_users_are_listed_as_the_provider_returns_them_to_the_caller(api, provider):
    """With the caller's token; what else the provider says stays here."""
    provider.roles["id-plain"] = None

    status, page = await api("manager", "GET", "/users?page=2&page_size=2")

    assert [("list_users", "token of resource_manager", 2, 2)] == provider.calls
    assert 200 == status
    assert {
        "client_id": "client-1",
        "users": [
            {
                "user_id": "id-manager",
                "username": "id-manager@example.org",
                "first_name": None,
                "last_name": None,
                "role": "resource_manager",
            },
            {
                "user_id": "id-admin",
                "username": "id-admin@example.org",
                "first_name": None,
                "last_name": None,
                "role": "resource_admin",
            },
        ],
        "page": 2,
        "page_size": 2,
        "total_pages": 3,
        "total_users": 5,
        "has_next": True,
        "has_previous": True,
    } == page


async def test_lists_have_limits(api, provider):
    """30 people unless asked for otherwise, 100 at most, and no pages that cannot be."""
    for query, expected_paging in {
        "": (1, 30),
        "?page_size=1000": (1, 100),
        "?page=3&page_size=7&sort=role": (3, 7),
    }.items():
        assert 200 == (await api("admin", "GET", f"/users{query}"))[0]
        assert ("list_users", "token of resource_admin", *expected_paging) == provider.calls[-1]
    calls = len(provider.calls)

    queries = ["page=0", "page=-1", "page_size=0", "page_size=x", "page=1.5", "page=1&page=2", "page=9999999999"]
    queries += ["page_size=1e1", "page=1.0"]  # some would read these as integers
    answers = {query: await api("admin", "GET", f"/users?{query}") for query in queries}
    assert dict.fromkeys(queries, MALFORMED) == answers
    assert calls == len(provider.calls)


async def test_role_changes_and_removals_are_logged(api, caplog):
    """With the old role and who decided; a user without live sessions makes no difference. What is refused is not."""
    caplog.set_level("INFO", "bodhi.server.access.audit")

    assert OK == await api("manager", *put("id-user", "resource_manager"))
    assert OK == await api("admin", *delete("id-user"))
    assert 200 != (await api("manager", *put("id-admin", "resource_user")))[0]

    changed, removed = caplog.records
    assert "role changed user_id=id-user from=resource_user to=resource_manager by=id-manager" == changed.getMessage()
    assert {
        "event": "role_changed",
        "user_id": "id-user",
        "from": "resource_user",
        "to": "resource_manager",
        "by": "id-manager",
    } == changed.fields
    assert "user removed user_id=id-user from=resource_manager by=id-admin" == removed.getMessage()
    assert {
        "event": "user_removed",
        "user_id": "id-user",
        "from": "resource_manager",
        "by": "id-admin",
    } == removed.fields


async def test_a_role_change_is_logged_though_the_sessions_do_not_end(api, sessions, caplog, monkeypatch):
    """The role is changed nevertheless."""

    async def fail(_):
        raise SessionUnavailable

    caplog.set_level("INFO", "bodhi.server.access.audit")
    monkeypatch.setattr(sessions.get_session_store(), "clear_user", fail)

    assert 503 == (await api("admin", *put("id-user", "resource_manager")))[0]

    assert "role changed user_id=id-user from=resource_user to=resource_manager by=id-admin" in caplog.messages


FAILURES = (
    (ProviderRefused(403, "denied"), 500),
    (ProviderUnavailable(), 503),
    (ProviderLacks(), 501),
)
CODES = {503: "auth_error-idp_unavailable", 501: "auth_service_error-not_supported"}


async def test_refused_user_list_is_an_error(api, provider, monkeypatch):
    """Nothing of its own words is."""
    for failure, status in FAILURES:
        provider.failures["list_users"] = [failure]
        assert (status, CODES.get(status, "user_route_error-list_failed")) == await api("manager", "GET", "/users")

    async def something_else(*_, **__):
        return {"users": "none"}

    monkeypatch.setattr(provider, "list_users", something_else)
    assert (500, "user_route_error-list_failed") == await api("manager", "GET", "/users")


async def test_removal_marks_the_user_before_it_revokes_anything(serve, application, people, provider, sessions):
    """So that an approval which its user gives meanwhile is not missed; and it is looked for though noting it fails."""
    noted = []

    async def looks(user_id, by):
        found = await people.find(user_id)
        noted.append(found is not None and found.is_removed)

    async def fails(_):
        raise BodhiError

    users = Users(
        provider,
        directory=Directory(provider, people),
        profiles=people,
        leases=Leases(application),
        end_sessions=sessions.clear_sessions_for_user,
        on_removal=[looks],
    )
    api = await serve(OPERATIONS, {USERS: users})
    provider.roles.update(EVERYBODY)

    remove, people.remove = people.remove, fails
    assert (500, "user_route_error-session_clear_failed") == await api("admin", *delete("id-user"))
    people.remove = remove
    await people.note("id-user", "user", Role.USER)
    assert OK == await api("admin", *delete("id-user"))
    assert [False, True] == noted


async def test_managers_list_and_change_users_and_only_administrators_remove_them(api, authenticator, provider):
    """In a session; a token is not enough, however strong."""
    authenticator.callers["token"] = ApiToken("id-admin", TokenScope.ADMIN, "t")
    authenticator.callers["app"] = ExternalApp("id-admin", "admin", UserScope.ADMIN, "t", "t", "app")

    for call in (("GET", "/users"), put("id-user", "resource_user"), delete("id-user")):
        assert (401, "auth_error-invalid_access") == await api("", *call)
        for caller in ("nobody", "token", "app"):
            assert (401, "api_auth_error-missing_auth") == await api(caller, *call)
        for caller in ("user", "power_user"):
            assert (403, "api_auth_error-forbidden") == await api(caller, *call)
    assert (403, "api_auth_error-forbidden") == await api("manager", *delete("id-user"))
    assert [] == provider.calls


async def test_role_change_revokes_the_users_sessions(api, people, provider, sessions, tokens):
    """All of that user's, and nobody else's; API tokens stay, and may do what the new role allows."""
    await people.note("id-user", "user", Role.USER)
    for user_id in ("id-user", "id-user", "id-user", "id-manager"):
        await sessions.create({"user_id": user_id})

    assert OK == await api("manager", *put("id-user", "resource_power_user"))

    assert [["token of resource_manager", "id-user", "resource_power_user"]] == provider.calls_of("assign_role")
    assert 0 == await sessions.count_sessions_for_user("id-user")
    assert 1 == await sessions.count_sessions_for_user("id-manager")
    assert (Role.POWER_USER, [], ["id-user"]) == (await people.role_of("id-user"), tokens.disabled, tokens.forgotten)


async def test_assigning_the_current_role_ends_no_session(api, people, provider, sessions):
    """Nothing is asked of the provider either, of a user whose role changed here before or never did."""
    await people.note("id-user", "user", Role.USER)
    await people.note("id-power_user", "power user", Role.USER)
    assert OK == await api("manager", *put("id-power_user", "resource_manager"))
    provider.calls.clear()
    for user_id in ("id-user", "id-power_user"):
        await sessions.create({"user_id": user_id})

    assert OK == await api("manager", *put("id-user", "resource_user"))
    assert OK == await api("admin", *put("id-power_user", "resource_manager"))

    assert [] == provider.calls_of("assign_role")
    assert [1, 1] == [await sessions.count_sessions_for_user(user_id) for user_id in ("id-user", "id-power_user")]


async def test_role_above_the_callers_own_is_refused(api, provider):
    """Names are exact."""
    invalid = (400, "user_route_error-invalid_role")

    for role in ("", "admin", "Resource_user", " resource_user", "scope_user_user", "resource_anonymous"):
        assert invalid == await api("admin", *put("id-user", role))
    assert invalid == await api("manager", *put("id-user", "resource_admin"))
    assert [] == provider.calls
    for role in ("resource_manager", "resource_power_user", "resource_user"):
        assert OK == await api("manager", *put("id-user", role))
    assert OK == await api("admin", *put("id-user", "resource_admin"))


async def test_user_above_the_caller_cannot_be_changed(api, provider):
    """Wherever in the list they stand."""
    provider.roles |= {f"id-{number}": "resource_user" for number in range(250)} | {"id-last": "resource_admin"}

    for user_id in ("id-admin", "id-last"):
        assert (403, "api_auth_error-forbidden") == await api("manager", *put(user_id, "resource_user"))
    assert [] == provider.calls_of("assign_role")
    assert OK == await api("manager", *put("id-manager", "resource_manager"))
    assert OK == await api("admin", *put("id-last", "resource_user"))


async def test_role_of_an_unlisted_user_is_the_last_known(api, people, provider):
    """Who was never seen has none."""
    del provider.roles["id-admin"]
    await people.note("id-admin", "admin", Role.ADMIN)

    assert (403, "api_auth_error-forbidden") == await api("manager", *put("id-admin", "resource_user"))
    assert OK == await api("manager", *put("id-newcomer", "resource_user"))
    assert "resource_user" == provider.roles["id-newcomer"]


async def test_unknown_role_name_of_the_provider_is_no_role(api, provider):
    """It gives nothing here, so nobody is kept from changing it."""
    provider.roles["id-odd"] = "uma_authorization"

    assert OK == await api("manager", *put("id-odd", "resource_user"))


async def test_last_administrator_cannot_be_removed_or_demoted(api, provider):
    """Neither demoted nor removed, by nobody, themselves included."""
    last = (409, "user_route_error-last_admin")

    for role in ("resource_user", "resource_power_user", "resource_manager"):
        assert last == await api("admin", *put("id-admin", role))
    assert last == await api("admin", *delete("id-admin"))
    assert OK == await api("admin", *put("id-admin", "resource_admin"))
    assert "resource_admin" == provider.roles["id-admin"]

    provider.roles |= {f"id-{number}": "resource_user" for number in range(150)} | {"id-second": "resource_admin"}
    assert OK == await api("admin", *put("id-admin", "resource_manager"))
    assert last == await api("admin", *delete("id-second"))


async def test_of_two_administrators_who_demote_each_other_one_stays(api, authenticator, provider):
    """At once, as often as they like."""
    provider.roles["id-second"] = "resource_admin"
    authenticator.callers["second"] = session_user("second", Role.ADMIN)

    answers = await asyncio.gather(
        api("admin", *put("id-second", "resource_user")), api("second", *put("id-admin", "resource_user"))
    )

    assert [200, 409] == sorted(status for status, _ in answers)
    assert 1 == list(provider.roles.values()).count("resource_admin")


async def test_removal_revokes_sessions_tokens_and_cached_exchanges(api, people, provider, sessions, tokens):
    """Sessions, API tokens, and what is remembered of other tokens."""
    await people.note("id-user", "user", Role.USER)
    for user_id in ("id-user", "id-user", "id-admin"):
        await sessions.create({"user_id": user_id})

    assert OK == await api("admin", *delete("id-user"))

    assert [["token of resource_admin", "id-user"]] == provider.calls_of("remove_user")
    assert "id-user" not in provider.roles
    assert 0 == await sessions.count_sessions_for_user("id-user")
    assert 1 == await sessions.count_sessions_for_user("id-admin")
    assert (["id-user"], ["id-user"], None) == (tokens.disabled, tokens.forgotten, await people.role_of("id-user"))


async def test_refusal_of_the_provider_changes_nothing_locally(api, people, provider, sessions, tokens):
    """Nobody is logged out for it."""
    await people.note("id-user", "user", Role.USER)
    await sessions.create({"user_id": "id-user"})

    for call, name, code in (
        (put("id-user", "resource_manager"), "assign_role", "user_route_error-role_change_failed"),
        (delete("id-user"), "remove_user", "user_route_error-remove_failed"),
    ):
        for failing in (name, "list_users"):
            for failure, status in FAILURES:
                provider.failures[failing] = [failure]
                assert (status, CODES.get(status, code)) == await api("admin", *call)
    assert ("resource_user", Role.USER) == (provider.roles["id-user"], await people.role_of("id-user"))
    assert (1, [], []) == (await sessions.count_sessions_for_user("id-user"), tokens.disabled, tokens.forgotten)


async def test_a_user_the_provider_does_not_know_is_not_found(api, provider):
    """Unless there is something left of them here."""
    unknown = (404, "user_route_error-user_not_found")
    assert unknown == await api("admin", *delete("id-unknown"))

    provider.failures["assign_role"] = [ProviderRefused(404, "user_not_found")]
    assert unknown == await api("admin", *put("id-unknown", "resource_user"))


@pytest.mark.parametrize(("failure", "status"), [(BodhiError, 500), (SessionUnavailable, 503)], ids=["fault", "outage"])
@pytest.mark.parametrize("call", [put("id-user", "resource_manager"), delete("id-user")], ids=["change", "removal"])
async def test_failed_session_revocation_is_an_error_and_can_be_repeated(
    api, people, sessions, tokens, monkeypatch, call, failure, status
):
    """What could be ended is ended the first time; an outage is told from a fault."""
    await people.note("id-user", "user", Role.USER)
    await sessions.create({"user_id": "id-user"})

    async def fail(_):
        raise failure

    with monkeypatch.context() as outage:
        outage.setattr(sessions.get_session_store(), "clear_user", fail)
        assert (status, "user_route_error-session_clear_failed") == await api("admin", *call)
    assert 1 == await sessions.count_sessions_for_user("id-user")
    assert ["id-user"] == tokens.forgotten
    assert tokens.disabled == (["id-user"] if call[0] == "DELETE" else [])

    assert OK == await api("admin", *call)
    assert 0 == await sessions.count_sessions_for_user("id-user")


async def test_a_fault_beside_an_outage_is_a_fault(api, sessions, tokens, monkeypatch):
    """It does not end by itself."""

    async def fail(_):
        raise SessionUnavailable

    tokens.failures = [BodhiError()]
    monkeypatch.setattr(sessions.get_session_store(), "clear_user", fail)

    assert (500, "user_route_error-session_clear_failed") == await api("admin", *delete("id-user"))


async def test_failed_token_revocation_is_an_error_and_can_be_repeated(api, sessions, tokens):
    """Also of somebody who was never seen here, and whom the provider does not have any more."""
    await sessions.create({"user_id": "id-user"})
    tokens.failures = [DatabaseUnavailable()]

    assert (503, "user_route_error-session_clear_failed") == await api("admin", *delete("id-user"))
    assert 0 == await sessions.count_sessions_for_user("id-user")

    assert OK == await api("admin", *delete("id-user"))
    assert ["id-user"] == tokens.disabled


async def test_a_removal_whose_answer_was_lost_is_finished_by_a_repetition(api, people, provider, tokens):
    """The provider has removed the user, and says so the second time."""
    await people.note("id-user", "user", Role.USER)
    provider.late_failures["remove_user"] = [ProviderUnavailable()]

    assert (503, "auth_error-idp_unavailable") == await api("admin", *delete("id-user"))
    assert [] == tokens.disabled
    assert OK == await api("admin", *delete("id-user"))
    assert (["id-user"], None) == (tokens.disabled, await people.role_of("id-user"))


async def test_concurrent_removals_both_succeed(api, people, provider):
    """A double click."""
    await people.note("id-user", "user", Role.USER)

    assert [OK, OK] == await asyncio.gather(*(api("admin", *delete("id-user")) for _ in range(2)))
    assert "id-user" not in provider.roles


BAD_BODIES = {
    "nothing": {"data": b"", "headers": {"Content-Type": "application/json"}},
    "no JSON": {"data": b"role", "headers": {"Content-Type": "application/json"}},
    "another type": {"data": b'{"role": "resource_user"}', "headers": {"Content-Type": "text/plain"}},
    "a form": {"data": {"role": "resource_user"}},
    "no role": {"json": {"name": "resource_user"}},
    "a null": {"json": {"role": None}},
    "a list": {"json": {"role": ["resource_user"]}},
    "a text": {"json": "resource_user"},
}


async def test_malformed_changes_are_refused(api, provider):
    """Bodies and ids by one rule."""
    path = "/users/id-user/role"
    answers = {name: await api("admin", "PUT", path, **body) for name, body in BAD_BODIES.items()}
    assert dict.fromkeys(BAD_BODIES, MALFORMED) == answers

    for user_id in ("%00", "a%0Ab", "x" * 256, "%7F"):
        assert MALFORMED == await api("admin", *put(user_id, "resource_user"))
        assert MALFORMED == await api("admin", *delete(user_id))
    assert [] == provider.calls


async def test_user_ids_may_contain_any_characters(api, people, provider):
    """Providers name people as they like."""
    for user_id, quoted in {"a b": "a%20b", "ü|1/2": "%C3%BC%7C1%2F2", "x" * 255: "x" * 255}.items():
        assert OK == await api("admin", *put(quoted, "resource_user"))
        assert "resource_user" == provider.roles[user_id]
        assert OK == await api("admin", *delete(quoted))
        assert (await people.find(user_id)).is_removed


async def test_endless_user_list_is_abandoned(api, provider, monkeypatch):
    """Nobody waits for ever."""
    page = await provider.list_users("t", page=1, page_size=100)
    monkeypatch.setattr("bodhi.server.access.directory.MAX_PAGES", 3)
    calls = []

    async def endless(*_, **__):
        calls.append(None)
        return {**page, "has_next": True}

    monkeypatch.setattr(provider, "list_users", endless)

    assert (500, "user_route_error-role_change_failed") == await api("admin", *put("id-nowhere", "resource_user"))
    assert 3 == len(calls)
