import asyncio
import json
import logging

import pytest

from bodhi.database import DatabaseUnavailable
from bodhi.errors import BodhiError
from bodhi.oidc.errors import ProviderLacks, ProviderRefused, ProviderUnavailable
from bodhi.server.access.errors import ApiError, api_error_of
from bodhi.server.access.instance import Instance, Status
from bodhi.server.access.principal import SessionUser
from bodhi.server.access.profiles import Profiles
from bodhi.server.access.scopes import Role
from bodhi.server.apps.records import is_empty_request, network_of, source_of, storable
from bodhi.server.apps.service import DRAFT_MS, UNDECIDED_MS, AppAccessRequests
from support.scripted_consents import ScriptedConsents

ALICE = SessionUser("alice", "Alice", Role.USER, "alices-token")
BOB = SessionUser("bob", "Bob", Role.USER, "bobs-token")
UNKNOWN_ID = "00000000-0000-0000-0000-000000000000"
CLAIM_MS = 60_000
SOMETHING = {"devices": ["printer"]}


class Instances:
    """This server's registration."""

    def __init__(self):
        self.instance = Instance("bodhi", "secret", "scope", Status.READY)

    async def current(self):
        return self.instance


@pytest.fixture
def provider():
    """The identity provider."""
    return ScriptedConsents()


@pytest.fixture
def instances():
    """The registration of this server."""
    return Instances()


@pytest.fixture
def ended():
    """The ids of approvals that ended."""
    return []


@pytest.fixture
def requests(application, provider, instances, clock, ended):
    """The service, with the test's clock."""
    return AppAccessRequests(
        application, provider, instances, public_url="https://bodhi.example", on_withdrawal=ended.append, clock=clock
    )


async def create_request(requests, client="app", *, flow="popup", url=None, requested=SOMETHING, source="192.0.2.1"):
    """Create a request of an application."""
    return await requests.create(client, flow_type=flow, redirect_url=url, requested=requested, source=source)


async def refusal(awaitable):
    """Return the error code raised by *awaitable*."""
    with pytest.raises(BodhiError) as caught:
        await awaitable
    return api_error_of(caught.value).code


async def test_request_with_content_is_a_draft(requests, provider):
    """The provider is told of nothing yet."""
    draft = await create_request(requests, requested={"devices": ["x"], "any": [1, {"b": None}]})

    assert ("draft", "popup", None, None) == (draft.status, draft.flow_type, draft.user_id, draft.access_request_scope)
    assert '{"devices":["x"],"any":[1,{"b":null}]}' == draft.requested
    assert f"https://bodhi.example/ui/apps/access-requests/review?id={draft.id}" == requests.review_url(draft)
    assert [] == provider.calls


@pytest.mark.parametrize("requested", [None, {}, [], {"devices": []}, {"devices": [], "more": {"cameras": None}}])
def test_empty_lists_are_nothing(requested):
    """Nobody has to approve them."""
    assert is_empty_request(requested)


async def test_request_without_content_is_approved_at_once(requests, provider):
    """The provider is told with the server's own account; the scope does not reach anybody's things."""
    made = await create_request(requests, requested={"devices": []})

    assert ("approved", "scope_resource-bodhi", None) == (made.status, made.resource_scope, made.access_request_scope)
    assert [("register", "bodhi", "app")] == provider.calls
    assert "approved" == (await requests.poll(made.id, "app")).status


@pytest.mark.parametrize("requested", [0, False, "", [[]], {"devices": [None]}, {"devices": {"a": 1}}])
def test_what_is_not_an_empty_list_is_something(requested):
    """In doubt a person is asked."""
    assert not is_empty_request(requested)


@pytest.mark.parametrize(
    ("flow", "url", "code"),
    [
        ("page", None, "app_access_request_error-invalid_flow_type"),
        ("", "https://app.example/", "app_access_request_error-invalid_flow_type"),
        ("redirect", None, "app_access_request_error-missing_redirect_url"),
        ("redirect", "", "app_access_request_error-missing_redirect_url"),
        ("redirect", "//app.example/", "app_access_request_error-invalid_redirect_url"),
        ("popup", "javascript:alert(1)", "app_access_request_error-invalid_redirect_url"),
    ],
)
async def test_redirect_url_is_validated_first(flow, url, code):
    """Also where nothing is requested."""
    requests = AppAccessRequests(None, None, None, public_url="x")

    assert code == await refusal(create_request(requests, flow=flow, url=url))
    assert code == await refusal(create_request(requests, flow=flow, url=url, requested=None))


async def test_redirect_url_contains_the_request_id(requests):
    """So that the application knows which of its requests was decided."""
    draft = await create_request(requests, flow="redirect", url="https://app.example/done?a=b")

    assert f"https://app.example/done?a=b&id={draft.id}" == draft.redirect_url


@pytest.mark.parametrize(
    "requested", [["x" * 16_384], {"a": "é" * 9_000}, json.loads("[" * 34 + "]" * 34)], ids=["long", "bytes", "deep"]
)
async def test_requested_json_is_limited(requested):
    """Anybody may ask, and it is stored."""
    requests = AppAccessRequests(None, None, None, public_url="x")

    assert "json_rejection_error" == await refusal(create_request(requests, requested=requested))


async def test_the_number_of_open_requests_is_limited(application, provider, instances, clock):
    """Per source and client, and per source; what was decided or has expired does not count."""
    requests = AppAccessRequests(
        application, provider, instances, public_url="x", per_client=2, per_source=3, clock=clock
    )
    too_many = "access_request_error-too_many_drafts"
    first, _ = await create_request(requests), await create_request(requests)

    assert too_many == await refusal(create_request(requests))
    assert await create_request(requests, "other")
    assert too_many == await refusal(create_request(requests, "third"))
    assert await create_request(requests, source="192.0.2.2")

    await requests.deny(first.id, "alice")
    assert await create_request(requests)
    assert too_many == await refusal(create_request(requests))
    clock.advance(DRAFT_MS)
    assert await create_request(requests)


@pytest.mark.parametrize(
    ("sources", "others"),
    [
        (["192.0.2.1", "192.0.2.7", "192.0.2.255"], ["192.0.3.1", "2001:db8::/64"]),
        (["2001:db8:1::/64", "2001:db8:1:1::/64", "2001:db8:1:ffff::/64"], ["2001:db8:2::/64", "2001:db8::/64"]),
        (["2001:db8::/64", "2001:db8:0:1::/64", "2001:db8:0:ffff::/64"], ["2001:db8:1::/64", ""]),
    ],
)
async def test_sources_of_one_network_share_a_limit(application, provider, instances, clock, sources, others):
    """A customer with a /48 has 65,536 sources, and does not take what there is for other networks."""
    requests = AppAccessRequests(application, provider, instances, public_url="x", per_network=2, clock=clock)
    first, second, third = sources
    await create_request(requests, source=first)
    await create_request(requests, source=second)

    assert "access_request_error-too_many_drafts" == await refusal(create_request(requests, source=third))
    assert "access_request_error-too_many_drafts" == await refusal(create_request(requests, source=first))
    for other in others:
        assert await create_request(requests, source=other)
    clock.advance(DRAFT_MS)
    assert await create_request(requests, source=third)


async def test_the_total_of_open_requests_is_limited(application, provider, instances, clock, caplog):
    """Holds for sources that have nothing in common; the log says so once a minute."""
    requests = AppAccessRequests(application, provider, instances, public_url="x", max_open=3, clock=clock)
    too_many = "access_request_error-too_many_drafts"
    first = await create_request(requests, source="192.0.2.1")
    await create_request(requests, source="2001:db8::/64")
    await create_request(requests, source="", requested=None)

    def warnings():
        return [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]

    for number in range(3):
        assert too_many == await refusal(create_request(requests, source=f"198.51.{number}.1"))
    assert ["app access requests refused reason=too_many_open limit=3"] == warnings()
    clock.advance(60_000)
    assert too_many == await refusal(create_request(requests, source="198.51.100.1"))
    assert 2 == len(warnings())

    await requests.deny(first.id, "alice")
    assert await create_request(requests, source="198.51.100.1")
    assert too_many == await refusal(create_request(requests, source="198.51.100.2"))
    clock.advance(DRAFT_MS)
    assert await create_request(requests, source="198.51.100.2")


async def test_default_limits_of_one_source_leave_room_for_others():
    """By default: no single source, application or network has as much as a tenth of what there is in all."""
    requests = AppAccessRequests(None, None, None, public_url="x")

    assert requests._per_client <= requests._per_source <= requests._per_network <= requests._max_open / 10


async def test_open_requests_of_one_source_are_bounded_in_the_database(application, provider, instances, clock):
    """For hours it asks whenever it may, and has no more rows than fit in half an hour."""
    requests = AppAccessRequests(application, provider, instances, public_url="x", per_source=2, clock=clock)
    stored, most = [], 0
    for number in range(36):
        # Of every three, two wait for a person and one for nobody.
        while (
            made := await created_or_none(create_request(requests, requested=SOMETHING if number % 3 else None))
        ) is not None:
            stored.append(made)
        clock.advance(300_000)
        stored = [one for one in stored if await requests.by_id(one.id) is not None]
        most = max(most, len(stored))
        await requests.sweep()

    assert 2 <= most <= 2 * 3


async def created_or_none(awaitable):
    """Create a request; return it, or None if there were too many."""
    try:
        return await awaitable
    except ApiError:
        return None


async def test_requests_without_content_are_limited_too(application, provider, instances, clock):
    """Each makes the provider work."""
    requests = AppAccessRequests(application, provider, instances, public_url="x", per_client=2, clock=clock)
    provider.failure = ProviderUnavailable()
    for _ in range(2):
        assert "access_request_error-kc_registration_failed" == await refusal(create_request(requests, requested=None))

    assert "access_request_error-too_many_drafts" == await refusal(create_request(requests, requested=None))
    assert 2 == len(provider.calls)


async def test_limit_holds_for_concurrent_requests(application, provider, instances, clock):
    """They are counted one after the other."""
    requests = AppAccessRequests(application, provider, instances, public_url="x", per_client=3, clock=clock)

    outcomes = await asyncio.gather(*(create_request(requests) for _ in range(12)), return_exceptions=True)

    assert 3 == len([one for one in outcomes if not isinstance(one, ApiError)])


@pytest.mark.parametrize("withdraws_first", [True, False])
async def test_approval_in_progress_is_withdrawn_by_a_removal(requests, application, provider, ended, withdraws_first):
    """Whether the removal looked for approvals before this one was stored or finds it: it is withdrawn."""
    people = Profiles(application)
    await people.note("alice", "Alice", Role.USER)
    draft = await create_request(requests)
    provider.is_responding.clear()
    approving = asyncio.create_task(requests.approve(draft.id, SOMETHING, ALICE))
    await provider.was_called.wait()

    await people.remove("alice")
    if withdraws_first:
        assert 0 == await requests.withdraw_all_of("alice")
    provider.is_responding.set()

    assert "withdrawn" == (await approving).status
    assert ("withdrawn", [draft.id]) == ((await requests.by_id(draft.id)).status, ended)


async def test_removal_of_another_user_does_not_affect_an_approval(requests, application, provider, ended):
    """Nor is one that was undone by a login."""
    people = Profiles(application)
    await people.remove("bob")
    await people.remove("alice")
    await people.note("alice", "Alice", Role.USER)

    approved = await requests.approve((await create_request(requests)).id, SOMETHING, ALICE)

    assert ("approved", []) == (approved.status, ended)


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        (None, ""),
        ("", ""),
    ],
)
def test_a_network_of_addresses_is_one_source(address, source):
    """Who has one IPv6 address has 2^64."""
    assert source == source_of(address)


@pytest.mark.parametrize(
    ("source", "network"),
    [
        ("192.0.2.1", "192.0.2.0/24"),
        ("2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("2001:db8::/64", "2001:db8::/48"),
        ("fe80::/64", "fe80::/48"),
        ("", ""),
        ("a name", "a name"),
    ],
)
def test_a_source_is_in_a_network(source, network):
    """As large as what one customer is assigned."""
    assert network == network_of(source)


@pytest.mark.parametrize("flow", ["redirect", "popup"])
async def test_a_redirect_url_has_a_longest_length(requests, flow):
    """In both flows, also where nothing is requested; the message says which length."""
    url = "https://app.example/" + "x" * 2_028

    assert await create_request(requests, flow=flow, url=url)
    for requested in (SOMETHING, None):
        with pytest.raises(ApiError, match="longer than 2048 characters") as caught:
            await create_request(requests, flow=flow, url=f"{url}x", requested=requested)
        assert "app_access_request_error-invalid_redirect_url" == caught.value.code


@pytest.mark.parametrize(
    ("requested", "message"),
    [("x" * 16_383, "longer than 16384 bytes"), (json.loads("[" * 34 + "]" * 34), "more than 32 levels")],
)
async def test_oversized_json_error_names_the_limit(requested, message):
    """What the client has to change is in the message."""
    with pytest.raises(ApiError, match=message) as caught:
        await create_request(AppAccessRequests(None, None, None, public_url="x"), requested=requested)
    assert "json_rejection_error" == caught.value.code


async def test_draft_expires_after_ten_minutes(requests, clock):
    """Then nobody can decide any more."""
    draft = await create_request(requests)
    clock.advance(DRAFT_MS - 1)
    assert "draft" == (await requests.poll(draft.id, "app")).status
    clock.advance(1)

    expired = "access_request_error-expired"
    assert expired == await refusal(requests.poll(draft.id, "app"))
    assert expired == await refusal(requests.review(draft.id, "token"))
    assert expired == await refusal(requests.approve(draft.id, {}, ALICE))
    assert expired == await refusal(requests.deny(draft.id, "alice"))


async def test_decided_request_does_not_expire(requests, clock):
    """The ten minutes are for deciding."""
    approved, denied = await create_request(requests), await create_request(requests)
    await requests.approve(approved.id, SOMETHING, ALICE)
    await requests.deny(denied.id, "alice")
    clock.advance(DRAFT_MS * 1_000)

    assert "approved" == (await requests.poll(approved.id, "app")).status
    assert "denied" == (await requests.poll(denied.id, "app")).status


async def test_only_the_requesting_application_can_poll(requests):
    """To others there is no such request."""
    draft = await create_request(requests)

    assert "app_access_request_error-not_found" == await refusal(requests.poll(draft.id, "other"))
    assert "app_access_request_error-not_found" == await refusal(requests.poll(UNKNOWN_ID, "app"))
    assert "app_access_request_error-not_found" == await refusal(requests.review(UNKNOWN_ID, "token"))


async def test_review_shows_the_applications_name(requests, provider):
    """As the provider tells it to them; it is asked once."""
    draft = await create_request(requests)

    seen = [await requests.review(draft.id, "alices-token") for _ in range(2)]

    assert [("The App", "Prints.")] * 2 == [(one.app_name, one.app_description) for one in seen]
    assert [("info", "alices-token", "app")] == provider.calls


@pytest.mark.parametrize(
    ("told", "name"),
    [(None, None), ("", None), ("a\0b", "ab"), ("x" * 5_000, "x" * 1_000)],
)
def test_application_name_is_truncated_to_what_can_be_stored(told, name):
    """Whatever the provider says."""
    assert name == storable(told)


async def test_request_without_an_application_name_can_be_decided(requests, provider):
    """The client's id is there."""
    draft = await create_request(requests)
    for failure in (ProviderUnavailable(), ProviderRefused(404, ""), ProviderLacks()):
        provider.failure = failure
        seen = await requests.review(draft.id, "token")

        assert (None, "app") == (seen.app_name, seen.app_client_id)


async def test_approval_registers_a_consent_at_the_provider(requests, provider):
    """In the person's name; the scope that it gives finds the request."""
    draft = await create_request(requests)

    approved = await requests.approve(draft.id, {"devices": ["printer"], "é": "\0"}, ALICE)

    assert [("consent", "alices-token", "app", draft.id)] == provider.calls
    assert ("approved", "alice", "scope_resource-bodhi", '{"devices":["printer"],"é":"\\u0000"}') == (
        approved.status,
        approved.user_id,
        approved.resource_scope,
        approved.approved,
    )
    assert approved == await requests.by_scope(f"scope_access_request:{draft.id}") == await requests.by_id(draft.id)
    assert None is await requests.by_scope("scope_access_request:other")
    assert None is await requests.by_id("other")


@pytest.mark.parametrize("decide", ["approve", "deny"])
async def test_a_draft_is_decided_once(requests, provider, decide):
    """By whoever comes first; the rest is told so."""
    draft = await create_request(requests)
    await (requests.approve(draft.id, {}, ALICE) if decide == "approve" else requests.deny(draft.id, "alice"))

    processed = "access_request_error-already_processed"
    assert processed == await refusal(requests.approve(draft.id, {}, BOB))
    assert processed == await refusal(requests.deny(draft.id, "bob"))
    assert "alice" == (await requests.by_id(draft.id)).user_id


async def test_an_unknown_request_is_not_decided(requests):
    """With the code of those who decide."""
    assert "access_request_error-not_found" == await refusal(requests.approve(UNKNOWN_ID, {}, ALICE))
    assert "access_request_error-not_found" == await refusal(requests.deny(UNKNOWN_ID, "alice"))


async def test_a_double_submit_is_one_approval(requests, provider):
    """The provider is asked once, and nothing is a collision of the request with itself."""
    draft = await create_request(requests)

    outcomes = await asyncio.gather(
        *(requests.approve(draft.id, {}, ALICE) for _ in range(5)),
        *(requests.deny(draft.id, "bob") for _ in range(5)),
        return_exceptions=True,
    )

    decided = [one.status for one in outcomes if not isinstance(one, ApiError)]
    assert 1 == len(decided)
    assert ["access_request_error-already_processed"] * 9 == [one.code for one in outcomes if isinstance(one, ApiError)]
    assert (1 if decided == ["approved"] else 0) == len(provider.calls)


async def test_request_is_locked_while_the_provider_is_called(requests, provider):
    """But what asks may die: its claim runs out."""
    draft = await create_request(requests)
    provider.is_responding.clear()
    approval = asyncio.create_task(requests.approve(draft.id, {}, ALICE))
    await provider.was_called.wait()

    assert "access_request_error-already_processed" == await refusal(requests.deny(draft.id, "bob"))
    provider.is_responding.set()
    assert "approved" == (await approval).status


async def test_claim_of_a_crashed_process_expires(requests, provider, clock):
    """Who comes too late after all changes nothing."""
    draft = await create_request(requests)
    provider.is_responding.clear()
    late = asyncio.create_task(requests.approve(draft.id, {}, ALICE))
    await provider.was_called.wait()
    clock.advance(CLAIM_MS)

    assert "denied" == (await requests.deny(draft.id, "bob")).status
    provider.is_responding.set()
    assert "access_request_error-already_processed" == await refusal(late)
    assert "denied" == (await requests.by_id(draft.id)).status


async def test_failed_consent_can_be_approved_again(requests, provider):
    """The draft stays one."""
    draft = await create_request(requests)
    for failure in (ProviderUnavailable(), ProviderRefused(400, "invalid_request"), ProviderRefused(401, "")):
        provider.failure = failure
        assert "access_request_error-kc_registration_failed" == await refusal(requests.approve(draft.id, {}, ALICE))
        assert "access_request_error-kc_registration_failed" == await refusal(create_request(requests, requested=None))
    provider.failure = ProviderLacks()
    assert "auth_service_error-not_supported" == await refusal(requests.approve(draft.id, {}, ALICE))
    assert "auth_service_error-not_supported" == await refusal(create_request(requests, requested=None))

    provider.failure = None
    assert "approved" == (await requests.approve(draft.id, {}, ALICE)).status


async def test_consent_with_another_request_id_is_an_error(requests, provider):
    """What the provider noted under another id was not approved here."""
    draft = await create_request(requests)
    provider.consent_id = UNKNOWN_ID

    assert "access_request_error-kc_registration_failed" == await refusal(requests.approve(draft.id, {}, ALICE))
    assert "draft" == (await requests.by_id(draft.id)).status


async def test_a_collision_at_the_provider_fails_the_request(requests, provider):
    """It knows the id as somebody else's: nothing can be done with it any more, which is no error."""
    draft = await create_request(requests)
    provider.failure = ProviderRefused(409, "conflict")

    failed = await requests.approve(draft.id, {}, ALICE)

    assert ("failed", None, None) == (failed.status, failed.approved, failed.access_request_scope)
    assert "failed" == (await requests.poll(draft.id, "app")).status
    assert "access_request_error-already_processed" == await refusal(requests.approve(draft.id, {}, ALICE))


async def test_scope_belongs_to_one_request(requests, provider):
    """A provider that gives one twice gives away what was approved for another."""
    provider.scope = "scope_access_request:1"
    first, second = await create_request(requests), await create_request(requests)
    await requests.approve(first.id, {}, ALICE)

    assert "failed" == (await requests.approve(second.id, {}, BOB)).status
    assert first.id == (await requests.by_scope("scope_access_request:1")).id


async def test_without_an_instance_nothing_is_registered(requests, instances):
    """The server itself is no client yet."""
    instances.instance = None

    assert "app_instance_error-not_found" == await refusal(create_request(requests, requested=None))


async def test_approval_is_withdrawn_by_its_user(requests, ended):
    """What was exchanged by it is forgotten; tokens with its scope find a request that is not approved."""
    request = await requests.approve((await create_request(requests)).id, SOMETHING, ALICE)

    assert "access_request_error-not_found" == await refusal(requests.withdraw(request.id, "bob"))
    assert "access_request_error-not_found" == await refusal(requests.withdraw(UNKNOWN_ID, "alice"))
    assert [] == ended
    await requests.withdraw(request.id, "alice")

    assert [request.id] == ended
    assert "withdrawn" == (await requests.by_scope(request.access_request_scope)).status
    assert "access_request_error-already_processed" == await refusal(requests.withdraw(request.id, "alice"))
    assert "access_request_error-already_processed" == await refusal(requests.approve(request.id, {}, ALICE))


async def test_only_approvals_can_be_withdrawn(requests):
    """A draft belongs to nobody yet; what was denied stays denied."""
    draft, denied = await create_request(requests), await requests.deny((await create_request(requests)).id, "alice")

    assert "access_request_error-not_found" == await refusal(requests.withdraw(draft.id, "alice"))
    assert "access_request_error-already_processed" == await refusal(requests.withdraw(denied.id, "alice"))


async def test_all_approvals_of_a_user_end_together(requests, ended):
    """Those of others stay."""
    ids = [(await requests.approve((await create_request(requests)).id, {}, user)).id for user in (ALICE, ALICE, BOB)]

    assert 2 == await requests.withdraw_all_of("alice")
    assert 0 == await requests.withdraw_all_of("alice")

    assert sorted(ids[:2]) == sorted(ended)
    assert "approved" == (await requests.by_id(ids[2])).status


async def test_own_approvals_are_listed(requests, clock):
    """Newest first, a page at a time, without what was denied, withdrawn or is others'."""
    ids = []
    for user in (ALICE, ALICE, ALICE, BOB):
        clock.advance(1_000)
        ids.append((await requests.approve((await create_request(requests)).id, {}, user)).id)
    await requests.deny((await create_request(requests)).id, "alice")
    await requests.withdraw(ids[0], "alice")

    pages = [await requests.list_of("alice", size=1, skip=skip) for skip in range(3)]

    assert [([ids[2]], 2), ([ids[1]], 2), ([], 2)] == [([one.id for one in found], total) for found, total in pages]


async def test_undecided_requests_are_swept(requests, clock):
    """Who asks late is told that it expired; what somebody decided is kept."""
    draft, alone = await create_request(requests), await create_request(requests, requested=None)
    denied = await requests.deny((await create_request(requests)).id, "alice")
    clock.advance(DRAFT_MS + UNDECIDED_MS - 1)
    assert 0 == await requests.sweep()

    clock.advance(1)
    assert 2 == await requests.sweep()
    assert [None, None, denied.id] == [
        found and found.id for found in [await requests.by_id(one.id) for one in (draft, alone, denied)]
    ]


async def test_outage_during_a_decision_is_reported(requests, application, clock, monkeypatch):
    """The draft can be decided when the claim has run out."""
    draft = await create_request(requests)
    asked = application.maybe

    async def maybe(name, /, **values):
        if name == "finish_app_access_request":
            raise DatabaseUnavailable
        return await asked(name, **values)

    monkeypatch.setattr(application, "maybe", maybe)
    assert "auth_error-database_unavailable" == await refusal(requests.approve(draft.id, {}, ALICE))
    monkeypatch.undo()

    assert "access_request_error-already_processed" == await refusal(requests.approve(draft.id, {}, ALICE))
    clock.advance(CLAIM_MS)
    assert "approved" == (await requests.approve(draft.id, {}, ALICE)).status
