"""What a node knows of a login spares decrypting it again, and nothing else: the database is asked in every request."""

import pytest

from bodhi.keyring import Keyring
from bodhi.session import SESSIONS
from bodhi.session.handles import digest_of
from session.raw_database import RawDatabase

VERIFY = "/bodhi/v1/auth/verify"
PATHS = [VERIFY, "/bodhi/v1/tokens"]  # an optional and a strict route


@pytest.fixture
async def known(browser, provider):
    """A browser whose login the node has read."""
    await browser.log_in(provider, "power")
    for path in PATHS:
        assert 200 == (await browser.get(path)).status
    return browser


@pytest.fixture
def opened(monkeypatch):
    """The digests of what is decrypted from now on."""
    digests = []
    genuine = Keyring.open

    def noting(self, data, digest):
        digests.append(digest)
        return genuine(self, data, digest)

    monkeypatch.setattr(Keyring, "open", noting)
    return digests


@pytest.fixture
def asked(server, monkeypatch):
    """The digests of the rows that the database is asked for from now on."""
    store = server.app[SESSIONS]._store
    digests = []
    genuine = store.load

    async def noting(digest):
        digests.append(digest)
        return await genuine(digest)

    monkeypatch.setattr(store, "load", noting)
    return digests


@pytest.mark.parametrize("path", PATHS)
async def test_a_login_that_is_known_is_asked_for_and_not_decrypted(known, path, opened, asked):
    """In one statement, as before."""
    digest = digest_of(known.session_cookie)

    statuses = [(await known.get(path)).status for _ in range(3)]

    assert ([200] * 3, [], [digest] * 3) == (statuses, opened, asked)


async def test_a_handler_that_wants_the_session_gets_the_row_that_is_there(known, opened, asked):
    """Who it is does not need the session, the list of sessions does; the row is read once all the same."""
    digest = digest_of(known.session_cookie)

    response = await known.get("/bodhi/v1/user/sessions")

    assert [True] == [one["is_current"] for one in (await response.json())["sessions"]]
    assert ([digest], [digest]) == (opened, asked)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("ending", ["here", "on another node", "by nobody"])
async def test_what_has_ended_is_not_known_any_more(known, server, start_server, database_url, path, ending):
    """From the next request on, however it ended."""
    digest = digest_of(known.session_cookie)
    if ending == "by nobody":
        async with RawDatabase(database_url) as raw:
            await raw.rows("UPDATE bodhi_session SET expires_at = 1 WHERE digest = $1", digest)
    else:
        node = server if ending == "here" else await start_server()
        assert await node.app[SESSIONS].delete(digest)

    assert 401 == (await known.get(path)).status


@pytest.mark.parametrize("path", PATHS)
async def test_another_login_in_the_row_is_read(known, server, provider, path, opened):
    """Somebody else's tokens, saved by another node, or by another request of this one."""
    digest = digest_of(known.session_cookie)
    other = provider.issue_access_token("admin")
    await server.app[SESSIONS].atomically(digest, lambda data, _: data.update(access_token=other))
    opened.clear()

    response = await known.get(path)

    assert (200, [digest]) == (response.status, opened)
    assert "admin" == (await known.user())["username"]


@pytest.mark.parametrize("path", PATHS)
async def test_garbage_in_the_row_is_no_login(known, database_url, path):
    """Though its version says that nothing has changed."""
    digest = digest_of(known.session_cookie)
    async with RawDatabase(database_url) as raw:
        await raw.write_data(digest, b"garbage")

        assert 401 == (await known.get(path)).status
        assert [digest] == [row["digest"] for row in await raw.set_aside()]


@pytest.mark.parametrize("path", PATHS)
async def test_an_access_token_that_runs_out_is_refreshed(known, server, provider, path):
    """A login is known until then."""
    expired = provider.issue_access_token("power", expires_in=-5)
    digest = digest_of(known.session_cookie)
    await server.app[SESSIONS].atomically(digest, lambda data, _: data.update(access_token=expired))
    before = provider.counts["refresh"]

    assert [200, 200] == [(await known.get(path)).status for _ in range(2)]
    assert before + 1 == provider.counts["refresh"]


@pytest.mark.parametrize("path", PATHS)
async def test_using_it_counts_as_a_use_of_the_session(known, server, database_url, path):
    """Or somebody who only reads would be logged out by the idle timeout."""
    async with RawDatabase(database_url) as raw:
        # An hour ago, beyond the interval of touches.
        await raw.rows("UPDATE bodhi_session SET last_seen_at = last_seen_at - 3600000")
        before = (await raw.sessions())[0]["last_seen_at"]
        service = server.app[SESSIONS]

        await known.get(path)
        await service.flush()

        assert before < (await raw.sessions())[0]["last_seen_at"]


@pytest.mark.parametrize("path", PATHS)
async def test_the_answer_says_that_it_depends_on_the_session(known, path):
    """No cache between may give it to somebody else."""
    response = await known.get(path)

    assert ("Cookie", "no-store") == (response.headers["Vary"], response.headers["Cache-Control"])
