"""``POST /bodhi/v1/logout``: end the session and revoke its tokens."""

import pytest
from yarl import URL

from bodhi.server.login.api import LOGIN
from bodhi.session import SESSIONS, SessionUnavailable


def login_page(browser):
    """Return the API's answer to a logout: the login page, where the browser is."""
    return {"location": str(browser.make_url("/ui/login"))}


async def test_logout_deletes_session_and_cookie(browser, provider, server, open_browser):
    """The removal names all that the browser compares, and a copy of the cookie is worthless."""
    await browser.log_in(provider)
    copy = {"Cookie": f"bodhiapp_session_id={browser.session_cookie}"}
    response = await browser.post("/bodhi/v1/logout")

    assert (200, login_page(browser)) == (response.status, await response.json())
    assert 'bodhiapp_session_id=""; Max-Age=0' in response.headers["Set-Cookie"]
    assert response.headers["Set-Cookie"].endswith("; Path=/; HttpOnly; SameSite=Strict")
    assert "no-store" == response.headers["Cache-Control"]
    assert "Clear-Site-Data" not in response.headers  # it would empty the caches of other applications on the host
    stranger = await open_browser(server)
    assert {"auth_status": "logged_out"} == await (await stranger.get("/bodhi/v1/user", headers=copy)).json()


@pytest.mark.parametrize("path", ["/bodhi/v1/logout", "/ui/logout"])
@pytest.mark.parametrize("is_logged_in", [True, False])
async def test_a_logout_leaves_the_caches_of_the_host_alone(browser, provider, path, is_logged_in):
    """Clear-Site-Data would empty those of other applications on it, and hold up the browser."""
    if is_logged_in:
        await browser.log_in(provider)

    response = await browser.post(path, allow_redirects=False)

    assert response.status in {200, 303}
    assert "Clear-Site-Data" not in response.headers


async def test_logging_out_twice_is_no_error(browser, provider):
    """Nor is it without any session."""
    assert 200 == (await browser.post("/bodhi/v1/logout")).status
    await browser.log_in(provider)
    for _ in range(2):
        assert 200 == (await browser.post("/bodhi/v1/logout")).status


@pytest.mark.parametrize("cookie", ["x" * 43, "x", "", "é"])
async def test_an_unknown_cookie_is_removed_and_costs_no_error(browser, cookie):
    """Whatever the browser holds."""
    response = await browser.post("/bodhi/v1/logout", headers={"Cookie": f"bodhiapp_session_id={cookie}"})

    assert 200 == response.status


async def test_the_refresh_token_is_revoked_once(browser, provider):
    """It would be good for weeks."""
    await browser.log_in(provider)
    await browser.post("/bodhi/v1/logout")
    await browser.post("/bodhi/v1/logout")

    assert 1 == provider.counts["revoke"]


@pytest.mark.parametrize("failure", ["hang", "reset", "fail"])
async def test_failing_provider_does_not_block_logout(browser, provider, monkeypatch, failure):
    """The session has ended already."""
    monkeypatch.setattr("bodhi.server.login.logout.REVOCATION_SECONDS", 0.05)
    await browser.log_in(provider)
    getattr(provider, failure)("revoke")

    assert 200 == (await browser.post("/bodhi/v1/logout")).status
    assert {"auth_status": "logged_out"} == await browser.user()


@pytest.mark.parametrize("step", ["load", "delete"])
@pytest.mark.parametrize("path", ["/bodhi/v1/logout", "/ui/logout"])
async def test_a_logout_in_an_outage_is_503(browser, provider, server, monkeypatch, step, path, caplog):
    """With Retry-After and the cause in the log; the cookie stays, and it can be tried again."""
    await browser.log_in(provider)
    with monkeypatch.context() as broken:

        async def fail(*_):
            raise SessionUnavailable("the disk is full")

        broken.setattr(server.app[SESSIONS].get_session_store(), step, fail)
        response = await browser.post(path, allow_redirects=False)

    assert (503, "login_error-session_delete") == (response.status, (await response.json())["error"]["code"])
    assert int(response.headers["Retry-After"]) > 0
    assert not {"Set-Cookie", "Clear-Site-Data"} & set(response.headers)
    assert "the disk is full" in caplog.text
    assert "user" == (await browser.user())["username"]
    assert 200 == (await browser.post("/bodhi/v1/logout")).status


async def test_cross_site_logout_is_refused(browser, provider):
    """Neither with a form nor with a script."""
    await browser.log_in(provider)
    for site in ("cross-site", "same-site", "none"):
        response = await browser.post("/bodhi/v1/logout", headers={"Sec-Fetch-Site": site})
        assert (403, "auth_error-cross_site_request") == (
            response.status,
            (await response.json())["error"]["code"],
        )
    assert "user" == (await browser.user())["username"]


async def test_logout_may_continue_at_the_provider(start_server, open_browser, provider):
    """By configuration: its session ends as well, and the browser comes back to the login page."""
    server = await start_server(BODHI_AUTH_LOGOUT="true")
    browser = await open_browser(server)
    await browser.log_in(provider)

    location = (await (await browser.post("/bodhi/v1/logout")).json())["location"]

    assert location.startswith(f"{provider.issuer}/protocol/openid-connect/logout?")
    assert login_page(browser)["location"] == URL(location).query["post_logout_redirect_uri"]
    assert server.app[LOGIN].logs_out_at_provider
