"""What costs something and needs no login, beyond what one client may ask for: 429, and the others go on."""

import pytest

from support.raw_database import RawDatabase

PROXY = "127.0.0.1"
ME, OTHER = {"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "192.0.2.2"}
BURST = 4  # of a limit of two a minute

LIMITED = {
    "begun logins": ("/bodhi/v1/auth/initiate", {}, 201),
    "begun logins on the page": ("/ui/login", {}, 303),
    "callbacks": ("/bodhi/v1/auth/callback", {"json": {"code": "guessed", "state": "x" * 32}}, 400),
    "callbacks on the page": ("/ui/auth/callback", {"data": {"code": "guessed", "state": "x" * 32}}, 400),
    "a malformed callback": ("/bodhi/v1/auth/callback", {"json": []}, 400),
    "back-channel logouts": ("/bodhi/v1/auth/backchannel-logout", {"data": {"logout_token": "a.b.c"}}, 400),
    "setup": ("/bodhi/v1/setup", {"json": {"name": "another server"}}, 400),
}


@pytest.fixture
async def limited(start_server, open_browser):
    """A browser at a server behind a proxy, with a limit that is soon reached."""
    return await open_browser(await start_server(BODHI_RATE_LIMIT="2", BODHI_TRUSTED_PROXIES=PROXY))


async def statuses(browser, path, options, headers, times):
    """What so many requests are answered."""
    answers = [await browser.post(path, headers=headers, allow_redirects=False, **options) for _ in range(times)]
    return [answer.status for answer in answers]


@pytest.mark.parametrize(("path", "options", "status"), LIMITED.values(), ids=LIMITED)
async def test_what_costs_and_needs_no_login_is_limited(limited, path, options, status):
    """For each client of the trusted proxy; with a code, and when to come back."""
    assert [status] * BURST == await statuses(limited, path, options, ME, BURST)

    refused = await limited.post(path, headers=ME, allow_redirects=False, **options)

    assert (429, "rate_limit_error-too_many_requests") == (refused.status, (await refused.json())["error"]["code"])
    assert 0 < int(refused.headers["Retry-After"]) <= 30
    assert "Set-Cookie" not in refused.headers
    assert [status] == await statuses(limited, path, options, OTHER, 1)
    assert 200 == (await limited.get("/ping", headers=ME)).status
    assert 200 == (await limited.get("/bodhi/v1/user", headers=ME)).status


async def test_people_get_a_page(limited):
    """Who reads pages is told so, rather than shown JSON."""
    headers = {**ME, "Accept": "text/html"}
    await statuses(limited, "/ui/login", {}, headers, BURST)

    refused = await limited.post("/ui/login", headers=headers)

    assert (429, True) == (refused.status, "Too many requests" in await refused.text())


async def test_the_page_and_the_api_share_a_limit(limited):
    """It is one thing that costs."""
    await statuses(limited, "/ui/login", {}, ME, BURST)

    assert [429] == await statuses(limited, "/bodhi/v1/auth/initiate", {}, ME, 1)
    assert [400] == await statuses(limited, *LIMITED["callbacks"][:2], ME, 1)


async def test_a_client_cannot_claim_another_address(start_server, open_browser):
    """Nobody is believed but trusted proxies."""
    browser = await open_browser(await start_server(BODHI_RATE_LIMIT="2"))

    for number in range(BURST):
        headers = {"X-Forwarded-For": f"192.0.2.{number}"}
        assert [201] == await statuses(browser, "/bodhi/v1/auth/initiate", {}, headers, 1)
    assert [429] == await statuses(browser, "/bodhi/v1/auth/initiate", {}, {"X-Forwarded-For": "192.0.2.9"}, 1)


async def test_off(start_server, open_browser, database_url):
    """Where something in front of the server has a limit; begun logins store nothing anyway."""
    browser = await open_browser(await start_server(BODHI_RATE_LIMIT="0"))

    assert {201} == set(await statuses(browser, "/bodhi/v1/auth/initiate", {}, ME, 300))
    async with RawDatabase(database_url) as raw:
        assert [] == await raw.sessions()


@pytest.mark.parametrize("path", ["/bodhi/v1/tokens", "/bodhi/v1/user", "/bodhi/v1/auth/verify"])
@pytest.mark.parametrize("kind", ["bodhiapp_{}.x", "a{}.b.c", "{}"])
async def test_unknown_tokens_are_limited(limited, path, kind):
    """Whether a route needs somebody or not, and whatever the tokens look like."""

    async def ask(number, headers):
        token = {"Authorization": f"Bearer {kind.format(number)}"}
        return (await limited.get(path, headers={**headers, **token})).status

    first = [await ask(number, ME) for number in range(BURST)]
    assert 429 not in first

    assert 429 == await ask("again", ME)
    assert first[0] == await ask(0, OTHER)


async def test_a_token_that_was_accepted_passes(limited, provider):
    """Also from an address whose other programs bring unknown ones, until it is revoked."""
    assert "admin" == (await limited.log_in(provider, "admin"))["username"]
    made = await (await limited.post("/bodhi/v1/tokens", json={"name": "a", "scope": "scope_token_user"})).json()
    good = {**ME, "Authorization": f"Bearer {made['token']}", "Cookie": ""}

    async def ask(headers):
        return (await limited.get("/bodhi/v1/tokens", headers=headers)).status

    accepted = await ask(good)
    for number in range(BURST + 1):
        last = await ask({**ME, "Authorization": f"Bearer a{number}.b.c"})

    assert 429 == last
    assert 429 != accepted == await ask(good)
