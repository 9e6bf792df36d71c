"""After the provider ends a session, the user's role is checked at the provider if supported."""

import asyncio
import secrets

import pytest

from bodhi.server.access.profiles import PROFILES
from bodhi.server.access.role_checks import RoleChecks
from bodhi.server.access.scopes import Role
from bodhi.server.login.api import LOGIN
from bodhi.session import SESSIONS
from bodhi.session.handles import digest_of

WORKS, REFUSED = 200, 401
EVENT = "http://schemas.openid.net/event/backchannel-logout"


@pytest.fixture
async def server(start_server, provider):
    """A node whose provider lists users for clients."""
    provider.realm.clients_may_list_users = True
    return await start_server(BODHI_TOKEN_MEMORY="300")


@pytest.fixture
def checks(monkeypatch):
    """Records the users of finished checks."""
    done = asyncio.Queue()
    genuine = RoleChecks._check

    async def noting(self, user_ids):
        try:
            await genuine(self, user_ids)
        finally:
            done.put_nowait(user_ids)

    monkeypatch.setattr(RoleChecks, "_check", noting)
    return done


@pytest.fixture
async def token(browser, provider):
    """An API token of a logged-in power user."""
    await browser.log_in(provider, "power")
    response = await browser.post("/bodhi/v1/tokens", json={"scope": "scope_token_power_user"})
    token = (await response.json())["token"]
    assert WORKS == await used(browser, token)
    return token


def role_checks_of(server):
    """Return the role checks, without pauses."""
    users = server.app[LOGIN].users
    users._role_checks._pause_seconds = 0
    return users


async def used(browser, token):
    """Use the API token; return the status."""
    url = browser.make_url("/bodhi/v1/auth/verify?scope=scope_token_power_user")
    async with browser.session.get(url, headers={"Authorization": f"Bearer {token}", "Cookie": ""}) as response:
        return response.status


async def refused_refresh(browser, provider):
    """Let the provider refuse the refresh token."""
    expired = provider.issue_access_token("power", expires_in=-5)
    await browser.server.app[SESSIONS].atomically(
        digest_of(browser.session_cookie), lambda data, _: data.update(access_token=expired)
    )
    provider.fail("refresh", status=400, body={"error": "invalid_grant"})
    assert REFUSED == (await browser.get("/bodhi/v1/tokens")).status


async def backchannel_logout(browser, provider, **claims):
    """Send a logout token for the user."""
    now = int(provider.realm.now())
    payload = {"iss": provider.issuer, "aud": provider.client_id, "iat": now, "exp": now + 120, "events": {EVENT: {}}}
    if not claims:
        claims = {"sub": provider.person("power").user_id}
    token = provider.sign({**payload, "jti": secrets.token_hex(8), **claims})
    url = browser.make_url("/bodhi/v1/auth/backchannel-logout")
    async with browser.session.post(url, data={"logout_token": token}) as response:
        assert 200 == response.status


async def backchannel_logout_of_session(browser, provider):
    """Send a logout token for the provider session."""
    data = (await browser.server.app[SESSIONS].load(browser.session_cookie)).data
    await backchannel_logout(browser, provider, sid=data["id_claims"]["sid"])


ENDINGS = [refused_refresh, backchannel_logout, backchannel_logout_of_session]


@pytest.mark.parametrize("end", ENDINGS)
@pytest.mark.parametrize("role", [None, Role.USER, Role.POWER_USER, Role.ADMIN], ids=str)
async def test_lost_role_disables_api_tokens(server, browser, provider, token, checks, end, role):
    """An ordinary end of a session leaves them alone."""
    provider.set_role("power", role)

    await end(browser, provider)

    assert {provider.person("power").user_id} == await checks.get()
    keeps = role in (Role.POWER_USER, Role.ADMIN)
    assert (WORKS if keeps else REFUSED) == await used(browser, token)
    expected = Role.POWER_USER if keeps else role
    assert expected == await server.app[PROFILES].role_of(provider.person("power").user_id)


@pytest.mark.parametrize("failure", ["refused", "no such call", "away", "another form", "no administrator in it"])
async def test_failed_role_check_disables_no_token(browser, provider, token, checks, failure):
    """Nobody's absence from a list means anything that is not known to be the whole one."""
    provider.set_role("power", None)
    if failure == "refused":
        provider.realm.clients_may_list_users = False
    elif failure == "no administrator in it":
        provider.set_role("admin", None)
    else:
        status = {"no such call": 404, "away": 503, "another form": 200}[failure]
        provider.fail("users", times=None, status=status, body={} if status == 200 else "")

    await backchannel_logout(browser, provider)

    await checks.get()
    assert WORKS == await used(browser, token)


@pytest.mark.parametrize(
    "failure", ["away", "late", "another form", "unknown token", "no token for this server", "another secret"]
)
async def test_failed_role_check_is_retried(server, provider, checks, failure):
    """Their session is over, so that nothing else would ask again."""
    people, user_id = server.app[PROFILES], provider.person("power").user_id
    users = role_checks_of(server)
    await people.note(user_id, "power", Role.POWER_USER)
    provider.set_role("power", None)
    if failure == "no token for this server":
        provider.fail("client_credentials", status=503)
    elif failure == "another secret":
        # At both ways to authenticate.
        provider.fail("client_credentials", times=2, status=401, body={"error": "invalid_client"})
    else:
        status = {"away": 503, "late": 504, "another form": 200, "unknown token": 401}[failure]
        provider.fail("users", status=status, body={} if status == 200 else "")

    users.check_role(user_id)

    assert [{user_id}, {user_id}] == [await checks.get(), await asyncio.wait_for(checks.get(), 300)]
    assert await people.role_of(user_id) is None


@pytest.mark.parametrize("status", [None, 403, 404, 405, 501])
async def test_unsupported_role_check_is_not_retried(browser, provider, token, checks, server, status):
    """Sessions end every day."""
    role_checks_of(server)
    if status is None:
        provider.realm.clients_may_list_users = False
    else:
        provider.fail("users", times=None, status=status, body="")
    for _ in range(3):
        await backchannel_logout(browser, provider)
    await checks.get()
    await backchannel_logout(browser, provider)

    assert 1 == provider.counts["users"]


async def test_repeated_role_check_failure_is_logged_once(server, provider, checks, caplog):
    """It may last until somebody comes to work."""
    users = role_checks_of(server)
    user_id = provider.person("power").user_id
    await server.app[PROFILES].note(user_id, "power", Role.POWER_USER)
    provider.fail("client_credentials", times=2 * 5, status=401, body={"error": "invalid_client"})

    users.check_role(user_id)
    for _ in range(6):
        await asyncio.wait_for(checks.get(), 300)

    assert 1 == len([message for message in caplog.messages if message.startswith("role check failed")])


async def test_newer_login_overrides_a_role_check(browser, provider, token, checks, server):
    """The list was read before."""
    user_id = provider.person("power").user_id
    provider.set_role("power", None)
    hold = provider.hold("users", after=True)
    await backchannel_logout(browser, provider)
    await hold.wait_until_reached()
    provider.set_role("power", Role.POWER_USER)
    await server.app[PROFILES].set_role(user_id, Role.POWER_USER)
    hold.release()

    await checks.get()
    assert (WORKS, Role.POWER_USER) == (await used(browser, token), await server.app[PROFILES].role_of(user_id))


async def test_pending_role_checks_share_one_lookup(provider, server, browser, checks, monkeypatch):
    """One list for all of them."""
    people = server.app[PROFILES]
    for number in range(20):
        await people.note(f"id-{number}", "somebody", Role.USER)
    for number in range(20):
        server.app[LOGIN].users.check_role(f"id-{number}")

    assert {f"id-{number}" for number in range(20)} == await checks.get()
    assert {None} == {await people.role_of(f"id-{number}") for number in range(20)}
    assert 1 == provider.counts["users"]
