"""Refreshes during a database outage end no session, whatever happens to the process."""

import asyncio
import signal
from contextlib import asynccontextmanager, closing

import aiohttp
import pytest

from bodhi.database import dialect_of
from bodhi.server.app import session_service
from bodhi.server.authentication.refresh import REFRESHER
from bodhi.session.handles import digest_of
from bodhi.settings import load_settings
from server.login.test_refresh_across_processes import environment
from support.sqlite_lock import WriteLock
from support.tcp_proxy import TcpProxy

PROTECTED = "/bodhi/v1/tokens"
SESSIONS = 12


class Network:
    """The connection to the database, which can be interrupted."""

    def __init__(self, url, proxy=None):
        self.direct_url = url
        self.url = url if proxy is None else proxy.url_for(url)
        # Requests wait that long for a lock. A connection is refused at once, and a busy machine may take its time.
        self.limit_seconds = 5 if proxy is None else 60
        self._proxy = proxy

    @asynccontextmanager
    async def closed(self):
        """Interrupt the database inside the block."""
        if self._proxy is None:
            with closing(WriteLock(self.url)) as lock:
                await lock.take()
                yield
        else:
            self._proxy.mode = "drop"
            try:
                yield
            finally:
                self._proxy.mode = "forward"


@pytest.fixture
async def network(database_url):
    """The connection to the test's database."""
    if dialect_of(database_url) == "sqlite":
        yield Network(database_url)
        return
    async with TcpProxy.to(database_url) as proxy:
        yield Network(database_url, proxy)


@pytest.fixture(autouse=True)
def _hasty(monkeypatch):
    """Reduce the number of attempts that requests wait for."""
    monkeypatch.setattr("bodhi.server.authentication.renewal_store.STORE_SECONDS", 0.0)
    monkeypatch.setattr("bodhi.server.authentication.unstored_tokens.RETRY_SECONDS", 0.05)


@pytest.fixture
async def ids(network, provider):
    """The ids of sessions with expired access tokens."""
    async with session_service(load_settings(environ=environment(provider, network.direct_url))) as service:
        found = []
        for _ in range(SESSIONS):
            session_id, _ = await service.create(
                {
                    "user_id": provider.person("power").user_id,
                    "access_token": provider.issue_access_token("power", expires_in=-5),
                    "refresh_token": provider.issue_tokens("power")["refresh_token"],
                }
            )
            found.append(session_id)
    return found


@pytest.fixture
def request_each(open_browser):
    """Send one request per session; return the statuses."""

    async def request_each(server, ids, path=PROTECTED):
        browser = await open_browser(server)
        headers = [{"Cookie": f"bodhiapp_session_id={one}"} for one in ids]
        return [answer.status for answer in await asyncio.gather(*(browser.get(path, headers=h) for h in headers))]

    return request_each


def settings_for(provider, network):
    """Return the settings of a node that connects through *network*.

    Before and after the outage, twelve requests at once have to be answered within the database's time limit, on a
    machine that is busy with other tests.
    """
    limits = {"BODHI_DB_TIMEOUT": str(network.limit_seconds), "BODHI_AUTH_TIMEOUT": "60"}
    return {**environment(provider, network.url), **limits}


@asynccontextmanager
async def outage_during_refreshes(network, server, ids, provider, request_each):
    """Interrupt the database inside the block, with refreshed tokens only in memory."""
    hold = provider.hold("refresh", after=True, times=None)
    requests = asyncio.create_task(request_each(server, ids))
    await provider.wait_for_calls("refresh", SESSIONS)
    refresher = server.app[REFRESHER]
    async with network.closed():
        hold.release()
        assert {503} == set(await requests)
        assert SESSIONS == len(refresher._unstored)
        yield


async def alive(network, ids, provider):
    """Return how many sessions are stored, and how many with new tokens."""
    async with session_service(load_settings(environ=environment(provider, network.direct_url))) as service:
        found = [await service.load(session_id) for session_id in ids]
    known = provider.realm.grants
    return sum(
        one is not None
        and known.refresh(one.data["refresh_token"], provider.client_id, provider.realm.now()) is not None
        for one in found
    )


async def test_an_outage_of_the_database_ends_no_session(network, start_server, ids, provider, request_each):
    """All are stored when it is back, and go on."""
    server = await start_server(**settings_for(provider, network))
    async with outage_during_refreshes(network, server, ids, provider, request_each):
        pass

    await server.app[REFRESHER].close(30)

    assert [200] * SESSIONS == await request_each(server, ids)
    assert SESSIONS == provider.counts["refresh"]
    assert SESSIONS == await alive(network, ids, provider)


async def test_shutdown_during_an_outage_stores_refreshed_tokens_first(
    network, start_server, ids, provider, request_each
):
    """As long as its time for the end allows."""
    server = await start_server(**settings_for(provider, network), BODHI_SHUTDOWN_TIMEOUT="60")
    async with outage_during_refreshes(network, server, ids, provider, request_each):
        closing_down = asyncio.create_task(server.close())
        await asyncio.sleep(0)

    await closing_down

    assert SESSIONS == provider.counts["refresh"]
    assert SESSIONS == await alive(network, ids, provider)


async def test_shutdown_signal_during_an_outage_loses_no_tokens(network, launch, ids, provider):
    """By a signal, while the provider has not answered and the database is away."""
    process = launch(**settings_for(provider, network), BODHI_SHUTDOWN_TIMEOUT="60")
    await asyncio.to_thread(process.wait_until_ready)
    hold = provider.hold("refresh", after=True, times=None)

    async def request_each(session_id):
        headers = {"Cookie": f"bodhiapp_session_id={session_id}"}
        async with http.get(process.url + PROTECTED, headers=headers) as response:
            return response.status

    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        requests = [asyncio.create_task(request_each(session_id)) for session_id in ids]
        await provider.wait_for_calls("refresh", SESSIONS)
        async with network.closed():
            process.popen.send_signal(signal.SIGTERM)
            hold.release()
            assert {503} == set(await asyncio.gather(*requests))

    assert 0 == await asyncio.to_thread(process.popen.wait, 300)
    assert SESSIONS == provider.counts["refresh"]
    assert SESSIONS == await alive(network, ids, provider)


async def test_other_node_ends_no_session_with_unstored_tokens(
    network, start_server, ids, provider, request_each, monkeypatch
):
    """The first node's leases have run out, and the other one takes them over while the first keeps the tokens."""
    monkeypatch.setattr("bodhi.server.authentication.refresh_lease.SETTLE_SECONDS", 2.0)
    first = await start_server(**settings_for(provider, network))
    second = await start_server(**{**settings_for(provider, network), **environment(provider, network.direct_url)})
    async with outage_during_refreshes(network, first, ids, provider, request_each):
        pass
    service = session_service(load_settings(environ=environment(provider, network.direct_url)))
    async with service:
        for session_id in ids:
            await service.atomically(digest_of(session_id), _end_lease)

    assert set(await request_each(second, ids)) <= {200, 503}
    await first.app[REFRESHER].close(30)

    assert [200] * SESSIONS == await request_each(second, ids)
    assert SESSIONS == provider.counts["refresh"]
    assert SESSIONS == await alive(network, ids, provider)


def _end_lease(data, now_ms):
    if lease := data.get("refresh_lease"):
        lease["until"] = now_ms


async def test_unstored_tokens_at_shutdown_are_logged_by_session(
    network, start_server, ids, provider, request_each, caplog
):
    """When its time for the end is over."""
    server = await start_server(**settings_for(provider, network), BODHI_SHUTDOWN_TIMEOUT="0.2")
    async with outage_during_refreshes(network, server, ids, provider, request_each):
        await server.close()

    (line,) = [record.getMessage() for record in caplog.records if "tokens lost" in record.getMessage()]
    assert SESSIONS == len(line.partition(" sessions=")[2].split(", "))
    assert not [session_id for session_id in ids if session_id in caplog.text]
