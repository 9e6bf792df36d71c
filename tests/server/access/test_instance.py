"""The registration of this server: at most one, never guessed; it becomes ready once."""

import asyncio

import pytest

from bodhi.database import Conflict, DatabaseError, open_database
from bodhi.errors import BodhiError
from bodhi.keyring import Keyring
from bodhi.oidc.errors import ProviderRefused, ProviderTimedOut
from bodhi.server.access.errors import ApiError, api_error_of
from bodhi.server.access.errors import ProviderRefused as ProviderRefusedError
from bodhi.server.access.instance import Instance, InstanceService, Status
from bodhi.server.access.leases import Leases

KEY, NEWER_KEY = "an old key for tests, thirty-two characters", "a newer key for tests, thirty-two characters"
SECRET = "the secret that the provider gave"
REGISTERED = Instance("client-1", SECRET, "scope_resource-1")


def keyring(*keys):
    """The keyring of instances."""
    return Keyring(keys or (KEY,), purpose=b"bodhi instance")


def service_on(database, *keys, **options):
    """Return the service of a node."""
    return InstanceService(database, keyring=keyring(*keys), **options)


@pytest.fixture
def instances(application, clock):
    """The service of a node."""
    return service_on(application, clock=clock)


@pytest.fixture
async def other_node(application, database_url, clock):
    """The service of another node, with separate connections."""
    async with open_database(database_url, limit_seconds=60) as database:
        yield service_on(database, clock=clock)


class Provider:
    """Promotes administrators, or raises the given errors."""

    def __init__(self, *failures):
        self.appointed = []
        self._failures = list(failures)

    async def appoint(self, user_id):
        self.appointed.append(user_id)
        await asyncio.sleep(0)
        if self._failures:
            raise self._failures.pop(0)


async def refusal_of(awaitable):
    """Return the code and status of the raised error."""
    with pytest.raises(BodhiError) as refused:
        await awaitable
    error = api_error_of(refused.value)
    return error.code, error.status


UNAVAILABLE = ("auth_error-database_unavailable", 503)
ALREADY_SETUP = ("app_service_error-already_setup", 400)


async def test_a_missing_row_means_setup(instances):
    """Nothing is registered."""
    assert (None, Status.SETUP, "setup") == (await instances.current(), await instances.status(), Status.SETUP)


async def test_registration_is_visible_on_every_node(instances, other_node):
    """With its secret; its first status is resource-admin."""
    await instances.register(REGISTERED)

    assert REGISTERED == await instances.current() == await other_node.current()
    assert "resource-admin" == await other_node.status()


async def test_the_secret_is_neither_stored_nor_shown_in_clear(instances, application):
    """Who reads the database or a log does not have it."""
    await instances.register(REGISTERED)
    row = await application.maybe("find_instance")

    assert SECRET.encode() not in bytes(row["client_secret"])
    assert SECRET not in repr(REGISTERED) + repr(REGISTERED.credentials)
    assert ("client-1", SECRET) == (REGISTERED.credentials.client_id, REGISTERED.credentials.client_secret)


async def test_of_two_concurrent_registrations_one_is_stored(instances, other_node):
    """The other is told, whichever it is."""
    results = await asyncio.gather(
        instances.register(REGISTERED),
        other_node.register(Instance("client-2", "another secret")),
        return_exceptions=True,
    )

    assert ["AlreadySetUp", "NoneType"] == sorted(type(result).__name__ for result in results)
    refusal = next(result for result in results if isinstance(result, ApiError))
    assert ALREADY_SETUP == (refusal.code, refusal.status)
    kept = await instances.current()
    assert kept.client_id == ("client-1" if results[0] is None else "client-2")


async def test_of_two_setups_at_once_one_asks_the_provider(instances, other_node):
    """So that no second client stays behind there."""
    calls = []

    async def obtain():
        calls.append(None)
        await asyncio.sleep(0)
        return REGISTERED

    results = await asyncio.gather(instances.set_up(obtain), other_node.set_up(obtain), return_exceptions=True)

    assert 1 == len(calls)
    assert [REGISTERED] == [result for result in results if isinstance(result, Instance)]
    assert [ALREADY_SETUP] == [(result.code, result.status) for result in results if isinstance(result, ApiError)]
    assert ALREADY_SETUP == await refusal_of(instances.set_up(obtain))
    assert 1 == len(calls)


async def test_a_setup_that_fails_leaves_the_status(instances):
    """And can be tried again."""

    async def fail():
        raise ProviderRefusedError

    async def obtain():
        return REGISTERED

    assert "auth_service_error-auth_service_api_error" == (await refusal_of(instances.set_up(fail)))[0]
    assert Status.SETUP == await instances.status()
    assert REGISTERED == await instances.set_up(obtain)


async def test_the_database_makes_a_second_row_impossible(instances, application):
    """Whoever writes it."""
    await instances.register(REGISTERED)
    copy = (
        "INSERT INTO bodhi_instance (one, client_id, client_secret, scope, status, created_at, updated_at) "
        "SELECT {}, 'x', client_secret, scope, status, 0, 0 FROM bodhi_instance;"
    )

    with pytest.raises(Conflict):
        await application.script(copy.format(1))
    with pytest.raises(DatabaseError):
        await application.script(copy.format(2))


async def fail_if_called():
    """Fail if a setup calls the provider."""
    pytest.fail("a client was registered")


async def close(database, _):
    """Close the database."""
    await database.__aexit__()


async def drop_table(database, _):
    """Drop the table."""
    await database.script("DROP TABLE bodhi_instance;")


async def spoil_secret(database, _):
    """Damage the ciphertext."""
    row = await database.maybe("find_instance")
    await database.count("reseal_instance", client_secret=row["client_secret"], resealed=b"\1" * 80)


async def move_secret_to_another_client(database, _):
    """Move the ciphertext to another row."""
    await database.script("UPDATE bodhi_instance SET client_id = 'client-2';")


async def allow_and_write_another_status(database, dialect):
    """Store an unknown status."""
    if dialect == "sqlite":
        await database.script("PRAGMA ignore_check_constraints = ON;")
    else:
        await database.script("ALTER TABLE bodhi_instance DROP CONSTRAINT bodhi_instance_status_check;")
    await database.script("UPDATE bodhi_instance SET status = 'setup, or so';")


@pytest.mark.parametrize(
    "spoil", [close, drop_table, spoil_secret, move_secret_to_another_client, allow_and_write_another_status]
)
async def test_unreadable_row_is_not_the_setup_status(instances, application, dialect, spoil):
    """Or an outage would open the setup to whoever comes; it is 503 instead, and nobody is registered."""
    await instances.register(REGISTERED)
    await spoil(application, dialect)

    assert UNAVAILABLE == await refusal_of(instances.current())
    assert UNAVAILABLE == await refusal_of(instances.status())
    assert UNAVAILABLE == await refusal_of(instances.set_up(fail_if_called))


async def test_secret_under_an_unknown_key_is_not_the_setup_status(instances, application):
    """The key may come back."""
    await instances.register(REGISTERED)

    assert UNAVAILABLE == await refusal_of(service_on(application, NEWER_KEY).current())
    assert REGISTERED == await instances.current()


async def test_the_secret_moves_to_a_new_key(instances, application):
    """As soon as a node with it reads the secret; then the old key can be dropped."""
    await instances.register(REGISTERED)

    assert REGISTERED == await service_on(application, NEWER_KEY, KEY).current()
    assert REGISTERED == await service_on(application, NEWER_KEY).current()


async def test_first_user_to_log_in_becomes_the_administrator(instances, other_node):
    """Once: the next one does not."""
    provider = Provider()
    await instances.register(REGISTERED)

    assert await instances.become_ready("alice", provider.appoint)
    assert not await other_node.become_ready("bob", provider.appoint)
    assert not await instances.become_ready("alice", provider.appoint)
    assert ["alice"] == provider.appointed
    assert ("ready", "ready") == (await instances.status(), await other_node.status())


async def test_of_several_first_logins_one_becomes_the_administrator(instances, other_node):
    """The others wait until it is decided."""
    provider = Provider()
    await instances.register(REGISTERED)
    users = [f"user-{number}" for number in range(6)]

    became = await asyncio.gather(
        *((instances, other_node)[number % 2].become_ready(user, provider.appoint) for number, user in enumerate(users))
    )

    assert provider.appointed == [user for user, is_admin in zip(users, became, strict=True) if is_admin]
    assert 1 == len(provider.appointed)


async def test_a_failure_leaves_the_status_for_the_next(instances, other_node):
    """Whoever that is."""
    provider = Provider(ProviderRefused(403, "denied"))
    await instances.register(REGISTERED)

    with pytest.raises(ProviderRefused):
        await instances.become_ready("alice", provider.appoint)

    assert ("resource-admin", "resource-admin") == (await instances.status(), await other_node.status())
    assert await other_node.become_ready("bob", provider.appoint)
    assert ["alice", "bob"] == provider.appointed


async def test_of_two_first_logins_the_second_takes_over_when_the_first_fails(instances, other_node):
    """There is an administrator in the end, and only one."""
    provider = Provider(ProviderRefused(403, "denied"))
    await instances.register(REGISTERED)

    became = await asyncio.gather(
        instances.become_ready("alice", provider.appoint),
        other_node.become_ready("bob", provider.appoint),
        return_exceptions=True,
    )

    assert [True] == [one for one in became if one is True]
    assert 1 == len([one for one in became if isinstance(one, ProviderRefused)])
    assert "ready" == await instances.status()


async def test_retry_after_an_unknown_outcome_promotes_the_same_user(instances, other_node):
    """The provider may have done it before it fell silent: the same user is asked for again."""
    provider = Provider(ProviderTimedOut())
    await instances.register(REGISTERED)

    with pytest.raises(ProviderTimedOut):
        await instances.become_ready("alice", provider.appoint)
    assert "resource-admin" == await instances.status()

    assert not await other_node.become_ready("bob", provider.appoint)
    assert ["alice", "alice"] == provider.appointed
    assert "ready" == await instances.status()


async def test_crash_during_the_first_login_is_completed_by_the_next(application, instances, clock):
    """When its lease has run out."""
    provider = Provider()
    await instances.register(REGISTERED)
    await application.maybe("take_lease", name="first administrator", holder="dead", hold_ms=60_000, now=clock())
    await application.maybe("appoint_administrator", client_id="client-1", user_id="alice", now=clock())
    impatient = service_on(application, clock=clock, leases=Leases(application, wait_seconds=0.1, clock=clock))

    assert "auth_error-idp_unavailable" == (await refusal_of(impatient.become_ready("bob", provider.appoint)))[0]
    clock.advance(60_000)
    assert not await instances.become_ready("bob", provider.appoint)
    assert (["alice"], "ready") == (provider.appointed, await instances.status())


async def test_ready_status_is_cached(instances, application):
    """It never goes back: an outage does not matter any more, and nothing is asked."""
    await instances.register(REGISTERED)
    await instances.become_ready("alice", Provider().appoint)
    again = service_on(application)
    await again.current()
    await application.__aexit__()

    assert ("ready", "ready") == (await instances.status(), await again.status())


CONFIGURED = Instance("configured", "its secret", status=Status.READY)
UNFINISHED = Instance("configured", "its secret", status=Status.RESOURCE_ADMIN)


async def test_a_configured_client_that_is_ready_needs_no_database(database_url):
    """Settings say all."""
    async with open_database(database_url) as database:
        instances = service_on(database, configured=CONFIGURED)

    assert (CONFIGURED, "ready") == (await instances.current(), await instances.status())
    assert ALREADY_SETUP == await refusal_of(instances.set_up(fail_if_called))
    assert ALREADY_SETUP == await refusal_of(instances.register(REGISTERED))


async def test_a_configured_client_becomes_ready_once(application):
    """Though the settings say resource-admin for ever: the database keeps how far it has come."""
    provider = Provider()
    first, second = (service_on(application, configured=UNFINISHED) for _ in range(2))
    assert UNFINISHED == await first.current()

    assert await first.become_ready("alice", provider.appoint)
    assert not await second.become_ready("bob", provider.appoint)

    assert CONFIGURED == await first.current() == await service_on(application, configured=UNFINISHED).current()
    assert ["alice"] == provider.appointed


async def test_configured_client_is_not_in_the_setup_status(application):
    """There is a client already."""
    instances = service_on(application, configured=UNFINISHED)

    assert ALREADY_SETUP == await refusal_of(instances.set_up(fail_if_called))


async def test_row_of_another_client_does_not_affect_a_configured_one(instances, application):
    """Nobody becomes administrator by mistake; that row stays for whoever needs it."""
    await instances.register(REGISTERED)
    configured = service_on(application, configured=UNFINISHED)

    assert UNAVAILABLE == await refusal_of(configured.current())
    assert UNAVAILABLE == await refusal_of(configured.become_ready("alice", Provider().appoint))
    assert CONFIGURED == await service_on(application, configured=CONFIGURED).current()
    assert REGISTERED == await instances.current()


async def test_no_administrator_without_a_registration(instances):
    """A login cannot get this far; if it does, nothing happens."""
    provider = Provider()

    assert not await instances.become_ready("alice", provider.appoint)
    assert [] == provider.appointed
