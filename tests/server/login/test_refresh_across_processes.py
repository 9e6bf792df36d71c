"""One refresh per session across processes, even if the refreshing process fails."""

import asyncio
import itertools
from contextlib import AsyncExitStack, asynccontextmanager, closing

import aiohttp
import psutil
import pytest

from bodhi.database import dialect_of
from bodhi.server.app import session_service
from bodhi.server.authentication.refresh_lease import LEASE
from bodhi.session.handles import digest_of
from bodhi.settings import load_settings
from support.patience import PATIENT_ENVIRON, SECONDS
from support.postgres_locks import locked
from support.sqlite_lock import WriteLock

PROTECTED, OPTIONAL = "/bodhi/v1/tokens", "/bodhi/v1/user"
LOGGED_OUT = {"auth_status": "logged_out"}


class Login:
    """A stored session with an expired access token."""

    def __init__(self, service, session_id):
        self.service = service
        self.digest = digest_of(session_id)
        self.headers = {"Cookie": f"bodhiapp_session_id={session_id}"}
        self._session_id = session_id

    async def data(self):
        """Return the stored data."""
        return (await self.service.load(self._session_id)).data

    async def hold_lease(self, *, ms):
        """Set the expiry of the refresh lease, relative to the database's clock."""

        def change(data, now_ms):
            held = data.setdefault(LEASE, {"id": "somebody's"})
            left_ms = held.get("until", now_ms) - now_ms
            held["until"] = now_ms + ms
            return left_ms

        _, left_ms = await self.service.atomically(self.digest, change)
        return left_ms


class Cluster:
    """Processes on one database."""

    def __init__(self, processes, http):
        self.processes = processes
        self._http = http

    async def get(self, process, path, login):
        """Return the status, or a text for an anonymous or missing response."""
        try:
            async with self._http.get(process.url + path, headers=login.headers) as response:
                return "logged out" if LOGGED_OUT == await response.json() else response.status
        except aiohttp.ClientError as error:
            return type(error).__name__

    def requests(self, login, count):
        """Send concurrent requests to all processes and both kinds of routes; return results with processes."""
        pairs = itertools.cycle(itertools.product((PROTECTED, OPTIONAL), self.processes))
        return [
            (process, asyncio.create_task(self.get(process, path, login)))
            for path, process in itertools.islice(pairs, count)
        ]

    def that_made(self, call):
        """Return the process that made the *call* to the provider."""

        def has_connection(process):
            connections = psutil.Process(process.popen.pid).net_connections("tcp4")
            return call.client_port in {one.laddr.port for one in connections if one.raddr}

        (found,) = [process for process in self.processes if has_connection(process)]
        return found


@pytest.fixture
async def start_cluster(launch, provider):
    """Starts processes on a database simultaneously."""
    async with AsyncExitStack() as stack:

        async def start_cluster(url, *, nodes=3):
            settings = {**environment(provider, url), "BODHI_LOG_LEVEL": "DEBUG"}
            processes = [launch(**settings) for _ in range(nodes)]
            await asyncio.gather(*(asyncio.to_thread(process.wait_until_ready) for process in processes))
            connector = aiohttp.TCPConnector(limit=0)
            http = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
            return Cluster(processes, await stack.enter_async_context(http))

        yield start_cluster


@pytest.fixture
async def log_in(provider):
    """Stores a session with an expired access token in a migrated database."""
    async with AsyncExitStack() as stack:

        async def log_in(url):
            settings = load_settings(environ={**PATIENT_ENVIRON, **environment(provider, url)})
            service = await stack.enter_async_context(session_service(settings))
            session_id, _ = await service.create(
                {
                    "user_id": provider.person("power").user_id,
                    "access_token": provider.issue_access_token("power", expires_in=-5),
                    "refresh_token": provider.issue_tokens("power")["refresh_token"],
                }
            )
            return Login(service, session_id)

        yield log_in


def environment(provider, url):
    """Return the settings of a node of the cluster."""
    return {
        "BODHI_SESSION_DB_URL": url,
        "BODHI_DATABASE_URL": url,
        "BODHI_PG_STATEMENT_CACHE_SIZE": "0",  # PgBouncer knows nothing of prepared statements
        "BODHI_ENCRYPTION_KEY": "a-key-for-tests-that-has-at-least-thirty-two-characters",
        "BODHI_AUTH_ISSUER": provider.issuer,
        "BODHI_CLIENT_ID": provider.client_id,
        "BODHI_CLIENT_SECRET": provider.client_secret,
    }


async def test_processes_cause_one_refresh(postgres_url, start_cluster, log_in, provider):
    """Of fifty requests at once, at a provider whose refresh tokens are good for one use, and who takes its time."""
    await one_refresh(await start_cluster(postgres_url), await log_in(postgres_url), provider)


async def test_processes_behind_pgbouncer_cause_one_refresh(pgbouncer_url, start_cluster, log_in, provider):
    """Where no transaction keeps its connection."""
    await one_refresh(await start_cluster(pgbouncer_url), await log_in(pgbouncer_url), provider)


async def one_refresh(cluster, login, provider):
    """Fifty requests."""
    before = await login.data()
    hold = provider.hold("refresh")
    requests = cluster.requests(login, 50)
    await hold.wait_until_reached()
    hold.release()

    assert [200] * 50 == [await answer for _, answer in requests]
    assert 1 == provider.counts["refresh"]
    after = await login.data()
    assert before["refresh_token"] != after["refresh_token"]
    assert LEASE not in after
    # The stored token is the last one that was issued: the provider would end the login at the sight of another.
    assert provider.realm.grants.refresh(after["refresh_token"], provider.client_id, provider.realm.now())


async def test_refresh_lease_of_a_killed_process_is_taken_over(postgres_url, start_cluster, log_in, provider):
    """Its lease runs out; who waits meanwhile gets an answer, and nobody is logged out."""
    await dead_holder(await start_cluster(postgres_url, nodes=2), await log_in(postgres_url), provider)


async def test_refresh_lease_of_a_killed_process_behind_pgbouncer_is_taken_over(
    pgbouncer_url, start_cluster, log_in, provider
):
    """Its connections to the database live on."""
    await dead_holder(await start_cluster(pgbouncer_url, nodes=2), await log_in(pgbouncer_url), provider)


async def dead_holder(cluster, login, provider):
    """Kill the lease holder while it waits for the provider."""
    provider.hang("refresh")
    requests = cluster.requests(login, 12)
    await provider.wait_for_calls("refresh")
    (call,) = [call for call in provider.calls if call.name == "refresh"]
    holder = cluster.that_made(call)
    holder.popen.kill()

    longest_ms = (3 * SECONDS + 5) * 1000  # three times BODHI_AUTH_TIMEOUT, and five seconds
    assert 0 < await login.hold_lease(ms=0) <= longest_ms
    assert [200] * 6 == [await answer for process, answer in requests if process is not holder]
    assert {str} == {type(await answer) for process, answer in requests if process is holder}
    assert 2 == provider.counts["refresh"]
    assert LEASE not in await login.data()


async def test_timeout_waiting_for_the_refresh_lease_is_no_logout(start_server, database_url, log_in, provider, get):
    """503, also where it is asked who is logged in; the session stays as it is."""
    settings = environment(provider, database_url)
    hasty, patient = await start_server(**settings, BODHI_AUTH_TIMEOUT="0.1"), await start_server(**settings)
    login = await log_in(database_url)
    await login.hold_lease(ms=60_000)
    before = await login.data()

    assert (503, "auth_error-idp_unavailable") == await get(hasty, PROTECTED, login)
    assert (503, "auth_error-idp_unavailable") == await get(hasty, OPTIONAL, login)
    assert before == await login.data()
    assert 0 == provider.counts["refresh"]
    await login.hold_lease(ms=0)
    assert (200, None) == await get(patient, PROTECTED, login)


async def test_database_timeout_during_refresh_is_no_logout(start_server, database_url, log_in, provider, get):
    """Another program keeps the session's row locked, or the file for itself."""
    server = await start_server(**environment(provider, database_url), BODHI_DB_TIMEOUT="5")
    login = await log_in(database_url)
    async with kept_from_others(database_url, login):
        answers = await asyncio.gather(*(get(server, path, login) for path in (PROTECTED, OPTIONAL)))

    assert [(503, "auth_error-session_store")] * 2 == answers
    assert 0 == provider.counts["refresh"]
    assert (200, None) == await get(server, PROTECTED, login)


@asynccontextmanager
async def kept_from_others(url, login):
    """Block writes of the session inside the block."""
    if dialect_of(url) == "postgres":
        async with locked(url, login.digest):
            yield
    else:
        with closing(WriteLock(url)) as lock:
            await lock.take()
            yield


@pytest.fixture
async def get():
    """Sends requests with a login's cookie; returns status and error code."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:

        async def get(server, path, login):
            async with http.get(server.make_url(path), headers=login.headers) as response:
                content = await response.json()
                return response.status, content["error"]["code"] if response.status >= 400 else None

        yield get
