"""The setup: the server is registered once, by authorized callers, and never due to an outage."""

import asyncio
import ipaddress

import pytest

from bodhi.database import open_database
from bodhi.keyring import Keyring
from bodhi.oidc import ProviderLacks, ProviderRefused, ProviderUnavailable
from bodhi.server.access.instance import INSTANCES, Instance, InstanceService, Status
from bodhi.server.http import hosts
from bodhi.server.http.public_url import PublicUrl
from bodhi.server.http.request_filters import request_filter_middleware
from bodhi.server.setup.api import OPERATIONS, SETUP, SetupService, own_address
from bodhi.server.status import api as status

GOOD = {"name": "my own server", "description": "for tests"}
DONE = (200, {"status": "resource-admin"})
ALREADY = (400, "app_service_error-already_setup")
MALFORMED = (400, "json_rejection_error")
SECRET = "a one-time setup secret"
IMPLICIT = PublicUrl("http", "localhost", 1135, is_explicit=False)
HERE = "192.168.7.7"  # the machine's own address


@pytest.fixture
def make_instances(clock):
    """Creates the service of a node."""

    def make(database, **options):
        keyring = Keyring(["a key for tests, of at least thirty-two characters"], purpose=b"bodhi instance")
        return InstanceService(database, keyring=keyring, clock=clock, **options)

    return make


@pytest.fixture
def instances(make_instances, application):
    """The service of a node."""
    return make_instances(application)


@pytest.fixture
def serve_setup(serve, instances, provider):
    """Serves setup and info of a node."""

    async def serve_setup(
        *, instances=instances, provider=provider, secret=None, public_url=IMPLICIT, here=HERE, allowed=()
    ):
        service = SetupService(instances, provider, secret=secret, own_address=lambda: here)

        def prepare(app):
            app[hosts.PUBLIC_URL] = public_url
            guard = hosts.host_filter(public_url, own_host="0.0.0.0", allowed_hosts=allowed)
            app.middlewares.append(request_filter_middleware([guard]))

        services = {SETUP: service, INSTANCES: instances, status.COMMIT_SHA: "0123abc"}
        return await serve((*OPERATIONS, *status.OPERATIONS), services, prepare)

    return serve_setup


@pytest.fixture
async def api(serve_setup):
    """A node without configuration."""
    return await serve_setup()


async def set_up(api, body=GOOD, **headers):
    """Send a setup request; return the response."""
    return await api("", "POST", "/setup", body, headers=headers)


async def status_of(api):
    """Return the status, or the error code."""
    told, answer = await api("", "GET", "/info")
    return answer["status"] if told == 200 else answer


async def test_a_setup_registers_this_server(api, instances, provider):
    """At the provider first; then it is kept with its secret, and the status is told."""
    assert "setup" == await status_of(api)

    assert DONE == await set_up(api)

    (told,) = provider.calls_of("register_client")
    assert ["my own server", "for tests"] == told[:2]
    registered = Instance("client-1", "the secret of client 1", "scope_resource-1", Status.RESOURCE_ADMIN)
    assert (registered, "resource-admin") == (await instances.current(), await status_of(api))


async def test_setup_succeeds_once(api, instances, provider):
    """While there is no administrator yet, and afterwards."""
    await set_up(api)
    assert ALREADY == await set_up(api)

    async def appoint(_):
        pass

    await instances.become_ready("alice", appoint)
    assert (ALREADY, "ready") == (await set_up(api), await status_of(api))
    assert ALREADY == await set_up(api, {"name": "short"})
    assert 1 == len(provider.calls)


async def test_of_setups_at_once_one_succeeds(api, serve_setup, make_instances, database_url, provider):
    """On several nodes too, and the provider is asked once."""
    async with open_database(database_url, limit_seconds=60) as database:
        other = await serve_setup(instances=make_instances(database))

        answers = await asyncio.gather(*(set_up((api, other)[number % 2]) for number in range(6)))

    assert ([DONE], [ALREADY] * 5) == (
        [answer for answer in answers if answer == DONE],
        [answer for answer in answers if answer != DONE],
    )
    assert 1 == len(provider.calls)


async def test_name_shorter_than_ten_bytes_is_refused(api, provider):
    """Bytes, not characters; a description may be left out."""
    short = (400, "app_service_error-server_name_too_short")

    for name in ("", "x" * 9, "üüüü", "€€€"):
        assert short == await set_up(api, {"name": name})
    assert ([], "setup") == (provider.calls, await status_of(api))
    assert DONE == await set_up(api, {"name": "üüüüü"})
    assert ["üüüüü", ""] == provider.calls_of("register_client")[0][:2]


BAD_BODIES = {
    "nothing": {"data": b"", "headers": {"Content-Type": "application/json"}},
    "no JSON": {"data": b'{"name": "my own server"', "headers": {"Content-Type": "application/json"}},
    "no UTF-8": {"data": b'{"name": "my own server \xff"}', "headers": {"Content-Type": "application/json"}},
    "half a character": {"data": b'{"name": "my own \\ud800 server"}', "headers": {"Content-Type": "application/json"}},
    "another type": {"data": b'{"name": "my own server"}', "headers": {"Content-Type": "text/plain"}},
    "a form": {"data": GOOD},
    "no name": {"json": {"description": "for tests"}},
    "a null": {"json": {"name": None}},
    "a number": {"json": {"name": 1234567890}},
    "a null for a description": {"json": {"name": "my own server", "description": None}},
    "a list": {"json": ["my own server"]},
}


async def test_malformed_bodies_are_refused(api, provider):
    """By one rule; the server stays as it is."""
    answers = {name: await api("", "POST", "/setup", **body) for name, body in BAD_BODIES.items()}

    assert dict.fromkeys(BAD_BODIES, MALFORMED) == answers
    assert ([], "setup") == (provider.calls, await status_of(api))


async def test_a_provider_that_does_not_register_leaves_the_status(api, provider):
    """The setup can be tried again."""
    for failure, told in (
        (ProviderRefused(403, "denied"), (500, "auth_service_error-auth_service_api_error")),
        (ProviderUnavailable(), (503, "auth_error-idp_unavailable")),
        (ProviderLacks(), (501, "auth_service_error-not_supported")),
    ):
        provider.failures["register_client"] = [failure]
        assert (told, "setup") == (await set_up(api), await status_of(api))
    assert DONE == await set_up(api)


async def test_setup_without_a_provider_is_refused(serve_setup):
    """It says so."""
    api = await serve_setup(provider=None)

    assert (501, "auth_service_error-not_supported") == await set_up(api)


async def test_a_configured_client_needs_no_setup(serve_setup, make_instances, application, provider):
    """Whatever its status."""
    for configured in (Status.READY, Status.RESOURCE_ADMIN):
        instances = make_instances(application, configured=Instance("configured", "s", status=configured))
        api = await serve_setup(instances=instances)
        assert (ALREADY, str(configured)) == (await set_up(api), await status_of(api))
    assert [] == provider.calls


@pytest.mark.parametrize("damage", ["outage", "table", "row"])
async def test_an_outage_never_opens_the_setup(api, application, provider, damage):
    """Neither a database that is away nor what cannot be read in it: 503, also for the status."""
    await set_up(api)
    if damage == "outage":
        await application.__aexit__()
    elif damage == "table":
        await application.script("DROP TABLE bodhi_instance;")
    else:
        await application.script("UPDATE bodhi_instance SET client_id = 'another';")

    unavailable = "auth_error-database_unavailable"
    assert ((503, unavailable), unavailable) == (await set_up(api), await status_of(api))
    assert 1 == len(provider.calls)


async def test_setup_secret_is_required_if_configured(serve_setup, provider):
    """Exactly that one."""
    api = await serve_setup(secret=SECRET)
    wrong = (403, "app_service_error-wrong_setup_secret")

    for given in (
        {},
        *({"X-Setup-Secret": text} for text in ("", "x", SECRET[:-1], SECRET + "x", SECRET.upper(), "ü")),
    ):
        assert wrong == await set_up(api, **given)
    assert [] == provider.calls
    assert DONE == await set_up(api, **{"X-Setup-Secret": SECRET})
    assert wrong == await set_up(api)
    assert ALREADY == await set_up(api, **{"X-Setup-Secret": SECRET})
    assert SECRET not in repr(api.client.app[SETUP])


def callback(*origins):
    """Return the callback URLs of these origins."""
    return [f"{origin}/ui/auth/callback" for origin in origins]


@pytest.fixture
def redirect_uris(application, provider):
    """Return the redirect URIs that a setup registers."""

    async def redirect_uris(api, **headers):
        assert DONE == await set_up(api, **headers)
        await application.script("DELETE FROM bodhi_instance;")
        return provider.calls_of("register_client")[-1][2]

    return redirect_uris


async def test_explicit_host_is_the_only_redirect_uri(serve_setup, redirect_uris):
    """Whichever the request came by; without a port that the scheme implies."""
    for public, origin in (
        (PublicUrl("https", "bodhi.example.org", 443), "https://bodhi.example.org"),
        (PublicUrl("http", "bodhi.example.org", 80), "http://bodhi.example.org"),
        (PublicUrl("https", "bodhi.example.org", 8443), "https://bodhi.example.org:8443"),
    ):
        api = await serve_setup(public_url=public)
        assert callback(origin) == await redirect_uris(api, Host="localhost:1135")


async def test_without_an_explicit_host_several_redirect_uris_are_registered(serve_setup, redirect_uris):
    """Loopback names, the request's host and the machine's address, with the public port; and where the browser is."""
    api = await serve_setup(allowed=["bodhi.test", "a_b.test"])
    ours = ["http://localhost:1135", "http://127.0.0.1:1135"]

    for host, further, own in [
        ("localhost:1135", [], []),
        ("LOCALHOST", [], ["http://localhost"]),
        ("127.0.0.1:9999", [], ["http://127.0.0.1:9999"]),
        ("bodhi.test:1135", ["http://bodhi.test:1135"], []),
        ("127.0.0.2", ["http://127.0.0.2:1135"], ["http://127.0.0.2"]),
        ("[::1]:1135", ["http://[::1]:1135"], []),
        ("[::1]:8080", ["http://[::1]:1135"], ["http://[::1]:8080"]),
        ("a_b.test:8080", ["http://a_b.test:1135"], ["http://a_b.test:8080"]),
    ]:
        assert callback(*ours, *further, f"http://{HERE}:1135", *own) == await redirect_uris(api, Host=host)


async def test_missing_or_duplicate_addresses_are_left_out(serve_setup, redirect_uris):
    """A machine may have no network; every address (0.0.0.0) is nobody's."""
    for here in (None, "127.0.0.1", "0.0.0.0"):
        api = await serve_setup(here=here)
        ours = callback("http://localhost:1135", "http://127.0.0.1:1135")
        assert ours == await redirect_uris(api, Host="localhost:1135")


async def test_a_foreign_host_is_never_registered(api, provider):
    """The check of hosts is before it."""
    assert 421 == (await set_up(api, Host="evil.example.org"))[0]
    assert [] == provider.calls


def test_machine_address_is_a_redirect_uri():
    """Or there is none."""
    address = own_address()

    assert address is None or not ipaddress.IPv4Address(address).is_unspecified
