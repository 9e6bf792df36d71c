"""Sessions with an expired access token: refreshed once, and not ended by an outage."""

import asyncio
from urllib.parse import urlsplit

import pytest
from aiohttp.test_utils import make_mocked_request

from bodhi.server.authentication.authenticator import AUTHENTICATOR
from bodhi.server.authentication.refresh import REFRESHER
from bodhi.session import SESSIONS, SessionUnavailable
from bodhi.session.handles import digest_of
from bodhi.session.request_session import REQUEST_SESSION, RequestSession, SetupOptions
from bodhi.session.sql_store.locking import LockedRow
from support.markup import read_page

PROTECTED = "/bodhi/v1/tokens"  # needs a power user


@pytest.fixture
def log_in_expired(provider):
    """Logs browsers in whose access token expires before the next request."""

    async def log_in(browser, user="power"):
        response = await browser.finish(await provider.log_in_url(await browser.begin(), user=user))
        assert 200 == response.status, await response.text()
        expired = provider.issue_access_token(user, expires_in=-5)
        service = browser.server.app[SESSIONS]
        await service.atomically(digest_of(browser.session_cookie), lambda data, _: data.update(access_token=expired))

    return log_in


async def stored(server, browser):
    """Return the stored data of the browser's session."""
    session = await server.app[SESSIONS].load(browser.session_cookie)
    return None if session is None else session.data


async def code_of(response):
    """Return status and code of a response."""
    return response.status, (await response.json())["error"]["code"]


async def test_fifty_requests_cause_one_refresh(browser, server, provider, log_in_expired):
    """At a provider whose refresh tokens are good for one use, and who takes its time."""
    await log_in_expired(browser)
    before = await stored(server, browser)
    hold = provider.hold("refresh")
    requests = [asyncio.create_task(browser.get(path)) for path in (PROTECTED, "/bodhi/v1/user") for _ in range(25)]
    await hold.wait_until_reached()
    hold.release()
    responses = await asyncio.gather(*requests)

    assert [200] * 50 == [response.status for response in responses]
    assert 1 == provider.counts["refresh"]
    after = await stored(server, browser)
    assert before["refresh_token"] != after["refresh_token"]
    assert "power" == (await browser.user())["username"]
    assert 1 == provider.counts["refresh"]


async def test_two_nodes_cause_one_refresh(start_server, open_browser, provider, log_in_expired):
    """The lease is in the database that they share."""
    nodes = [await start_server() for _ in range(2)]
    browsers = [await open_browser(node) for node in nodes]
    await log_in_expired(browsers[0])
    cookie = {"Cookie": f"bodhiapp_session_id={browsers[0].session_cookie}"}
    hold = provider.hold("refresh")
    requests = [asyncio.create_task(one.get(PROTECTED, headers=cookie)) for one in browsers for _ in range(25)]
    await hold.wait_until_reached()
    hold.release()
    responses = await asyncio.gather(*requests)

    assert [200] * 50 == [response.status for response in responses]
    assert 1 == provider.counts["refresh"]


async def test_a_change_beside_a_refresh_is_kept(browser, server, provider, log_in_expired):
    """A request with an old copy writes another key: the newest tokens survive, and so does the key."""
    await log_in_expired(browser)
    service = server.app[SESSIONS]
    old = await service.load(browser.session_cookie)
    assert 200 == (await browser.get(PROTECTED)).status
    refreshed = await stored(server, browser)

    await service.save(old, {**old.data, "theme": "dark"})

    after = await stored(server, browser)
    assert "dark" == after["theme"]
    assert refreshed["access_token"] == after["access_token"]
    assert refreshed["refresh_token"] == after["refresh_token"]


@pytest.mark.parametrize(
    "failure",
    [
        {"status": 500, "body": {"error": "server_error"}},
        {"status": 502, "body": "<html>Bad gateway</html>"},
        {"status": 429},
        {"status": 400, "body": {"error": "invalid_client"}},
        {"status": 401, "body": {"error": "unauthorized_client"}},
        {"status": 404},
        {"status": 400, "body": {"error": "temporarily_unavailable"}},
        {"status": 403, "body": {"error": "server_error"}},
        {"status": 200, "body": {"error": "slow_down"}},
        {"status": 200, "body": "<html>"},
        {"status": 200, "body": {"token_type": "Bearer"}},
        {"status": 302, "headers": {"Location": "http://127.0.0.1/"}},
    ],
    ids=lambda failure: f"{failure['status']} {failure.get('body', '')}",
)
async def test_failing_provider_is_no_logout(browser, server, provider, log_in_expired, failure):
    """503 where a login is needed; the session stays as it was, and goes on when the provider does."""
    await log_in_expired(browser)
    before = await stored(server, browser)
    provider.fail("refresh", times=None, **failure)

    response = await browser.get(PROTECTED)

    assert (503, "auth_error-idp_unavailable") == await code_of(response)
    assert "Set-Cookie" not in response.headers
    assert before == await stored(server, browser)
    provider.heal()
    assert 200 == (await browser.get(PROTECTED)).status


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        ({"status": 503}, (503, "auth_error-idp_unavailable")),
        ({"status": 400, "body": {"error": "invalid_client"}}, (503, "auth_error-idp_unavailable")),
        ({"status": 400, "body": {"error": "invalid_request"}}, (401, "auth_error-refresh_refused")),
    ],
    ids=repr,
)
@pytest.mark.parametrize("path", ["/bodhi/v1/user", "/bodhi/v1/user/sessions", "/bodhi/v1/user/request-status"])
async def test_optional_route_does_not_treat_an_outage_as_anonymous(
    browser, server, provider, log_in_expired, path, failure, expected
):
    """A single-page application would show a logout; the session stays."""
    await log_in_expired(browser)
    before = await stored(server, browser)
    provider.fail("refresh", times=None, **failure)

    assert expected == await code_of(await browser.get(path))
    assert before == await stored(server, browser)
    provider.heal()
    assert "power" == (await browser.user())["username"]


@pytest.mark.parametrize("path", ["/ui", "/ui/login"])
async def test_page_reports_a_provider_outage(browser, server, provider, log_in_expired, path):
    """It does not show somebody who is logged in the way to log in."""
    await log_in_expired(browser)
    before = await stored(server, browser)
    provider.fail("refresh", status=503, times=None)

    response = await browser.get(path, headers={"Accept": "text/html"})

    assert (503, "text/html") == (response.status, response.content_type)
    assert "identity provider is not responding" in await response.text()
    assert before == await stored(server, browser)


REFUSALS = [
    {"status": 400, "body": {"error": "invalid_request"}},
    {"status": 403, "body": {"error": "access_denied"}},
    {"status": 200, "body": {"error": "bad_refresh_token"}},
    {"status": 401, "body": {"error": "invalid_client"}},
    {"status": 404},
]


@pytest.mark.parametrize("failure", REFUSALS, ids=repr)
@pytest.mark.parametrize("path", ["/ui", "/ui/tokens", "/ui/login", "/ui/login?return_to=%2Freports"])
async def test_page_reports_a_refused_refresh_and_offers_logout(
    browser, server, provider, log_in_expired, path, failure
):
    """With Sign in again and Sign out, both of which work though the tokens cannot be refreshed."""
    await log_in_expired(browser)
    before = await stored(server, browser)
    provider.fail("refresh", times=None, **failure)

    response = await browser.get(path, headers={"Accept": "text/html"})
    page = read_page(await response.text())

    assert response.status in (401, 503)
    assert "identity provider refused" in page.one("main").text
    assert before == await stored(server, browser)
    again, out = page.one("main").all("form")
    assert ("Sign in again", "Sign out") == (again.one("button").text, out.one("button").text)
    assert urlsplit(provider.issuer).netloc in response.headers["Content-Security-Policy"].partition("form-action")[2]
    action = again.attributes["action"]
    assert ("reports" in action) == ("reports" in path)
    begun = await browser.post(action, allow_redirects=False)
    assert 303 == begun.status
    answer = await provider.log_in_url(begun.headers["Location"], user="power")
    assert 200 == (await browser.finish(answer)).status
    assert 200 == (await browser.get(PROTECTED)).status


@pytest.mark.parametrize("failure", [*REFUSALS, {"status": 503}], ids=repr)
async def test_user_with_a_failing_refresh_can_log_out(browser, server, provider, log_in_expired, failure):
    """A logout needs no valid token."""
    await log_in_expired(browser)
    provider.fail("refresh", times=None, **failure)
    page = read_page(await (await browser.get("/ui", headers={"Accept": "text/html"})).text())
    (out,) = [form for form in page.one("main").all("form") if form.one("button").text == "Sign out"]

    assert 303 == (await browser.post(out.attributes["action"], allow_redirects=False)).status
    assert {"auth_status": "logged_out"} == await browser.user()


@pytest.mark.parametrize(
    ("failure", "status"),
    [*zip(REFUSALS, (401, 401, 401, 503, 503), strict=True), ({"status": 502}, 503)],
    ids=repr,
)
async def test_refresh_errors_distinguish_whether_a_login_helps(
    browser, server, provider, log_in_expired, failure, status
):
    """401 with the way to log in where it does, 503 where only waiting does."""
    await log_in_expired(browser)
    before = await stored(server, browser)
    provider.fail("refresh", times=None, **failure)

    response = await browser.get("/bodhi/v1/auth/verify")

    assert (status, status == 401) == (response.status, "Location" in response.headers)
    assert status == (await browser.get(PROTECTED)).status
    assert before == await stored(server, browser)


@pytest.mark.parametrize(
    "failure",
    [
        {"status": 400, "body": {"error": "token_inactive"}},
        {"status": 401, "body": {"error": "token_inactive"}},
        {"status": 400, "body": {"error": "interaction_required"}},
        {"status": 403, "body": {"error": "login_required"}},
        {"status": 400, "body": {"error": "consent_required"}},
        {"status": 401, "body": {"error": "invalid_token"}},
        {"status": 200, "body": {"error": "invalid_grant"}},
        {"status": 401, "headers": {"WWW-Authenticate": 'Bearer realm="x", error="invalid_token"'}},
        {"status": 400, "body": "<p>no", "headers": {"WWW-Authenticate": 'Bearer error="invalid_grant", scope="a"'}},
    ],
    ids=repr,
)
async def test_a_code_that_asks_for_a_new_login_ends_the_session(browser, server, provider, log_in_expired, failure):
    """As invalid_grant does: otherwise every page would be a dead end."""
    await log_in_expired(browser)
    provider.fail("refresh", times=None, **failure)

    assert (401, "auth_error-refresh_token_not_found") == await code_of(await browser.get(PROTECTED))
    assert await stored(server, browser) is None
    assert 401 == (await browser.get("/bodhi/v1/auth/verify")).status


async def test_a_slow_refresh_is_no_logout(start_server, open_browser, provider, log_in_expired):
    """Who waits gets 503 after the limit, the next ones at once; the late answer is stored."""
    server = await start_server(BODHI_AUTH_TIMEOUT="0.3")
    browser = await open_browser(server)
    await log_in_expired(browser)
    before = await stored(server, browser)
    hold = provider.hold("refresh", after=True)  # the provider has replaced the refresh token already

    responses = await asyncio.gather(*(browser.get(PROTECTED) for _ in range(3)))
    responses += [await browser.get(PROTECTED) for _ in range(5)]

    assert [(503, "auth_error-idp_unavailable")] * 8 == [await code_of(response) for response in responses]
    assert 1 == provider.counts["refresh"]
    hold.release()
    await server.app[REFRESHER]._flights.finish(10)
    assert 200 == (await browser.get(PROTECTED)).status
    assert 1 == provider.counts["refresh"]
    assert before["refresh_token"] != (await stored(server, browser))["refresh_token"]


async def test_new_tokens_are_served_before_they_can_be_stored(browser, server, provider, log_in_expired, monkeypatch):
    """The database lets sessions be read, and not written: a standby, or a full disk."""
    monkeypatch.setattr("bodhi.server.authentication.renewal_store.STORE_SECONDS", 0.0)
    await log_in_expired(browser)
    before = await stored(server, browser)
    hold = provider.hold("refresh", after=True)
    request = asyncio.create_task(browser.get(PROTECTED))
    await hold.wait_until_reached()
    with monkeypatch.context() as outage:
        outage.setattr(LockedRow, "save", _not_now)
        hold.release()

        assert (503, "auth_error-session_store") == await code_of(await request)
        assert 200 == (await browser.get(PROTECTED)).status
        assert "power" == (await browser.user())["username"]
        assert 1 == provider.counts["refresh"]
        assert before["refresh_token"] == (await stored(server, browser))["refresh_token"]

    await server.app[REFRESHER].close(10)
    assert before["refresh_token"] != (await stored(server, browser))["refresh_token"]
    assert 1 == provider.counts["refresh"]


async def _not_now(*_, **__):
    raise SessionUnavailable


@pytest.mark.parametrize("path", [PROTECTED, "/bodhi/v1/user"])
async def test_invalid_grant_ends_the_session(browser, server, provider, log_in_expired, path):
    """On both kinds of routes."""
    await log_in_expired(browser)
    provider.fail("refresh", status=400, body={"error": "invalid_grant"})

    response = await browser.get(path)

    if path == PROTECTED:
        assert (401, "auth_error-refresh_token_not_found") == await code_of(response)
    else:
        assert {"auth_status": "logged_out"} == await response.json()
    assert await stored(server, browser) is None
    assert (401, "auth_error-invalid_access") == await code_of(await browser.get(PROTECTED))


@pytest.mark.parametrize("missing", ["refresh_token", "id_token"])
async def test_refresh_without_a_new_refresh_token_keeps_the_old_one(
    browser, server, provider, log_in_expired, missing
):
    """A refresh token that does not come stays the old one; an ID token is not needed."""
    await log_in_expired(browser)
    before = await stored(server, browser)
    provider.alter("refresh", lambda answer: answer.pop(missing))

    assert 200 == (await browser.get(PROTECTED)).status
    after = await stored(server, browser)
    assert (before["refresh_token"] == after["refresh_token"]) == (missing == "refresh_token")


async def test_a_login_without_a_refresh_token_ends_with_its_access_token(browser, server, provider, log_in_expired):
    """It is legal, and there is nothing to ask for more with."""
    provider.alter("code", lambda answer: answer.pop("refresh_token"))
    await log_in_expired(browser)

    assert (401, "auth_error-refresh_token_not_found") == await code_of(await browser.get(PROTECTED))
    assert 0 == provider.counts["refresh"]
    assert await stored(server, browser) is None


async def test_cancelled_request_loses_no_refreshed_tokens(browser, server, provider, log_in_expired):
    """The provider has answered; its new tokens are stored all the same."""
    await log_in_expired(browser)
    before = await stored(server, browser)
    hold = provider.hold("refresh", after=True)
    task = asyncio.create_task(server.app[AUTHENTICATOR].strict(await _request(server, browser)))
    await hold.wait_until_reached()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    hold.release()

    response = await browser.get(PROTECTED)

    assert 200 == response.status
    assert 1 == provider.counts["refresh"]
    assert before["refresh_token"] != (await stored(server, browser))["refresh_token"]


async def _request(server, browser):
    """Return a request with the browser's session, without a connection."""
    headers = {"Cookie": f"bodhiapp_session_id={browser.session_cookie}"}
    request = make_mocked_request("GET", PROTECTED, headers=headers, app=server.app)
    request[REQUEST_SESSION] = RequestSession(SetupOptions(server.app[SESSIONS], supports_save=True), request)
    return request


async def test_session_revoked_during_its_refresh_stays_ended(browser, server, provider, log_in_expired):
    """A role change, or a logout in another tab."""
    await log_in_expired(browser)
    hold = provider.hold("refresh")
    request = asyncio.create_task(browser.get(PROTECTED))
    await hold.wait_until_reached()
    assert 1 == await server.app[SESSIONS].clear_sessions_for_user(provider.person("power").user_id)
    hold.release()

    assert (401, "auth_error-refresh_token_not_found") == await code_of(await request)
    assert await stored(server, browser) is None


async def test_refresh_updates_the_role(browser, provider, log_in_expired):
    """What the provider says now counts, for the gate and for what is shown."""
    await log_in_expired(browser)
    provider.set_role("power", None)

    response = await browser.get(PROTECTED)

    assert (401, "auth_error-missing_roles") == await code_of(response)
    assert (await browser.user())["role"] is None
