"""The session API for users, managers and administrators."""

import hashlib
import json
import time

import pytest

from bodhi.oidc import ProviderLacks, ProviderUnavailable
from bodhi.server.access.directory import DIRECTORY, Directory
from bodhi.server.access.principal import ApiToken, ExternalApp
from bodhi.server.access.profiles import Profiles
from bodhi.server.access.scopes import Role, TokenScope, UserScope
from bodhi.server.sessions import admin_api as admin_sessions
from bodhi.server.sessions import api as user_sessions
from bodhi.session import setup
from bodhi.session.records import Device

FIREFOX = Device("192.0.2.7", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
OWN = "/user/sessions"
MALFORMED = (400, "json_rejection_error")
UNKNOWN = (404, "session_error-not_found")
NOBODY = (401, "api_auth_error-missing_auth")
FORBIDDEN = (403, "api_auth_error-forbidden")
HANDLE = "A" * 16


class SessionClient:
    """The handlers, with sessions and cookies of named callers."""

    def __init__(self, api, sessions):
        self.api = api
        self.sessions = sessions
        self.cookies = {}

    async def log_in(self, caller, device=FIREFOX):
        """Log in *caller*; return the handle of the new session."""
        session_id, stored = await self.sessions.create({"user_id": f"id-{caller}"}, device=device)
        self.cookies[caller] = session_id
        return stored.handle

    async def __call__(self, caller, method, path, **options):
        """Send a request; return status and JSON, the code of an error."""
        return await self.api(caller, method, path, headers=self.cookie_of(caller), **options)

    def cookie_of(self, caller):
        """Return the Cookie header of the caller."""
        value = self.cookies.get(caller)
        return {} if value is None else {"Cookie": f"{self.sessions.cookie.full_name}={value}"}

    async def handles(self, caller):
        """Return the handles of the live sessions of *caller*, oldest first."""
        return await self.sessions.get_session_ids_for_user(f"id-{caller}")


@pytest.fixture
async def client(serve, sessions, people, application, provider):
    """The provider has a user of each role."""
    provider.roles.update({f"id-{role.name.lower()}": str(role) for role in Role})
    directory = Directory(provider, people)
    directory.has_user_data.append(sessions.count_sessions_for_user)
    services = {DIRECTORY: directory}
    operations = (*user_sessions.OPERATIONS, *admin_sessions.OPERATIONS)
    return SessionClient(await serve(operations, services, lambda app: setup(app, sessions)), sessions)


async def test_users_list_their_own_sessions(client):
    """With and without a role; others' sessions are not among them."""
    await client.log_in("manager")
    for caller in ("user", "nobody"):
        first = await client.log_in(caller, Device("198.51.100.9", None))
        second = await client.log_in(caller)

        status, answer = await client(caller, "GET", OWN)

        assert (200, None) == (status, answer["after"])
        listed = [{name: one[name] for name in ("handle", "device", "ip", "is_current")} for one in answer["sessions"]]
        other = {"handle": first, "device": "Unknown device", "ip": "198.51.100.9", "is_current": False}
        this = {"handle": second, "device": "Firefox on Linux", "ip": "192.0.2.7", "is_current": True}
        assert [other, this] == sorted(listed, key=lambda one: one["is_current"])
        times = [answer["sessions"][0][name] for name in ("created_at", "last_seen_at", "expires_at")]
        assert times[0] <= times[1] < times[2]
        assert all(time.endswith("Z") for time in times)


async def test_session_lists_contain_no_credentials(client):
    """Neither to the user nor to an administrator; and no cache may keep it."""
    await client.log_in("admin")
    cookie = {**client.cookie_of("admin"), "Test-Caller": "admin"}
    for path in (OWN, "/users/id-admin/sessions", "/sessions"):
        async with client.api.client.get(f"/bodhi/v1{path}", headers=cookie) as response:
            text = await response.text()
        assert 200 == response.status
        assert client.cookies["admin"] not in text + str(response.headers)
        assert ("no-store", "Cookie") == (response.headers["Cache-Control"], response.headers["Vary"])
        assert 16 == len(json.loads(text)["sessions"][0]["handle"])


async def test_session_is_revoked_by_its_handle(client):
    """At once; the one that asks stays."""
    other, this = await client.log_in("user"), await client.log_in("user")

    assert (204, None) == await client("user", "DELETE", f"{OWN}/{other}")

    assert [this] == await client.handles("user")
    assert UNKNOWN == await client("user", "DELETE", f"{OWN}/{other}")


async def test_a_foreign_session_reads_as_unknown(client):
    """Whatever the caller's role."""
    foreign = await client.log_in("user")
    await client.log_in("admin")

    for handle in (foreign, HANDLE, "x", "%00", "..%2Fusers"):
        assert UNKNOWN == await client("admin", "DELETE", f"{OWN}/{handle}")
    assert [foreign] == await client.handles("user")


async def test_ending_the_own_session_removes_the_cookie(client):
    """As a logout does."""
    other, this = await client.log_in("user"), await client.log_in("user")
    cookie = {**client.cookie_of("user"), "Test-Caller": "user"}

    response = await client.api.client.delete(f"/bodhi/v1{OWN}/{this}", headers=cookie)

    assert 204 == response.status
    assert response.headers["Set-Cookie"].startswith(f'{client.sessions.cookie.full_name}=""')
    assert [other] == await client.handles("user")


async def test_other_sessions_are_revoked(client):
    """The answer says how many."""
    for _ in range(3):
        await client.log_in("user")
    this, foreign = await client.log_in("user"), await client.log_in("manager")

    assert (200, {"ended": 3}) == await client("user", "DELETE", OWN)
    assert (200, {"ended": 0}) == await client("user", "DELETE", OWN)

    assert ([this], [foreign]) == (await client.handles("user"), await client.handles("manager"))


async def test_callers_without_a_session_are_refused(client, authenticator):
    """Neither nobody nor the holder of a token has sessions to see."""
    authenticator.callers["token"] = ApiToken("id-user", TokenScope.ADMIN, "token")
    authenticator.callers["app"] = ExternalApp("id-user", "user", UserScope.ADMIN, "t", "e", "another-app")
    handle = await client.log_in("user")

    for caller in ("", "token", "app"):
        for method, path in (("GET", OWN), ("DELETE", OWN), ("DELETE", f"{OWN}/{handle}")):
            assert NOBODY == await client(caller, method, path)
    assert [handle] == await client.handles("user")


async def test_managers_list_and_revoke_sessions_of_users_up_to_their_role(client):
    """By the role that the provider tells."""
    manager = await client.log_in("manager")
    for user in ("user", "power_user"):
        handles = {await client.log_in(user), await client.log_in(user)}
        status, answer = await client("manager", "GET", f"/users/id-{user}/sessions")
        assert (200, handles) == (status, {one["handle"] for one in answer["sessions"]})
        assert {f"id-{user}"} == {one["user_id"] for one in answer["sessions"]}
        assert (200, {"ended": 2}) == await client("manager", "DELETE", f"/users/id-{user}/sessions")
        assert [] == await client.handles(user)

    assert [manager] == await client.handles("manager")


async def test_managers_revoke_one_session_of_a_user(client, people):
    """Nobody else's under their name; the own one takes its cookie along."""
    await people.note("id-user", "user", Role.USER)
    handle, foreign, manager = (
        await client.log_in("user"),
        await client.log_in("power_user"),
        await client.log_in("manager"),
    )
    path = "/users/id-user/sessions"

    assert (204, None) == await client("manager", "DELETE", f"{path}/{handle}")

    for other in (handle, foreign, HANDLE, "x"):
        assert UNKNOWN == await client("manager", "DELETE", f"{path}/{other}")
    assert ([], [foreign]) == (await client.handles("user"), await client.handles("power_user"))
    cookie = {**client.cookie_of("manager"), "Test-Caller": "manager"}
    async with client.api.client.delete(f"/bodhi/v1/users/id-manager/sessions/{manager}", headers=cookie) as response:
        assert 204 == response.status
    assert response.headers["Set-Cookie"].startswith(f'{client.sessions.cookie.full_name}=""')


UNKNOWN_USER = (404, "user_route_error-user_not_found")


@pytest.mark.parametrize("caller", ["manager", "admin"])
async def test_unknown_user_is_not_looked_up_at_the_provider(client, provider, caller):
    """Neither who has no account nor who has one that was never used here."""
    provider.roles |= {f"id-{number}": "resource_user" for number in range(250)}
    await client.log_in(caller)

    for user_id in ("id-unseen", "id-249", "id-power_user"):
        path = f"/users/{user_id}/sessions"
        for method, address in (("GET", path), ("DELETE", path), ("DELETE", f"{path}/{HANDLE}")):
            assert UNKNOWN_USER == await client(caller, method, address)
    assert [] == provider.calls


@pytest.mark.parametrize("known_by", ["a session", "a row", "a removal", "a role that was given"])
async def test_user_with_any_local_data_is_known(client, people, known_by):
    """Then the provider says who may look."""
    if known_by == "a session":
        await client.log_in("user")
    elif known_by == "a row":
        await people.note("id-user", "user", None)
    elif known_by == "a removal":
        await people.remove("id-user")
    else:
        await people.set_role("id-user", Role.USER)

    assert 200 == (await client("manager", "GET", "/users/id-user/sessions"))[0]
    assert 200 == (await client("manager", "DELETE", "/users/id-user/sessions"))[0]


async def test_managers_cannot_access_users_above_them(client):
    """Nothing is listed and nothing ends; administrators reach everybody."""
    admin = await client.log_in("admin")
    for method in ("GET", "DELETE"):
        assert FORBIDDEN == await client("manager", method, "/users/id-admin/sessions")
        assert FORBIDDEN == await client("manager", "DELETE", f"/users/id-admin/sessions/{admin}")
        for caller in ("user", "power_user"):
            assert FORBIDDEN == await client(caller, method, "/users/id-user/sessions")
    assert [admin] == await client.handles("admin")

    await client.log_in("manager")
    assert (200, {"ended": 1}) == await client("admin", "DELETE", "/users/id-manager/sessions")


async def test_without_a_user_list_the_last_known_role_counts(client, people: Profiles, provider):
    """Sessions can be ended there, too; while it is away, nobody knows."""
    await people.note("id-boss", "boss", Role.ADMIN)
    await people.note("id-away", "away", Role.USER)
    await people.note("id-user", "user", Role.USER)
    provider.failures["list_users"] = [ProviderLacks(), ProviderLacks(), ProviderUnavailable()]

    assert FORBIDDEN == await client("manager", "DELETE", "/users/id-boss/sessions")
    assert (200, {"ended": 0}) == await client("manager", "DELETE", "/users/id-away/sessions")
    assert (503, "auth_error-idp_unavailable") == await client("manager", "DELETE", "/users/id-user/sessions")


async def test_stale_higher_role_still_protects_a_user(client, people, provider, clock):
    """A role that counts no longer for API tokens still says who stands above whom."""
    await people.note("id-boss", "boss", Role.ADMIN)
    clock.advance(366 * 86_400_000)
    provider.failures["list_users"] = [ProviderLacks()]

    assert FORBIDDEN == await client("manager", "DELETE", "/users/id-boss/sessions")


async def test_administrators_list_and_revoke_all_sessions(client):
    """All or one user's; the own session ends with the others, and its cookie goes."""
    handles = {await client.log_in(caller) for caller in ("nobody", "user", "manager", "admin")}
    without_user = (await client.sessions.create({"cart": 1}))[1].handle

    status, answer = await client("admin", "GET", "/sessions")
    assert (200, {*handles, without_user}) == (status, {one["handle"] for one in answer["sessions"]})
    assert ["id-admin"] == [one["user_id"] for one in answer["sessions"] if one["is_current"]]
    _, answer = await client("admin", "GET", "/sessions", params={"user_id": "id-user"})
    assert await client.handles("user") == [one["handle"] for one in answer["sessions"]]

    for caller in ("user", "power_user", "manager"):
        for method in ("GET", "DELETE"):
            assert FORBIDDEN == await client(caller, method, "/sessions")
    cookie = {**client.cookie_of("admin"), "Test-Caller": "admin"}
    async with client.api.client.delete("/bodhi/v1/sessions", headers=cookie) as response:
        assert (200, {"ended": 5}) == (response.status, await response.json())
    assert response.headers["Set-Cookie"].startswith(f'{client.sessions.cookie.full_name}=""')
    assert 0 == await client.sessions.count_sessions()


async def test_revocation_log_names_the_acting_user(client, caplog):
    """One record each; nothing that authenticates."""
    caplog.set_level("INFO", "bodhi.session.endings")
    await client.log_in("user")
    await client.log_in("admin")

    await client("admin", "DELETE", "/users/id-user/sessions")
    await client("admin", "DELETE", "/sessions")

    listed = [record.fields for record in caplog.records if record.name == "bodhi.session.endings"]
    expected = [("revoked", 1, "id-user", "id-admin"), ("cleared", 1, None, "id-admin")]
    assert expected == [(one["reason"], one["ended"], one["user_id"], one["by"]) for one in listed]
    assert not [cookie for cookie in client.cookies.values() if cookie in caplog.text]


@pytest.mark.parametrize(("path", "query"), [(OWN, {}), ("/sessions", {}), ("/sessions", {"user_id": "id-admin"})])
async def test_session_pages_have_each_session_once(client, path, query):
    """Also when the session that a page ended with is gone by the next."""
    handles = {await client.log_in("admin") for _ in range(7)}
    seen, after = [], {}
    while True:
        status, answer = await client("admin", "GET", path, params={"limit": "3", **query, **after})
        assert (200, True) == (status, len(answer["sessions"]) <= 3)
        seen += [one["handle"] for one in answer["sessions"]]
        if answer["after"] is None:
            break
        after = {"after": answer["after"]}
        last = answer["sessions"][-1]
        if not last["is_current"]:
            assert (204, None) == await client("admin", "DELETE", f"{OWN}/{last['handle']}")

    assert (7, handles) == (len(seen), set(seen))


async def test_full_last_page_has_no_cursor(client):
    """Nobody asks for an empty page."""
    for _ in range(3):
        await client.log_in("admin")

    assert (await client("admin", "GET", OWN, params={"limit": "3"}))[1]["after"] is None


async def test_malformed_parameters_are_refused(client):
    """Limits, cursors and users alike."""
    await client.log_in("admin")
    for path in (OWN, "/users/id-admin/sessions", "/sessions"):
        for name, value in (("limit", "0"), ("limit", "101"), ("limit", "x"), ("after", ""), ("after", "a b")):
            assert MALFORMED == await client("admin", "GET", path, params={name: value}), (path, name, value)
    assert MALFORMED == await client("admin", "GET", OWN, params={"after": HANDLE})  # the other lists' kind
    assert MALFORMED == await client("admin", "GET", "/sessions", params={"after": f"1.{HANDLE}"})
    assert MALFORMED == await client("admin", "GET", "/sessions", params={"user_id": "\x00"})


async def test_every_page_of_ten_thousand_sessions_costs_the_same(client, sessions):
    """The last page is no slower than the first, since nothing before it is read."""
    await fill(sessions, "id-user", 10_000)
    await client.log_in("user")

    pages, seconds, after = 0, [], None
    while pages == 0 or after is not None:
        began = time.perf_counter()
        page = await sessions.list_page(user_id="id-user", after=after, limit=100)
        seconds.append(time.perf_counter() - began)
        pages, after = pages + 1, page.after

    assert 101 == pages
    # The fastest of ten, since a machine that is busy with something else delays the others. The last page is empty.
    first, last = min(seconds[:10]), min(seconds[-11:-1])
    assert last < 0.02
    assert last < 3 * first + 0.01


async def fill(sessions, user_id, count):
    """Store *count* undecryptable sessions of the user."""
    times = {"idle_ms": 3_600_000, "longest_ms": 86_400_000, "max_age": None, "now": None}
    common = {"data": b"data", "user_id": user_id, "ip": FIREFOX.ip, "user_agent": FIREFOX.user_agent, **times}
    rows = [{**common, "digest": hashlib.sha256(b"%d" % number).digest()} for number in range(count)]
    for start in range(0, count, 1000):
        await sessions.get_session_store().database.each("create_session", rows[start : start + 1000])
