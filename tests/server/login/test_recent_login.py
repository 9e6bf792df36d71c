"""API changes that require a recent login; ``tests/server/routes/test_authorization.py`` lists them."""

import base64
import json
import time

import aiohttp
import pytest
from yarl import URL

from bodhi.server.access.recent_login import RECENT_LOGIN
from bodhi.session import SESSIONS
from bodhi.session.handles import digest_of

REFUSED = (403, "auth_error-recent_login_required")
AGAIN = "/bodhi/v1/auth/initiate?recent=true"
TOKEN = {"scope": "scope_token_user"}
LONG = 901


async def code_of(response):
    """Return status and code of a response, None without an error."""
    return response.status, (await response.json())["error"]["code"] if response.status >= 400 else None


async def make_token(browser):
    """Create an API token; return the response."""
    return await code_of(await browser.post("/bodhi/v1/tokens", json=TOKEN))


async def log_in(browser, provider, user, at_provider=None, *, start="/bodhi/v1/auth/initiate", drops=()):
    """The answer to a login from *start*; *at_provider* knows the person, who is asked for nothing *drops* names."""
    begun = await browser.post(start)
    assert 201 == begun.status, await begun.text()
    url = URL((await begun.json())["location"]).without_query_params(*drops)
    return await browser.finish(await provider.log_in_url(str(url), user, browser=at_provider))


@pytest.fixture
def advance(server, provider):
    """Advance the time since all logins, here and at the provider."""

    async def advance(browser, seconds=LONG):
        def change(data, _):
            data["signed_in_at"] -= seconds

        await server.app[SESSIONS].atomically(digest_of(browser.session_cookie), change)
        for one in ("admin", "manager", "power"):
            for session in provider.realm.sessions.of_person(provider.person(one).user_id):
                session.auth_time -= seconds

    return advance


@pytest.fixture
async def at_provider():
    """A browser with a session at the provider."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        yield browser


def with_auth_time(auth_time):
    """Change *auth_time* in the provider's ID tokens, or remove it."""

    def change(content, provider):
        payload = content["id_token"].split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        del claims["auth_time"]
        content["id_token"] = provider.sign(claims if auth_time is None else {**claims, "auth_time": auth_time})

    return change


async def test_login_is_recent_for_fifteen_minutes(browser, server, provider):
    """By the clock, whatever happens in between."""
    await browser.log_in(provider, "power")
    clock = server.app[RECENT_LOGIN]
    for seconds, wanted in ((0, (201, None)), (890, (201, None)), (902, REFUSED), (10**6, REFUSED)):
        clock._clock = lambda seconds=seconds: time.time() + seconds

        assert wanted == await make_token(browser), seconds


async def test_recent_login_error_contains_the_login_url(browser, provider, advance):
    """As a page; and nobody is logged out by it."""
    await browser.log_in(provider, "admin")
    await advance(browser)

    response = await browser.put("/bodhi/v1/users/x/role", json={"role": "resource_user"})

    assert 403 == response.status
    error = (await response.json())["error"]
    assert ("forbidden_error", "auth_error-recent_login_required") == (error["type"], error["code"])
    assert {"login": "/ui/login?recent=true"} == error["param"]
    assert "logged_in" == (await browser.user())["auth_status"]
    assert 200 == (await browser.get("/bodhi/v1/users")).status


@pytest.mark.parametrize("path", ["/bodhi/v1/users", "/bodhi/v1/settings", "/bodhi/v1/sessions", "/bodhi/v1/tokens"])
async def test_reading_needs_no_recent_login(browser, provider, advance, path):
    """However long ago they signed in."""
    await browser.log_in(provider, "admin")
    await advance(browser, 10**6)

    assert 200 == (await browser.get(path)).status


async def test_giving_up_ones_own_access_needs_no_recent_login(browser, provider, advance):
    """A token of one's own, and one's own sessions."""
    await browser.log_in(provider, "admin")
    await browser.post("/bodhi/v1/tokens", json=TOKEN)
    token = (await (await browser.get("/bodhi/v1/tokens")).json())["data"][0]["id"]
    await advance(browser)

    assert 204 == (await browser.delete(f"/bodhi/v1/tokens/{token}")).status
    assert 200 == (await browser.delete("/bodhi/v1/user/sessions")).status
    assert 200 == (await browser.post("/bodhi/v1/logout")).status


@pytest.mark.parametrize("way", ["api", "page"])
async def test_only_reactivating_a_token_needs_a_recent_login(browser, provider, advance, way):
    """Renaming and deactivating give no access, in the API and on the page alike; reactivating does."""
    await browser.log_in(provider, "power")
    await browser.post("/bodhi/v1/tokens", json=TOKEN)

    async def token():
        (token,) = (await (await browser.get("/bodhi/v1/tokens")).json())["data"]
        return token["id"], token["name"], token["status"]

    token_id = (await token())[0]

    async def change(name, status, action):
        if way == "api":
            answer = await browser.put(f"/bodhi/v1/tokens/{token_id}", json={"name": name, "status": status})
        else:
            data = {"name": name} if action == "rename" else {}
            answer = await browser.post(f"/ui/tokens/{token_id}/{action}", data=data, allow_redirects=False)
        return answer.status

    await advance(browser)
    done = 200 if way == "api" else 303

    assert done == await change("renamed", "active", "rename")
    assert done == await change("renamed", "inactive", "disable")
    assert 403 == await change("taken", "active", "enable")
    assert (token_id, "renamed", "inactive") == await token()
    assert done == await change("again", "inactive", "rename")
    await advance(browser, -LONG)
    assert done == await change("again", "active", "enable")
    assert (token_id, "again", "active") == await token()


async def test_unknown_token_is_not_found_without_a_recent_login(browser, provider, advance):
    """Unless it would be made active: then the sign-in comes first."""
    await browser.log_in(provider, "power")
    await advance(browser)
    path = "/bodhi/v1/tokens/00000000-0000-0000-0000-000000000000"

    for status, wanted in (("inactive", (404, "entity_error-not_found")), ("active", REFUSED)):
        assert wanted == await code_of(await browser.put(path, json={"name": "", "status": status}))


async def test_new_login_is_recent(browser, provider, advance, at_provider):
    """The provider is told how old a sign-in may be, and asks for it again."""
    assert 200 == (await log_in(browser, provider, "power", at_provider)).status
    await advance(browser)
    assert REFUSED == await make_token(browser)
    before, asked = browser.session_cookie, provider.counts["log_in"]

    begun = await browser.post(AGAIN)
    url = (await begun.json())["location"]
    assert (201, "900") == (begun.status, URL(url).query["max_age"])
    assert 200 == (await browser.finish(await provider.log_in_url(url, "power", browser=at_provider))).status

    assert asked + 1 == provider.counts["log_in"]
    assert (201, None) == await make_token(browser)
    assert before != browser.session_cookie


async def test_single_sign_on_is_not_a_recent_login(browser, provider, advance, at_provider):
    """A login that the provider answers at once is as old as the sign-in there."""
    await log_in(browser, provider, "power", at_provider)
    await advance(browser)
    await browser.post("/bodhi/v1/logout")
    asked = provider.counts["log_in"]

    assert 200 == (await log_in(browser, provider, "power", at_provider)).status

    assert asked == provider.counts["log_in"]
    assert REFUSED == await make_token(browser)


async def test_provider_without_prompt_login_is_reported(browser, provider, advance, at_provider, caplog):
    """It would answer the next login alike. The session stays what it was."""
    await log_in(browser, provider, "power", at_provider)
    await advance(browser, 2_000)
    before = browser.session_cookie

    response = await log_in(browser, provider, "power", at_provider, start=AGAIN, drops=("max_age",))

    error = (await response.json())["error"]
    assert (403, "auth_error-recent_login_required") == (response.status, error["code"])
    assert "without asking you to sign in again" in error["message"]
    assert "ignored max_age and returned an old sign-in" in caplog.text
    assert before == browser.session_cookie
    assert "power" == (await browser.user())["username"]


@pytest.mark.parametrize("start", ["/bodhi/v1/auth/initiate", AGAIN])
async def test_provider_without_auth_time_is_supported(browser, provider, server, start):
    """The login's own counts, for as long."""
    provider.alter("code", lambda content: with_auth_time(None)(content, provider))
    assert 200 == (await log_in(browser, provider, "power", start=start)).status

    assert (201, None) == await make_token(browser)
    server.app[RECENT_LOGIN]._clock = lambda: time.time() + LONG + 1
    assert REFUSED == await make_token(browser)


@pytest.mark.parametrize("auth_time", ["soon", 2**40, True])
async def test_provider_with_malformed_auth_time_is_supported(browser, provider, server, auth_time):
    """Nothing is recent for longer by it."""
    provider.alter("code", lambda content: with_auth_time(auth_time)(content, provider))
    await log_in(browser, provider, "power")

    assert (201, None) == await make_token(browser)
    server.app[RECENT_LOGIN]._clock = lambda: time.time() + LONG + 1
    assert REFUSED == await make_token(browser)


async def test_refresh_keeps_the_login_time(browser, provider, server, advance):
    """Though the provider signed the person in meanwhile, for another application."""
    await browser.log_in(provider, "power")
    await advance(browser)
    for session in provider.realm.sessions.of_person(provider.person("power").user_id):
        session.auth_time += LONG
    expired = provider.issue_access_token("power", expires_in=-5)
    digest = digest_of(browser.session_cookie)
    await server.app[SESSIONS].atomically(digest, lambda data, _: data.update(access_token=expired))
    before = provider.counts["refresh"]

    assert REFUSED == await make_token(browser)

    assert before + 1 == provider.counts["refresh"]
    assert 200 == (await browser.get("/bodhi/v1/tokens")).status


async def test_session_without_a_login_time_is_not_recent(browser, provider, server):
    """Nor logged out; signing in again helps."""
    await browser.log_in(provider, "power")
    digest = digest_of(browser.session_cookie)
    await server.app[SESSIONS].atomically(digest, lambda data, _: data.pop("signed_in_at"))

    assert REFUSED == await make_token(browser)
    assert "power" == (await browser.user())["username"]
    assert 200 == (await log_in(browser, provider, "power", start=AGAIN)).status
    assert (201, None) == await make_token(browser)


async def test_recent_login_can_be_disabled(start_server, open_browser, provider):
    """And the way to sign in again is no other than before."""
    server = await start_server(BODHI_AUTH_RECENT_SECONDS="0")
    browser = await open_browser(server)
    await browser.log_in(provider, "power")
    server.app[RECENT_LOGIN]._clock = lambda: time.time() + 10**9

    assert (201, None) == await make_token(browser)
    assert 200 == (await browser.post(AGAIN)).status


async def test_recent_login_limit_is_configurable(start_server, open_browser, provider):
    """To the provider as well."""
    server = await start_server(BODHI_AUTH_RECENT_SECONDS="1h")
    browser = await open_browser(server)
    await browser.log_in(provider, "power")
    server.app[RECENT_LOGIN]._clock = lambda: time.time() + 3_500
    assert (201, None) == await make_token(browser)
    server.app[RECENT_LOGIN]._clock = lambda: time.time() + 3_601
    assert REFUSED == await make_token(browser)

    assert "3600" == URL((await (await browser.post(AGAIN)).json())["location"]).query["max_age"]


@pytest.mark.parametrize(
    ("query", "max_age"), {"": None, "recent=false": None, "recent=true": "900", "recent=1": "900"}.items()
)
async def test_login_is_forced_on_request_only(browser, provider, query, max_age):
    """Otherwise single sign-on is what it was."""
    begun = await browser.post(f"/bodhi/v1/auth/initiate?{query}")
    assert max_age == URL((await begun.json())["location"]).query.get("max_age")

    await browser.log_in(provider, "power")
    assert (200 if max_age is None else 201) == (await browser.post(f"/bodhi/v1/auth/initiate?{query}")).status


async def test_malformed_query_starts_no_login(browser):
    """Of the API, as everywhere."""
    assert (400, "json_rejection_error") == await code_of(await browser.post("/bodhi/v1/auth/initiate?recent=soon"))


async def test_plain_user_decides_about_applications_without_a_recent_login(browser, provider, advance, server):
    """Managers are: an application may do as much as they."""
    address = "/bodhi/v1/access-requests/00000000-0000-0000-0000-000000000000/deny"
    for user, wanted in {"power": (404, "access_request_error-not_found"), "manager": REFUSED}.items():
        await browser.log_in(provider, user)
        await advance(browser)

        assert wanted == await code_of(await browser.post(address)), user
        await browser.post("/bodhi/v1/logout")


async def test_bearer_tokens_need_no_recent_login(browser, provider, server, advance):
    """An API token says nothing of a sign-in, and begins no login; what it may do, it may."""
    await browser.log_in(provider, "power")
    token = (await (await browser.post("/bodhi/v1/tokens", json=TOKEN)).json())["token"]
    await advance(browser)
    bearer = {"Authorization": f"Bearer {token}"}

    assert (401, "api_auth_error-missing_auth") == await code_of(
        await browser.post("/bodhi/v1/tokens", json=TOKEN, headers=bearer)
    )
    assert 200 == (await browser.get("/bodhi/v1/user", headers=bearer)).status
    assert 200 == (await browser.post(AGAIN, headers=bearer)).status


async def test_recent_login_as_another_user_is_refused(browser, provider, advance):
    """Is told who is logged in, as ever."""
    await browser.log_in(provider, "power")
    await advance(browser)

    response = await log_in(browser, provider, "admin", start=AGAIN)

    assert (409, "login_error-other_user") == await code_of(response)
    assert REFUSED == await make_token(browser)
