"""Logins with providers that tell names and groups only at their userinfo endpoint."""

import base64
import json
import logging
import time

import pytest

from bodhi.server.access.profiles import PROFILES
from bodhi.server.access.scopes import Role
from bodhi.session import SESSIONS
from bodhi.session.handles import digest_of

PROTECTED = "/bodhi/v1/tokens"  # needs a power user
GROUPS = {"BODHI_AUTH_ROLES_CLAIM": "groups", "BODHI_AUTH_ROLES": "staff=resource_power_user,boss=resource_admin"}
NAMES = ("preferred_username", "email", "name", "given_name", "family_name", "resource_access")


def payload_of(token):
    """Return the claims of a token."""
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


@pytest.fixture
def tells_only_in_userinfo(provider):
    """Take names and roles out of all tokens, and return a function that sets what userinfo tells."""

    def bare(answer):
        for name in ("access_token", "id_token"):
            if name in answer:
                claims = {key: value for key, value in payload_of(answer[name]).items() if key not in NAMES}
                answer[name] = provider.sign({**claims, "at_hash": None})

    provider.alter("code", bare, times=None)
    provider.alter("refresh", bare, times=None)

    def tell(**claims):
        def change(answer):
            answer.clear()
            answer.update({"sub": provider.person("power").user_id, **claims})

        provider._faults.pop("userinfo", None)
        provider.alter("userinfo", change, times=None)

    return tell


async def expire(server, browser):
    """Let the access token be expired, and opaque from now on."""

    def change(data, _):
        expired = int(time.time()) - 5
        data.update(access_token="opaque", access_expires_at=expired)

    await server.app[SESSIONS].atomically(digest_of(browser.session_cookie), change)


async def log_in(browser, provider):
    """Log in a power user; return the response."""
    return await browser.finish(await provider.log_in_url(await browser.begin(), user="power"))


async def test_name_and_role_come_from_userinfo(start_server, open_browser, provider, tells_only_in_userinfo):
    """Authelia, Zitadel, GitLab and many more put them only there."""
    tells_only_in_userinfo(preferred_username="ann", given_name="Ann", groups=["staff"])
    browser = await open_browser(await start_server(**GROUPS))

    user = await browser.log_in(provider, "power")

    assert ("ann", "Ann", "resource_power_user") == (user["username"], user["first_name"], user["role"])
    assert 200 == (await browser.get(PROTECTED)).status
    assert 1 == provider.counts["userinfo"]


async def test_userinfo_is_asked_again_at_a_refresh(start_server, open_browser, provider, tells_only_in_userinfo):
    """A role that was taken away there goes with the refresh."""
    server = await start_server(**GROUPS)
    browser = await open_browser(server)
    tells_only_in_userinfo(name="Ann", groups=["boss"])
    assert "resource_admin" == (await browser.log_in(provider, "power"))["role"]

    tells_only_in_userinfo(name="Ann", groups=["staff"])
    await expire(server, browser)

    assert "resource_power_user" == (await browser.user())["role"]
    assert 2 == provider.counts["userinfo"]


@pytest.mark.parametrize(
    ("settings", "lost"),
    [
        (GROUPS, {"groups": ["staff"]}),
        (GROUPS, {"groups": []}),
        ({**GROUPS, "BODHI_AUTH_ALLOW": "group:boss"}, {"groups": ["staff"]}),
    ],
)
@pytest.mark.parametrize("is_opaque", [True, False])
async def test_a_refresh_without_an_id_token_confirms_no_earlier_role(
    start_server, open_browser, provider, settings, lost, is_opaque
):
    """The groups were in the login's ID token alone; userinfo tells those of today. API tokens stop, too."""
    server = await start_server(**settings)
    browser = await open_browser(server)
    provider.shape.opaque_access_tokens, provider.shape.id_token_after_refresh = is_opaque, False
    provider.shape.id_token_claims = provider.shape.userinfo_claims = {"groups": ["boss"]}
    assert "resource_admin" == (await browser.log_in(provider, "power"))["role"]
    assert (200, 0) == ((await browser.get("/bodhi/v1/settings")).status, provider.counts["userinfo"])

    provider.shape.id_token_claims = provider.shape.userinfo_claims = lost
    await expire(server, browser)

    assert (await browser.get("/bodhi/v1/settings")).status in {401, 403}
    assert Role.ADMIN is not await server.app[PROFILES].role_of(provider.person("power").user_id)
    assert 1 == provider.counts["refresh"] == provider.counts["userinfo"]


@pytest.mark.parametrize("status", [500, 503, 401, 403, 404, 429])
async def test_its_failure_at_a_refresh_does_not_end_a_session(
    start_server, open_browser, provider, tells_only_in_userinfo, status
):
    """What it told before stays, until it answers again."""
    server = await start_server(**GROUPS)
    browser = await open_browser(server)
    tells_only_in_userinfo(name="Ann", groups=["staff"])
    await browser.log_in(provider, "power")
    provider._faults.pop("userinfo")
    provider.fail("userinfo", status=status)

    await expire(server, browser)

    user = await browser.user()
    assert ("Ann", "resource_power_user") == (user["username"], user["role"])
    assert [200, 200] == [(await browser.get(PROTECTED)).status for _ in range(2)]
    tells_only_in_userinfo(name="Ann", groups=["boss"])
    await expire(server, browser)
    assert "resource_admin" == (await browser.user())["role"]


async def test_another_subject_at_a_refresh_changes_nothing(
    start_server, open_browser, provider, tells_only_in_userinfo
):
    """Its claims are not used."""
    server = await start_server(**GROUPS)
    browser = await open_browser(server)
    tells_only_in_userinfo(name="Ann", groups=["staff"])
    await browser.log_in(provider, "power")

    tells_only_in_userinfo(sub="somebody else", name="Eve", groups=["boss"])
    await expire(server, browser)

    user = await browser.user()
    assert ("Ann", "resource_power_user") == (user["username"], user["role"])


async def test_another_subject_at_a_login_refuses_it(start_server, open_browser, provider, tells_only_in_userinfo):
    """Somebody exchanged an access token."""
    tells_only_in_userinfo(sub="somebody else", groups=["boss"])
    browser = await open_browser(await start_server(**GROUPS))

    response = await log_in(browser, provider)

    assert 400 == response.status
    assert "login_error-o_auth_error" == (await response.json())["error"]["code"]
    assert "logged_out" == (await browser.user())["auth_status"]


async def test_an_outage_at_a_login_that_needs_it_is_503(start_server, open_browser, provider, tells_only_in_userinfo):
    """Otherwise the user would have lost the role, with all API tokens."""
    browser = await open_browser(await start_server(**GROUPS))
    provider.fail("userinfo", status=502)

    response = await log_in(browser, provider)

    assert 503 == response.status
    tells_only_in_userinfo(name="Ann", groups=["staff"])
    assert "resource_power_user" == (await browser.log_in(provider, "power"))["role"]


async def test_an_outage_does_not_matter_if_only_the_name_is_missing(start_server, open_browser, provider):
    """What a login does not need cannot refuse it."""
    browser = await open_browser(await start_server(BODHI_AUTH_NAME_CLAIM="nickname"))
    provider.fail("userinfo", status=502)

    user = await browser.log_in(provider, "power")

    assert ("power", "resource_power_user") == (user["username"], user["role"])
    assert 1 == provider.counts["userinfo"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405])
async def test_a_refusal_at_a_login_leaves_what_the_tokens_tell(
    start_server, open_browser, provider, tells_only_in_userinfo, status
):
    """Entra ID refuses access tokens for another API: then there is no role, as the ID token says."""
    browser = await open_browser(await start_server(**GROUPS))
    provider.fail("userinfo", status=status)

    user = await browser.log_in(provider, "power")

    assert (provider.person("power").user_id, None) == (user["username"], user["role"])


async def test_a_signed_answer_counts(start_server, open_browser, provider, tells_only_in_userinfo):
    """As application/jwt."""
    token = provider.sign({"sub": provider.person("power").user_id, "name": "Ann", "groups": {"staff": {"1": "x"}}})
    provider.fail("userinfo", status=200, body=token, content_type="application/jwt")
    browser = await open_browser(await start_server(**GROUPS))

    user = await browser.log_in(provider, "power")

    assert ("Ann", "resource_power_user") == (user["username"], user["role"])


@pytest.mark.parametrize(("mode", "calls"), [("auto", 0), ("always", 2), ("never", 0)])
async def test_it_is_asked_only_where_something_is_missing(start_server, open_browser, provider, mode, calls):
    """Unless the setting says otherwise."""
    server = await start_server(BODHI_AUTH_USERINFO=mode)
    browser = await open_browser(server)

    await browser.log_in(provider, "power")
    await expire(server, browser)

    assert "resource_power_user" == (await browser.user())["role"]
    assert calls == provider.counts["userinfo"]


async def test_never_means_never(start_server, open_browser, provider, tells_only_in_userinfo):
    """Then there is no role."""
    tells_only_in_userinfo(name="Ann", groups=["staff"])
    browser = await open_browser(await start_server(**GROUPS, BODHI_AUTH_USERINFO="never"))

    assert (await browser.log_in(provider, "power"))["role"] is None
    assert 0 == provider.counts["userinfo"]


async def test_known_logins_ask_nobody(start_server, open_browser, provider, tells_only_in_userinfo):
    """Neither the provider nor the application's database, once a node has read the login."""
    tells_only_in_userinfo(name="Ann", groups=["staff"])
    server = await start_server(**GROUPS)
    browser = await open_browser(server)
    await browser.log_in(provider, "power")
    before = dict(provider.counts)

    for _ in range(3):
        assert "Ann" == (await browser.user())["username"]

    assert before == dict(provider.counts)


async def test_the_default_role_is_for_everybody_who_logs_in(start_server, open_browser, provider):
    """Who has a higher one keeps it."""
    server = await start_server(BODHI_AUTH_DEFAULT_ROLE="resource_power_user")

    for user, role in (("nobody", "resource_power_user"), ("user", "resource_power_user"), ("admin", "resource_admin")):
        browser = await open_browser(server)
        assert role == (await browser.log_in(provider, user))["role"]
        assert 200 == (await browser.get(PROTECTED)).status


async def test_a_login_without_a_role_is_explained_once(start_server, open_browser, provider, caplog):
    """The line names the setting."""
    caplog.set_level(logging.INFO)
    browser = await open_browser(await start_server(BODHI_AUTH_ROLES_CLAIM="groups"))

    assert (await browser.log_in(provider, "power"))["role"] is None
    for _ in range(2):
        await browser.get(PROTECTED)

    lines = [record.message for record in caplog.records if "without a role" in record.message]
    user_id = provider.person("power").user_id
    assert [f"login without a role user_id={user_id}: there is no claim groups (BODHI_AUTH_ROLES_CLAIM)"] == lines
