"""The page about aiohttp-security is true of that package, on both databases."""

import re
from types import SimpleNamespace

import pytest
from aiohttp_security import SessionIdentityPolicy

from bodhi.session import DefaultSessionService, SessionUnavailable

PAGE = "docs/how-to/use-aiohttp-security.md"
KEY = "a key for tests, of at least thirty-two characters"


@pytest.fixture
def blocks(pages):
    """The programs of the page, run as modules."""
    programs = re.findall(r"^```python\n(.*?)^```$", pages[PAGE], re.MULTILINE | re.DOTALL)
    modules = [{"__name__": f"block_{number}"} for number in range(len(programs))]
    for program, module in zip(programs, modules, strict=True):
        exec(compile(program, PAGE, "exec"), module)
    return [SimpleNamespace(**module) for module in modules]


@pytest.fixture
async def service(database_url):
    """Sessions."""
    async with DefaultSessionService.from_url(database_url, keys=[KEY]) as service:
        yield service


@pytest.fixture
async def client(blocks, service, aiohttp_client):
    """A visitor of the page's application."""
    return await aiohttp_client(blocks[0].make_app(service))


def cookie_of(client, service):
    """Return the id of the client's session, or None."""
    return {cookie.key: cookie.value for cookie in client.session.cookie_jar}.get(service.cookie.full_name)


async def status_of_copy(client, service, session_id):
    """Return the status of a request with an id that a thief has copied."""
    client.session.cookie_jar.clear()
    client.session.cookie_jar.update_cookies({service.cookie.full_name: session_id})
    return (await client.get("/")).status


async def log_in(client, name):
    """Log in through the page's form."""
    response = await client.post("/login", data={"name": name})
    assert (200, f"Hello {name}\n") == (response.status, await response.text())


async def test_logins_permissions_and_logouts(client, service):
    """Nobody may do anything, Bob may read, Ann may write as well."""
    assert [401, 401] == [(await client.get("/")).status, (await client.put("/")).status]
    assert 401 == (await client.post("/login", data={"name": "eve"})).status

    await log_in(client, "bob")
    assert "bob reads\n" == await (await client.get("/")).text()
    assert 403 == (await client.put("/")).status
    await log_in(client, "ann")
    assert "ann reads\n" == await (await client.get("/")).text()
    assert 200 == (await client.put("/")).status
    copy = cookie_of(client, service)

    assert 200 == (await client.post("/logout")).status
    assert None is cookie_of(client, service)
    assert 0 == await service.count_sessions()
    assert 401 == await status_of_copy(client, service, copy)


@pytest.mark.parametrize("again", ["ann", "bob"])
async def test_every_login_moves_the_session_to_a_new_id(client, service, again):
    """Also the second one of a user; the id from before it is dead."""
    await log_in(client, "ann")
    before = cookie_of(client, service)
    await log_in(client, again)

    assert before != cookie_of(client, service)
    assert 1 == await service.count_sessions_for_user(again) == await service.count_sessions()
    assert 401 == await status_of_copy(client, service, before)


async def test_a_users_sessions_can_be_ended(client, service):
    """As under no other key."""
    await log_in(client, "ann")

    assert 1 == await service.clear_sessions_for_user("ann")
    assert 401 == (await client.get("/")).status


async def test_under_the_default_key_a_login_is_nobodys(blocks, service, aiohttp_client):
    """The reason for the key; a middleware moves logins that were begun under it."""
    page = blocks[0]
    page.make_app.__globals__["SessionIdentityPolicy"] = lambda **_: SessionIdentityPolicy()
    client = await aiohttp_client(page.make_app(service))
    await log_in(client, "ann")
    assert (1, 0) == (await service.count_sessions(), await service.count_sessions_for_user("ann"))

    page.make_app.__globals__["SessionIdentityPolicy"] = SessionIdentityPolicy
    app = page.make_app(service)
    app.middlewares.append(blocks[1].adopt_old_key)
    moved = await aiohttp_client(app)
    moved.session.cookie_jar.update_cookies({service.cookie.full_name: cookie_of(client, service)})

    assert "ann reads\n" == await (await moved.get("/")).text()
    assert 1 == await service.count_sessions_for_user("ann")
    assert "ann reads\n" == await (await moved.get("/")).text()


async def test_an_outage_is_no_logout(client, service, monkeypatch):
    """Whoever asks in it is told to come back."""
    await log_in(client, "ann")
    with monkeypatch.context() as outage:

        async def fail(_):
            raise SessionUnavailable

        outage.setattr(service.get_session_store(), "load", fail)
        response = await client.put("/")
        assert 503 == response.status
        assert int(response.headers["Retry-After"]) > 0

    assert 200 == (await client.put("/")).status
