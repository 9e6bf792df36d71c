"""Role requests: one pending per user, decided once, and only after all effects succeeded."""

import asyncio
from datetime import UTC, datetime

import pytest

from bodhi.database import open_database
from bodhi.errors import BodhiError
from bodhi.oidc import ProviderLacks, ProviderRefused, ProviderUnavailable
from bodhi.server.access.directory import ROLES_LEASE, Directory
from bodhi.server.access.errors import ApiError, api_error_of
from bodhi.server.access.leases import Leases
from bodhi.server.access.principal import SessionUser
from bodhi.server.access.profiles import Profiles
from bodhi.server.access.scopes import Role
from bodhi.server.roles.service import AccessRequest, AccessRequests
from bodhi.server.users.service import Users
from support.scripted_provider import ScriptedProvider

MANAGER = SessionUser("m-1", "manager", Role.MANAGER, "the manager's token")
ADMIN = SessionUser("a-1", "admin", Role.ADMIN, "the administrator's token")
NOBODY = SessionUser("n-1", "nobody", None, "a token")
NOW = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)


class Sessions:
    """Records the users whose sessions were ended, and raises injected failures."""

    def __init__(self):
        self.ended = []
        self.failures = []

    async def end(self, user_id, *, reason, by):
        assert ("approval", True) == (reason, bool(by))
        if self.failures:
            raise self.failures.pop()
        self.ended.append(user_id)
        return 1


@pytest.fixture
def provider():
    """The provider of all nodes."""
    return ScriptedProvider()


@pytest.fixture
def sessions():
    """The sessions of all nodes."""
    return Sessions()


@pytest.fixture
def people(application):
    """The stored profiles."""
    return Profiles(application)


@pytest.fixture
def make_requests(provider, sessions, clock):
    """Creates the service of a node."""

    def make(database):
        people = Profiles(database)
        return AccessRequests(database, profiles=people, management=provider, end_sessions=sessions.end, clock=clock)

    return make


@pytest.fixture
def requests(make_requests, application):
    """The service of a node."""
    return make_requests(application)


@pytest.fixture
async def other_node(make_requests, database_url):
    """The service of another node."""
    async with open_database(database_url, limit_seconds=60) as database:
        yield make_requests(database)


async def code_of(awaitable):
    """Return the raised error code."""
    with pytest.raises(BodhiError) as refused:
        await awaitable
    return api_error_of(refused.value).code


async def status_of(requests, number=0):
    """Return the status and reviewer of a request."""
    listed, _ = await requests.list_page(size=100)
    return listed[number].status, listed[number].reviewer


async def test_new_request_is_pending(requests):
    """With its times in UTC."""
    made = await requests.create("u-1", "alice")

    assert AccessRequest(made.id, "alice", "u-1", None, "pending", NOW, NOW) == made == await requests.pending_of("u-1")


async def test_a_user_has_one_pending_request(requests, other_node):
    """However often and wherever they ask at once."""
    asked = [(requests, other_node)[number % 2].create("u-1", "alice") for number in range(6)]
    results = await asyncio.gather(*asked, return_exceptions=True)

    assert 1 == len([one for one in results if isinstance(one, AccessRequest)])
    refused = {(one.code, one.status) for one in results if isinstance(one, ApiError)}
    assert {("access_request_error-already_pending", 409)} == refused
    await requests.create("u-2", "bob")


async def test_rejected_user_may_request_again(requests):
    """The request of before stays in the list."""
    made = await requests.create("u-1", "alice")
    await requests.reject(made.id, MANAGER)

    assert "access_request_error-pending_request_not_found" == await code_of(requests.pending_of("u-1"))
    again = await requests.create("u-1", "alice")

    listed, total = await requests.list_page(size=10)
    assert ([made.id, again.id], 2) == ([one.id for one in listed], total)


async def test_lists_are_oldest_first_and_have_pages(requests, clock):
    """All of them, or those that wait."""
    for number in range(5):
        await requests.create(f"u-{number}", f"user {number}")
        clock.advance(1000)
    listed, _ = await requests.list_page(size=10)
    await requests.reject(listed[1].id, MANAGER)

    async def users(**page):
        found, total = await requests.list_page(**page)
        return [one.user_id for one in found], total

    assert (["u-0", "u-1", "u-2", "u-3", "u-4"], 5) == await users(size=10)
    assert (["u-2", "u-3"], 5) == await users(size=2, skip=2)
    assert (["u-0", "u-2"], 4) == await users(size=2, only_pending=True)
    assert (["u-3", "u-4"], 4) == await users(size=2, skip=2, only_pending=True)
    assert ([], 5) == await users(size=100, skip=100 * 2**31)


async def test_approval_assigns_the_role_and_ends_the_sessions(requests, people, provider, sessions, clock):
    """By the right of the reviewer, whose name stays."""
    await people.note("u-1", "alice", None)
    made = await requests.create("u-1", "alice")
    clock.advance(60_000)

    await requests.approve(made.id, Role.POWER_USER, MANAGER)

    assert [[MANAGER.token, "u-1", "resource_power_user"]] == provider.calls_of("assign_role")
    assert (["u-1"], Role.POWER_USER) == (sessions.ended, await people.role_of("u-1"))
    (request,), _ = await requests.list_page(size=10)
    assert ("approved", "manager", NOW, NOW.replace(minute=1)) == (
        request.status,
        request.reviewer,
        request.created_at,
        request.updated_at,
    )


async def test_approval_stores_the_role_before_it_revokes_sessions(application, people, provider, clock):
    """A login that is under way is refused, or its session ends with the others."""
    await people.note("u-1", "alice", None)
    noted = []

    async def end(user_id, **_):
        noted.append(await people.role_of(user_id))

    requests = AccessRequests(application, profiles=people, management=provider, end_sessions=end, clock=clock)
    await requests.approve((await requests.create("u-1", "alice")).id, Role.USER, MANAGER)

    assert [Role.USER] == noted


async def test_granting_more_than_ones_own_role_is_refused(requests, provider):
    """Whether the request exists is not looked at before."""
    made = await requests.create("u-1", "alice")
    too_much = [(NOBODY, role) for role in Role] + [(MANAGER, Role.ADMIN)]

    for reviewer, role in too_much:
        for number in (made.id, made.id + 1):
            refusal = await code_of(requests.approve(number, role, reviewer))
            assert "access_request_error-insufficient_privileges" == refusal
    assert ([], ("pending", None)) == (provider.calls, await status_of(requests))

    for user, (reviewer, role) in enumerate([(MANAGER, Role.MANAGER), (ADMIN, Role.ADMIN)]):
        await requests.approve((await requests.create(f"u-{user + 2}", "bob")).id, role, reviewer)
    assert ["resource_manager", "resource_admin"] == [role for _, _, role in provider.calls_of("assign_role")]


async def test_an_unknown_request_is_not_decided(requests):
    """Neither way."""
    for number in (0, -1, 17, -(2**63), 2**63 - 1):
        assert "access_request_error-request_not_found" == await code_of(requests.approve(number, Role.USER, MANAGER))
        assert "access_request_error-request_not_found" == await code_of(requests.reject(number, MANAGER))


@pytest.mark.parametrize("first", ["approve", "reject"])
async def test_a_request_is_decided_once(requests, provider, sessions, first):
    """Whatever the first decision was."""
    made = await requests.create("u-1", "alice")
    await (requests.approve(made.id, Role.USER, MANAGER) if first == "approve" else requests.reject(made.id, MANAGER))
    done = [*provider.calls], [*sessions.ended]

    assert "access_request_error-already_processed" == await code_of(requests.approve(made.id, Role.USER, ADMIN))
    assert "access_request_error-already_processed" == await code_of(requests.reject(made.id, ADMIN))
    assert done == (provider.calls, sessions.ended)
    assert "manager" == (await status_of(requests))[1]


async def test_of_concurrent_approvals_one_assigns_a_role(requests, other_node, provider, sessions):
    """The others are told that it was decided."""
    made = await requests.create("u-1", "alice")
    approvals = [
        (requests, other_node)[number % 2].approve(made.id, (Role.USER, Role.POWER_USER)[number % 2], MANAGER)
        for number in range(4)
    ]

    results = await asyncio.gather(*approvals, return_exceptions=True)

    assert 1 == results.count(None)
    assert {"access_request_error-already_processed"} == {one.code for one in results if one is not None}
    assert (1, ["u-1"]) == (len(provider.calls_of("assign_role")), sessions.ended)


async def test_a_rejection_waits_for_an_approval_that_is_under_way(requests, other_node, provider):
    """Or somebody would have a role by a request that was rejected."""
    made = await requests.create("u-1", "alice")
    provider.gate.clear()
    approval = asyncio.create_task(requests.approve(made.id, Role.USER, MANAGER))
    while not provider.calls_of("assign_role"):
        await asyncio.sleep(0)
    rejection = asyncio.create_task(other_node.reject(made.id, ADMIN))
    await status_of(other_node)
    provider.gate.set()

    await approval
    assert "access_request_error-already_processed" == await code_of(rejection)
    assert ("approved", "manager") == await status_of(requests)


@pytest.mark.parametrize(
    ("failure", "code", "status"),
    [
        (ProviderRefused(403, "denied"), "auth_service_error-auth_service_api_error", 500),
        (ProviderUnavailable(), "auth_error-idp_unavailable", 503),
        (ProviderLacks(), "auth_service_error-not_supported", 501),
    ],
)
async def test_failed_role_assignment_leaves_the_request_pending(requests, provider, sessions, failure, code, status):
    """And it can be approved again."""
    made = await requests.create("u-1", "alice")
    provider.failures["assign_role"] = [failure]

    with pytest.raises(ApiError) as refused:
        await requests.approve(made.id, Role.USER, MANAGER)

    assert (code, status) == (refused.value.code, refused.value.status)
    assert ([], ("pending", None)) == (sessions.ended, await status_of(requests))
    await requests.approve(made.id, Role.USER, ADMIN)
    assert ("approved", "admin") == await status_of(requests)


async def test_failed_session_revocation_leaves_the_request_pending(requests, provider, sessions):
    """The failure is told, and approving again ends them."""
    made = await requests.create("u-1", "alice")
    sessions.failures = [BodhiError("the session database does not answer")]

    assert "user_route_error-session_clear_failed" == await code_of(requests.approve(made.id, Role.USER, MANAGER))
    assert "pending" == (await status_of(requests))[0]

    await requests.approve(made.id, Role.USER, MANAGER)
    assert (["u-1"], ("approved", "manager")) == (sessions.ended, await status_of(requests))


async def test_approving_an_old_request_does_not_lower_a_role(requests, people, provider):
    """Who has a higher role by now keeps it; the request can be rejected."""
    await people.note("u-1", "alice", None)
    made = await requests.create("u-1", "alice")
    await people.set_role("u-1", Role.ADMIN)

    assert "access_request_error-already_has_access" == await code_of(requests.approve(made.id, Role.USER, ADMIN))
    assert [] == provider.calls_of("assign_role")
    await requests.reject(made.id, ADMIN)


@pytest.mark.parametrize("known", [None, Role.USER], ids=["without a role here", "with an older role here"])
async def test_current_role_comes_from_the_providers_list(requests, people, provider, known):
    """Promoted at the provider itself, which was not seen here yet."""
    await people.note("u-1", "alice", known)
    made = await requests.create("u-1", "alice")
    provider.roles |= {f"u-{number + 2}": "resource_user" for number in range(150)} | {"u-1": "resource_manager"}

    with pytest.raises(ApiError) as refused:
        await requests.approve(made.id, Role.POWER_USER, MANAGER)

    assert ("access_request_error-already_has_access", 422) == (refused.value.code, refused.value.status)
    assert ([], "resource_manager") == (provider.calls_of("assign_role"), provider.roles["u-1"])
    assert ("pending", None) == await status_of(requests)


async def test_equal_or_lower_current_role_allows_the_approval(requests, people, provider):
    """The list counts, though more was seen here once."""
    await people.note("u-1", "alice", Role.ADMIN)
    for role in ("resource_user", "resource_power_user"):
        provider.roles["u-1"] = role
        made = await requests.create("u-1", "alice")
        await requests.approve(made.id, Role.POWER_USER, MANAGER)
    assert ["resource_power_user"] * 2 == [role for _, _, role in provider.calls_of("assign_role")]


async def test_role_changed_during_an_approval_stays(requests, application, people, provider, sessions, clock):
    """The approval waits, and looks then: in both orders the higher role is the one that stays."""
    await people.note("u-1", "alice", None)
    users = Users(
        provider,
        directory=Directory(provider, people),
        profiles=people,
        leases=Leases(application, clock=clock),
        end_sessions=lambda *_, **__: sessions.end("u-1", reason="approval", by="a-1"),
    )
    made = await requests.create("u-1", "alice")
    provider.gate.clear()
    change = asyncio.create_task(users.change_role(ADMIN, "u-1", "resource_manager"))
    while not provider.calls_of("assign_role"):
        await asyncio.sleep(0)
    approval = asyncio.create_task(requests.approve(made.id, Role.USER, MANAGER))
    await status_of(requests)
    provider.gate.set()

    await change
    assert "access_request_error-already_has_access" == await code_of(approval)
    assert ("resource_manager", Role.MANAGER) == (provider.roles["u-1"], await people.role_of("u-1"))


@pytest.mark.parametrize("loss", ["removed", "demoted by an administrator", "lost at the provider"])
@pytest.mark.parametrize("request_of_the_manager", ["approve", "reject", "change a role", "remove"])
async def test_reviewer_who_loses_their_role_meanwhile_decides_nothing(
    requests, application, people, provider, sessions, clock, loss, request_of_the_manager
):
    """A request that waited for its turn: whoever made it is no manager by now."""
    await people.note(MANAGER.user_id, "manager", Role.MANAGER)
    await people.note("u-1", "alice", None)
    made = await requests.create("u-1", "alice")
    leases = Leases(application, clock=clock)
    users = Users(
        provider,
        directory=Directory(provider, people),
        profiles=people,
        leases=leases,
        end_sessions=lambda *_, **__: sessions.end("u-1", reason="approval", by="a-1"),
    )
    begin = {
        "approve": lambda: requests.approve(made.id, Role.USER, MANAGER),
        "reject": lambda: requests.reject(made.id, MANAGER),
        "change a role": lambda: users.change_role(MANAGER, "u-1", "resource_user"),
        "remove": lambda: users.remove(MANAGER, "u-1"),
    }[request_of_the_manager]
    async with leases.held(ROLES_LEASE):
        waiting = asyncio.create_task(begin())
        await status_of(requests)
        if loss == "removed":
            await people.remove(MANAGER.user_id)
        elif loss == "lost at the provider":
            await people.note(MANAGER.user_id, "manager", Role.POWER_USER)
        else:
            await people.set_role(MANAGER.user_id, Role.USER)

    assert "api_auth_error-forbidden" == await code_of(waiting)
    changes = provider.calls_of("assign_role") + provider.calls_of("remove_user")
    assert ([], []) == (changes, sessions.ended)
    assert ("pending", None) == await status_of(requests)


async def test_without_a_provider_list_the_last_known_role_counts(requests, people, provider, clock):
    """However long ago that was confirmed."""
    await people.note("u-1", "alice", Role.MANAGER)
    made = await requests.create("u-1", "alice")
    provider.failures["list_users"] = [ProviderLacks()]

    assert "access_request_error-already_has_access" == await code_of(requests.approve(made.id, Role.USER, MANAGER))


@pytest.mark.parametrize("decision", ["approved", "rejected"])
async def test_decision_log_names_the_reviewer(requests, caplog, decision):
    """By id, since names may be anything and change."""
    caplog.set_level("INFO", "bodhi.server.roles.service")
    made = await requests.create("u-1", "alice")

    await (
        requests.approve(made.id, Role.USER, MANAGER) if decision == "approved" else requests.reject(made.id, MANAGER)
    )

    (record,) = caplog.records
    role = {"role": "resource_user"} if decision == "approved" else {}
    assert {"request_id": made.id, "user_id": "u-1", **role, "by": "m-1"} == record.fields
    assert record.getMessage().startswith(f"access request {decision} request_id={made.id} user_id=u-1 ")
    assert record.getMessage().endswith(" by=m-1")


async def test_an_approval_is_logged_as_a_role_change(requests, caplog):
    """From no role; a rejection changes none."""
    caplog.set_level("INFO", "bodhi.server.access.audit")
    rejected = await requests.create("u-2", "bob")
    await requests.reject(rejected.id, MANAGER)
    made = await requests.create("u-1", "alice")

    await requests.approve(made.id, Role.USER, MANAGER)

    (record,) = caplog.records
    assert "role changed user_id=u-1 from=none to=resource_user by=m-1" == record.getMessage()
    assert {
        "event": "role_changed",
        "user_id": "u-1",
        "from": None,
        "to": "resource_user",
        "by": "m-1",
    } == record.fields


async def test_outage_and_database_fault_are_different_errors(requests, application):
    """503 when the database does not answer, 500 when it refuses the question."""
    await application.script("ALTER TABLE bodhi_access_request RENAME COLUMN status TO renamed;")
    assert "access_request_error-fetch_failed" == await code_of(requests.list_page(size=1))

    await application.__aexit__()
    for call in (
        requests.list_page(size=1),
        requests.create("u-1", "alice"),
        requests.pending_of("u-1"),
        requests.approve(1, Role.USER, MANAGER),
        requests.reject(1, MANAGER),
    ):
        assert "auth_error-database_unavailable" == await code_of(call)
