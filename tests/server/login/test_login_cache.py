"""The login cache saves only the decryption: every request still queries the database."""

import pickle
import time

import pytest
from aiohttp import web

from bodhi.keyring import Keyring
from bodhi.server.authentication.authenticator import AUTHENTICATOR
from bodhi.session import SESSIONS, get_session, new_session
from bodhi.session.handles import digest_of
from support.raw_database import RawDatabase

VERIFY = "/bodhi/v1/auth/verify"
PATHS = [VERIFY, "/bodhi/v1/tokens"]  # an optional and a strict route


@pytest.fixture
async def cached_browser(browser, provider):
    """A browser whose login is cached on the node."""
    await browser.log_in(provider, "power")
    for path in PATHS:
        assert 200 == (await browser.get(path)).status
    return browser


@pytest.fixture
def decrypted_digests(monkeypatch):
    """Records the digests of sessions decrypted from now on."""
    digests = []
    genuine = Keyring.open

    def noting(self, data, digest, columns=b""):
        digests.append(digest)
        return genuine(self, data, digest, columns)

    monkeypatch.setattr(Keyring, "open", noting)
    return digests


@pytest.fixture
def loaded_digests(server, monkeypatch):
    """Records the digests of rows loaded from now on."""
    store = server.app[SESSIONS]._store
    digests = []
    genuine = store.load

    async def noting(digest):
        digests.append(digest)
        return await genuine(digest)

    monkeypatch.setattr(store, "load", noting)
    return digests


@pytest.mark.parametrize("path", PATHS)
async def test_cached_login_is_looked_up_but_not_decrypted(cached_browser, path, decrypted_digests, loaded_digests):
    """In one statement, as before."""
    digest = digest_of(cached_browser.session_cookie)

    statuses = [(await cached_browser.get(path)).status for _ in range(3)]

    assert ([200] * 3, [], [digest] * 3) == (statuses, decrypted_digests, loaded_digests)


async def test_handler_that_reads_the_session_gets_the_stored_row(cached_browser, decrypted_digests, loaded_digests):
    """Who it is does not need the session, the list of sessions does; the row is read once all the same."""
    digest = digest_of(cached_browser.session_cookie)

    response = await cached_browser.get("/bodhi/v1/user/sessions")

    assert [True] == [one["is_current"] for one in (await response.json())["sessions"]]
    assert ([digest], [digest]) == (decrypted_digests, loaded_digests)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("ending", ["here", "on another node", "by nobody"])
async def test_ended_session_is_no_login_despite_the_cache(
    cached_browser, server, start_server, database_url, path, ending
):
    """From the next request on, however it ended."""
    digest = digest_of(cached_browser.session_cookie)
    if ending == "by nobody":
        async with RawDatabase(database_url) as raw:
            await raw.rows("UPDATE bodhi_session SET expires_at = 1 WHERE digest = $1", digest)
    else:
        node = server if ending == "here" else await start_server()
        assert await node.app[SESSIONS].delete(digest)

    assert 401 == (await cached_browser.get(path)).status


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("forgery", ["user_id = 'admin'", "user_id = NULL", "ends_at = ends_at + 1", "created_at = 1"])
async def test_a_forged_row_is_no_login(cached_browser, database_url, path, forgery):
    """Though its data is what it was: that belongs to its user and its times."""
    async with RawDatabase(database_url) as raw:
        await raw.rows(
            f"UPDATE bodhi_session SET {forgery} WHERE digest = $1", digest_of(cached_browser.session_cookie)
        )

    assert 401 == (await cached_browser.get(path)).status


@pytest.mark.parametrize("path", PATHS)
async def test_changed_login_in_the_row_replaces_the_cached_one(
    cached_browser, server, provider, path, decrypted_digests
):
    """Somebody else's tokens, saved by another node, or by another request of this one."""
    digest = digest_of(cached_browser.session_cookie)
    other = provider.issue_access_token("admin")
    await server.app[SESSIONS].atomically(digest, lambda data, _: data.update(access_token=other))
    decrypted_digests.clear()

    response = await cached_browser.get(path)

    assert (200, [digest]) == (response.status, decrypted_digests)
    assert "admin" == (await cached_browser.user())["username"]


@pytest.mark.parametrize("path", PATHS)
async def test_garbage_in_the_row_is_no_login(cached_browser, database_url, path):
    """Though its version says that nothing has changed."""
    digest = digest_of(cached_browser.session_cookie)
    async with RawDatabase(database_url) as raw:
        await raw.write_data(digest, b"garbage")

        assert 401 == (await cached_browser.get(path)).status
        assert [digest] == [row["digest"] for row in await raw.set_aside()]


@pytest.mark.parametrize("path", PATHS)
async def test_an_access_token_that_runs_out_is_refreshed(cached_browser, server, provider, path):
    """A login is known until then."""
    expired = provider.issue_access_token("power", expires_in=-5)
    digest = digest_of(cached_browser.session_cookie)
    await server.app[SESSIONS].atomically(digest, lambda data, _: data.update(access_token=expired))
    before = provider.counts["refresh"]

    assert [200, 200] == [(await cached_browser.get(path)).status for _ in range(2)]
    assert before + 1 == provider.counts["refresh"]


@pytest.mark.parametrize("path", PATHS)
async def test_cached_login_touches_the_session(cached_browser, server, database_url, path):
    """Or somebody who only reads would be logged out by the idle timeout."""
    async with RawDatabase(database_url) as raw:
        # An hour ago, beyond the interval of touches.
        await raw.rows("UPDATE bodhi_session SET last_seen_at = last_seen_at - 3600000")
        before = (await raw.sessions())[0]["last_seen_at"]
        service = server.app[SESSIONS]

        await cached_browser.get(path)
        await service.flush()

        assert before < (await raw.sessions())[0]["last_seen_at"]


@pytest.mark.parametrize("path", PATHS)
async def test_response_with_a_cached_login_varies_by_cookie(cached_browser, path):
    """No cache between may give it to somebody else."""
    response = await cached_browser.get(path)

    assert ("Cookie", "no-store") == (response.headers["Vary"], response.headers["Cache-Control"])


@pytest.mark.parametrize("path", [*PATHS, "/bodhi/v1/user"])
async def test_unknown_cookie_is_looked_up_once(cached_browser, server, path, loaded_digests):
    """That there is no row is an answer too."""
    await server.app[SESSIONS].delete(digest_of(cached_browser.session_cookie))
    loaded_digests.clear()

    await cached_browser.get(path)

    assert 1 == len(loaded_digests)


@pytest.mark.parametrize("path", PATHS)
async def test_a_known_login_is_refreshed_when_its_access_token_runs_out(
    cached_browser, server, provider, path, monkeypatch
):
    """Nothing in the row has changed by then."""
    later = time.time() + 86_400
    authenticator = server.app[AUTHENTICATOR]
    for keeper_of_time in (authenticator, authenticator._refresher, authenticator._refresher._leases):
        monkeypatch.setattr(keeper_of_time, "_clock", lambda: later)
    before = provider.counts["refresh"]

    await cached_browser.get(path)

    assert before + 1 == provider.counts["refresh"]


async def test_a_session_begun_in_place_of_a_login_that_ended_fails_closed(start_server, open_browser, provider):
    """Though nobody opened the session: what is known of it was put into the new one."""

    async def carry(request):
        who = await request.app[AUTHENTICATOR].strict(request)
        await request.app[SESSIONS].delete(digest_of(browser.session_cookie))
        session = await new_session(request)
        session["carried"] = who.username
        return web.Response()

    server = await start_server(web.get("/carry", carry))
    browser = await open_browser(server)
    await browser.log_in(provider, "power")
    await browser.user()

    response = await browser.get("/carry")

    assert (401, 0) == (response.status, await server.app[SESSIONS].count_sessions())


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda session, _: session.invalidate(), None),
        (lambda session, _: session.pop("access_token"), None),
        (lambda session, other: session.update(access_token=other), "admin"),
    ],
)
async def test_request_sees_its_own_login_change_only(start_server, open_browser, provider, change, expected):
    """The change is lost here, and what was read of it must not be taken for what is in the row."""
    other = provider.issue_access_token("admin")

    async def handler(request):
        session = await get_session(request)
        change(session, other)
        who = await request.app[AUTHENTICATOR].optional(request)
        return web.json_response(getattr(who, "username", None), status=500)

    server = await start_server(web.get("/changing", handler))
    browser = await open_browser(server)
    await browser.log_in(provider, "power")

    response = await browser.get("/changing")

    assert (expected, "power") == (await response.json(), (await browser.user())["username"])


async def test_login_cache_holds_no_other_session_data(cached_browser, server):
    """The login, not all that an application keeps beside it."""
    digest = digest_of(cached_browser.session_cookie)
    await server.app[SESSIONS].atomically(digest, lambda data, _: data.update(cart="x" * 100_000))
    await cached_browser.get(VERIFY)

    assert len(pickle.dumps(server.app[AUTHENTICATOR]._cache[digest])) < 10_000


async def test_devices_show_the_client_and_not_the_proxy(start_server, open_browser, provider):
    """The address that a trusted proxy tells."""
    server = await start_server(BODHI_TRUSTED_PROXIES="127.0.0.0/8")
    browser = await open_browser(server)
    browser.session.headers["X-Forwarded-For"] = "192.0.2.7"
    await browser.log_in(provider, "power")

    response = await browser.get("/bodhi/v1/user/sessions")

    assert ["192.0.2.7"] == [one["ip"] for one in (await response.json())["sessions"]]
