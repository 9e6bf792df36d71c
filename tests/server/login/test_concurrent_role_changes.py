"""Role changes during logins and refreshes: older roles never win, on any node."""

import asyncio

import pytest

from bodhi.server.access.profiles import PROFILES, Profile
from bodhi.server.access.scopes import Role
from bodhi.server.login.api import LOGIN
from bodhi.server.tokens.service import API_TOKENS
from bodhi.session import SESSIONS, SessionUnavailable
from bodhi.session.handles import digest_of
from support.raw_database import RawDatabase

CHANGED = (409, "login_error-access_changed")
INACTIVE = (401, "api_auth_error-missing_auth")  # to a route that asks who comes, and takes nobody for an answer
LOGGED_OUT = {"auth_status": "logged_out"}


@pytest.fixture
async def server(start_server):
    """A node without an API token cache, so that changes by other nodes apply at once."""
    return await start_server(BODHI_TOKEN_MEMORY="0")


class Stop:
    """A point at which a call waits until it is released."""

    def __init__(self):
        self.reached, self.may_go_on = asyncio.Event(), asyncio.Event()

    async def __call__(self):
        self.reached.set()
        await self.may_go_on.wait()

    async def wait_until_reached(self):
        await self.reached.wait()

    def release(self):
        self.may_go_on.set()


@pytest.fixture
def stop_at(provider, server, monkeypatch):
    """Stop the next login on *server* at a given call."""

    def stop_at(point):
        if point in ("before the code is redeemed", "after the code is redeemed"):
            return provider.hold("code", after=point.startswith("after"))
        service, stop = server.app[LOGIN], Stop()
        name = "remember" if point == "after the session is stored" else "note"
        owner = service.provider_sessions if name == "remember" else service.users
        genuine = getattr(owner, name)

        async def stopped(*args, **options):
            answer = await genuine(*args, **options)
            monkeypatch.setattr(owner, name, genuine)
            await stop()
            return answer

        monkeypatch.setattr(owner, name, stopped)
        return stop

    return stop_at


POINTS = [
    "before the code is redeemed",
    "after the code is redeemed",
    "after the session is stored",
    "before the answer",
]


@pytest.fixture
async def admin(start_server, open_browser, provider):
    """An administrator on another node."""
    browser = await open_browser(await start_server())
    await browser.log_in(provider, "admin")
    return browser


async def code_of(response):
    """Return status and code of a response."""
    return response.status, (await response.json())["error"]["code"] if response.status >= 400 else None


async def removed(admin, user_id):
    """Remove the user."""
    assert 200 == (await admin.delete(f"/bodhi/v1/users/{user_id}")).status


async def demoted(admin, user_id):
    """Demote the user to the lowest role."""
    response = await admin.put(f"/bodhi/v1/users/{user_id}/role", json={"role": "resource_user"})
    assert 200 == response.status


async def api_token_of(browser):
    """Create an API token of the logged-in user."""
    response = await browser.post("/bodhi/v1/tokens", json={"scope": "scope_token_power_user"})
    assert 201 == response.status
    return (await response.json())["token"]


async def used(browser, token):
    """Use the API token without a cookie; return status and code."""
    url = browser.make_url("/bodhi/v1/auth/verify?scope=scope_token_power_user")
    async with browser.session.get(url, headers={"Authorization": f"Bearer {token}", "Cookie": ""}) as response:
        return await code_of(response)


@pytest.mark.parametrize("is_known", [True, False], ids=["known", "never seen"])
@pytest.mark.parametrize("change", [removed, demoted])
@pytest.mark.parametrize("point", POINTS)
async def test_login_in_progress_is_ended_by_a_role_change(
    server, browser, open_browser, admin, provider, stop_at, point, change, is_known
):
    """No session with the old role, no removal that is undone, no API token that works."""
    user_id, token = provider.person("power").user_id, None
    if is_known:
        other_device = await open_browser(server)
        await other_device.log_in(provider, "power")
        token = await api_token_of(other_device)
        assert (200, None) == await used(browser, token)
    answer = await provider.log_in_url(await browser.begin(), user="power")
    stop = stop_at(point)
    login = asyncio.create_task(browser.finish(answer))
    await stop.wait_until_reached()

    await change(admin, user_id)
    stop.release()

    response = await login
    assert ((200, None) if point == "before the answer" else CHANGED) == await code_of(response)
    assert LOGGED_OUT == await browser.user()
    assert 0 == await server.app[SESSIONS].count_sessions_for_user(user_id)
    person = await server.app[PROFILES].find(user_id)
    assert (change is removed, None if change is removed or not person.username else Role.USER) == (
        person.is_removed,
        person.role,
    )
    if token is not None:
        assert INACTIVE == await used(browser, token)


@pytest.mark.parametrize("point", POINTS)
async def test_login_in_progress_is_ended_by_an_approval(
    server, browser, open_browser, admin, provider, stop_at, point
):
    """Its tokens say that there is no role; the next login has it."""
    asking = await open_browser(server)
    await asking.log_in(provider, "nobody")
    assert 201 == (await asking.post("/bodhi/v1/user/request-access")).status
    (request,) = (await (await admin.get("/bodhi/v1/access-requests/pending")).json())["requests"]
    answer = await provider.log_in_url(await browser.begin(), user="nobody")
    stop = stop_at(point)
    login = asyncio.create_task(browser.finish(answer))
    await stop.wait_until_reached()

    approve = f"/bodhi/v1/access-requests/{request['id']}/approve"
    assert 200 == (await admin.post(approve, json={"role": "resource_power_user"})).status
    stop.release()

    response = await login
    assert ((200, None) if point == "before the answer" else CHANGED) == await code_of(response)
    assert LOGGED_OUT == await browser.user() == await asking.user()
    assert Role.POWER_USER == await server.app[PROFILES].role_of(request["user_id"])
    assert "resource_power_user" == (await browser.log_in(provider, "nobody"))["role"]


async def test_login_after_a_removal_succeeds(browser, admin, provider, server):
    """Without a role, and the removal is over."""
    user_id = provider.person("power").user_id
    await removed(admin, user_id)

    assert (await browser.log_in(provider, "power"))["role"] is None
    assert Profile("power", None) == await server.app[PROFILES].find(user_id)


async def test_a_role_change_does_not_block_logins_of_other_users(browser, admin, provider, stop_at):
    """It is about that one person."""
    answer = await provider.log_in_url(await browser.begin(), user="user")
    stop = stop_at("after the code is redeemed")
    login = asyncio.create_task(browser.finish(answer))
    await stop.wait_until_reached()
    await removed(admin, provider.person("power").user_id)
    stop.release()

    assert 200 == (await login).status
    assert "user" == (await browser.user())["username"]


async def test_first_administrator_removed_meanwhile_is_not_logged_in(start_server, open_browser, provider, server):
    """Though the provider made them one."""
    node = await start_server(BODHI_CLIENT_STATUS="resource-admin")
    browser, user_id = await open_browser(node), provider.person("user").user_id
    answer = await provider.log_in_url(await browser.begin(), user="user")
    hold = provider.hold("refresh", after=True)
    login = asyncio.create_task(browser.finish(answer))
    await hold.wait_until_reached()
    provider.set_role("user", None)
    await server.app[PROFILES].remove(user_id)
    hold.release()

    assert CHANGED == await code_of(await login)
    assert Profile("", None, is_removed=True) == await server.app[PROFILES].find(user_id)


@pytest.mark.parametrize("failing", ["people", "people and sessions"])
async def test_login_fails_if_the_role_version_cannot_be_read(
    browser, server, provider, monkeypatch, failing, database_url
):
    """Whatever fails behind the stored session, which is ended where that is possible."""
    answer = await provider.log_in_url(await browser.begin(), user="power")

    async def fail(*_, **__):
        raise RuntimeError("an unexpected fault")

    async def unavailable(*_, **__):
        raise SessionUnavailable

    monkeypatch.setattr(server.app[PROFILES], "note", fail)
    if failing != "people":
        monkeypatch.setattr(server.app[SESSIONS].get_session_store(), "delete", unavailable)

    response = await browser.finish(answer)

    assert (500 if failing == "people" else 503) == response.status
    given = [cookie for cookie in response.headers.getall("Set-Cookie", []) if '=""' not in cookie]
    assert [] == given
    if failing == "people":
        async with RawDatabase(database_url) as raw:
            assert [] == await raw.rows("SELECT 1 FROM bodhi_session WHERE user_id IS NOT NULL")


@pytest.mark.parametrize("change", [removed, demoted])
@pytest.mark.parametrize("after", [False, True], ids=["before the grant", "after the grant"])
async def test_refresh_in_progress_does_not_restore_an_old_role(
    server, browser, open_browser, admin, provider, change, after
):
    """Nor is a removal undone by it."""
    user_id = provider.person("power").user_id
    await browser.log_in(provider, "power")
    token = await api_token_of(browser)
    expired = provider.issue_access_token("power", expires_in=-5)
    await server.app[SESSIONS].atomically(
        digest_of(browser.session_cookie), lambda data, _: data.update(access_token=expired)
    )
    hold = provider.hold("refresh", after=after)
    request = asyncio.create_task(browser.get("/bodhi/v1/tokens"))
    await hold.wait_until_reached()
    await change(admin, user_id)
    hold.release()

    assert 401 == (await request).status
    assert INACTIVE == await used(await open_browser(server), token)
    person = await server.app[PROFILES].find(user_id)
    assert (change is removed, None if change is removed else Role.USER) == (person.is_removed, person.role)


@pytest.mark.parametrize(
    ("change", "person"),
    [(removed, Profile("power", None, is_removed=True)), (demoted, Profile("power", Role.USER, is_removed=False))],
)
async def test_refresh_stored_before_a_role_change_does_not_override_it(
    server, browser, admin, provider, monkeypatch, change, person
):
    """Its session ends with the others; what it wants to note of the role comes too late."""
    user_id = provider.person("power").user_id
    await browser.log_in(provider, "power")
    expired = provider.issue_access_token("power", expires_in=-5)
    await server.app[SESSIONS].atomically(
        digest_of(browser.session_cookie), lambda data, _: data.update(access_token=expired)
    )
    users, stop = server.app[LOGIN].users, Stop()
    genuine = users.note_checked

    async def stopped(*args):
        await stop()
        await genuine(*args)

    monkeypatch.setattr(users, "note_checked", stopped)
    request = asyncio.create_task(browser.get("/bodhi/v1/tokens"))
    await stop.wait_until_reached()
    await change(admin, user_id)
    stop.release()

    assert 401 == (await request).status
    assert person == await server.app[PROFILES].find(user_id)


async def test_a_role_lost_at_the_provider_holds_against_an_older_login(
    server, start_server, browser, open_browser, provider, stop_at
):
    """A refresh has seen the loss when a login comes whose code was redeemed before."""
    other_device = await open_browser(await start_server(BODHI_TOKEN_MEMORY="300"))
    await other_device.log_in(provider, "power")
    token = await api_token_of(other_device)
    assert (200, None) == await used(other_device, token)
    answer = await provider.log_in_url(await browser.begin(), user="power")
    stop = stop_at("after the code is redeemed")
    login = asyncio.create_task(browser.finish(answer))
    await stop.wait_until_reached()
    provider.set_role("power", None)
    expired = provider.issue_access_token("power", expires_in=-5)
    await server.app[SESSIONS].atomically(
        digest_of(other_device.session_cookie), lambda data, _: data.update(access_token=expired)
    )
    assert (await other_device.user())["role"] is None
    # At once on the node that was told, though it remembers tokens for a while.
    assert INACTIVE == await used(other_device, token)
    stop.release()

    assert CHANGED == await code_of(await login)
    assert INACTIVE == await used(browser, token)


@pytest.mark.parametrize(("change", "noted"), [(removed, "remove"), (demoted, "set_role")])
async def test_role_change_is_stored_before_sessions_are_revoked(admin, provider, monkeypatch, change, noted):
    """Or a login that is stored between the two would be seen by neither."""
    node = admin.server
    order = []
    for owner, name in ((node.app[PROFILES], noted), (node.app[SESSIONS].get_session_store(), "clear_user")):
        genuine = getattr(owner, name)

        async def noting(*args, genuine=genuine, name=name, **options):
            answer = await genuine(*args, **options)
            order.append(name)
            return answer

        monkeypatch.setattr(owner, name, noting)

    await change(admin, provider.person("power").user_id)

    assert [noted, "clear_user"] == order


async def test_removal_rejects_the_pending_role_request(server, browser, admin, provider, caplog):
    """An old request gives no role back; they may ask again. The log says who decided."""
    caplog.set_level("INFO", "bodhi.server.roles.service")
    user_id = (await browser.log_in(provider, "nobody"))["user_id"]
    assert 201 == (await browser.post("/bodhi/v1/user/request-access")).status
    (request,) = (await (await admin.get("/bodhi/v1/access-requests/pending")).json())["requests"]

    await removed(admin, user_id)

    approve = f"/bodhi/v1/access-requests/{request['id']}/approve"
    refused = await admin.post(approve, json={"role": "resource_user"})
    assert (409, "access_request_error-already_processed") == await code_of(refused)
    fields = {"request_id": request["id"], "user_id": user_id, "by": provider.person("admin").user_id}
    assert [fields] == [record.fields for record in caplog.records]
    await browser.log_in(provider, "nobody")
    assert 201 == (await browser.post("/bodhi/v1/user/request-access")).status


async def test_api_token_created_during_a_removal_is_disabled(server, browser, admin, provider, monkeypatch):
    """Its request was let in before: it would work for somebody who comes back."""
    user_id = provider.person("power").user_id
    await browser.log_in(provider, "power")
    people, tokens, stop = server.app[PROFILES], server.app[API_TOKENS], Stop()
    genuine = tokens.create

    async def stopped(*args, **options):
        await stop()
        return await genuine(*args, **options)

    monkeypatch.setattr(tokens, "create", stopped)
    request = asyncio.create_task(browser.post("/bodhi/v1/tokens", json={"scope": "scope_token_user"}))
    await stop.wait_until_reached()
    await removed(admin, user_id)
    stop.release()

    assert (401, "auth_error-invalid_access") == await code_of(await request)
    assert ((await people.find(user_id)).is_removed, ([], 0)) == (True, await tokens.list_of(user_id, size=9))
