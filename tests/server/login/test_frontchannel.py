"""``GET /bodhi/v1/auth/frontchannel-logout``: the provider's logout page opens it in a frame."""

import pytest
from yarl import URL

from bodhi.server.login.provider_sessions import without_sid
from server.login.test_backchannel import sid_of

PATH = "/bodhi/v1/auth/frontchannel-logout"
FRAME = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}


async def opened(client, method="GET", **query):
    """Open the address as a frame of another site does, without cookies; return status, code and headers."""
    url = client.make_url("/").with_path(PATH).with_query(query)
    async with client.session.request(method, url, headers={**FRAME, "Cookie": ""}) as response:
        error = await response.json() if response.status >= 400 and method == "GET" else None
        return response.status, error["error"]["code"] if error else None, response.headers


async def test_session_of_the_provider_ends(browser, server, provider, open_browser):
    """And no other of the user; the answer may be shown in a frame of the provider, and is not cached."""
    other_device = await open_browser(server)
    for one in (browser, other_device):
        await one.log_in(provider)

    status, _, headers = await opened(other_device, iss=provider.issuer, sid=await sid_of(server, browser))

    assert (200, "no-store") == (status, headers["Cache-Control"])
    origin = URL(provider.issuer).origin()
    assert f"default-src 'none'; frame-ancestors {origin}" == headers["Content-Security-Policy"]
    assert "text/html; charset=utf-8" == headers["Content-Type"]  # shown, not downloaded
    assert {"auth_status": "logged_out"} == await browser.user()
    assert "user" == (await other_device.user())["username"]


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"iss": "https://evil.example"}, 400, "auth_error-unknown_issuer"),
        ({"iss": None}, 400, "json_rejection_error"),
        ({"sid": None}, 400, "json_rejection_error"),
        ({"sid": ""}, 400, "json_rejection_error"),
        ({"sid": "x" * 1_025}, 400, "json_rejection_error"),
        ({"sid": "\0"}, 400, "json_rejection_error"),
        ({"sid": "a\0b"}, 400, "json_rejection_error"),
        ({"sid": "guessed"}, 200, None),
    ],
)
async def test_other_request_ends_nothing(browser, server, provider, changes, status, code):
    """It takes the session's id, which only the provider and its clients know."""
    await browser.log_in(provider)
    query = {"iss": provider.issuer, "sid": await sid_of(server, browser), **changes}

    answer = await opened(browser, **{name: value for name, value in query.items() if value is not None})

    assert (status, code) == answer[:2]
    assert "user" == (await browser.user())["username"]


@pytest.mark.parametrize("has_others", [False, True])
@pytest.mark.parametrize("key", [without_sid, lambda user_id: user_id, lambda user_id: f" {without_sid(user_id)}"])
async def test_strangers_end_no_session_by_a_user_id(browser, server, provider, open_browser, key, has_others):
    """User ids are no secrets: sessions without an id of the provider's are not found by what is stored instead."""
    provider.shape.id_token_claims = {"sid": None}
    if has_others:
        await (await open_browser(server)).log_in(provider, "admin")
    await browser.log_in(provider)

    status, _, _ = await opened(browser, iss=provider.issuer, sid=key(provider.person("user").user_id))

    assert (200, "user") == (status, (await browser.user())["username"])


async def test_head_ends_nothing(browser, server, provider):
    """Something only looks whether the address is there."""
    await browser.log_in(provider)

    status, _, _ = await opened(browser, "HEAD", iss=provider.issuer, sid=await sid_of(server, browser))

    assert 200 == status
    assert "user" == (await browser.user())["username"]


async def test_end_is_logged_with_its_reason(browser, server, provider, caplog):
    """As one of the provider's."""
    await browser.log_in(provider)
    caplog.set_level("INFO")

    await opened(browser, iss=provider.issuer, sid=await sid_of(server, browser))

    (record,) = [record.fields for record in caplog.records if "ended" in getattr(record, "fields", {})]
    assert ("frontchannel_logout", 1, "the identity provider") == (record["reason"], record["ended"], record["by"])


async def test_it_is_limited(start_server, open_browser, provider):
    """It costs a query, and needs no login."""
    browser = await open_browser(await start_server(BODHI_RATE_LIMIT="1"))

    statuses = [(await opened(browser, iss=provider.issuer, sid="s"))[0] for _ in range(3)]

    assert [200, 200, 429] == statuses
