"""Logins that return to the requested page; validation: ``tests/server/http/test_return_to.py``."""

import asyncio
import string
import time
from urllib.parse import quote

import pytest
from aiohttp import web
from aiohttp_session import get_session
from yarl import URL

from bodhi.server.login.api import LOGIN
from bodhi.session import SESSIONS

REPORT = "/reports/7?year=2026&q=a%26b"
EVIL = ["//evil.test", "/\\evil.test", "https://evil.test", "/bodhi/v1/user", "/%2Fevil.test", "", "/" + "x" * 2_000]
HTML = {"Accept": "text/html", "Sec-Fetch-Site": "none"}
PROXIED = {"X-Forwarded-Method": "GET", "Accept": "text/html"}


def initiate(*pages):
    """Return the API URL for logins with these return targets."""
    return URL("/bodhi/v1/auth/initiate").with_query([("return_to", page) for page in pages])


def url_of(browser, page):
    """Return the URL of *page* where the browser is."""
    return str(browser.make_url("/")).removesuffix("/") + page


async def location_of(response):
    """Return the location in an API response."""
    return (await response.json())["location"]


async def logged_in(browser, provider, start):
    """Complete a login started at *start*; return the response."""
    begun = await browser.post(start)
    assert 201 == begun.status
    return await browser.finish(await provider.log_in_url(await location_of(begun)))


async def test_login_redirects_to_the_requested_page(browser, provider):
    """Of this site, whatever the browser's address of it."""
    response = await logged_in(browser, provider, initiate(REPORT))

    assert (200, url_of(browser, REPORT)) == (response.status, await location_of(response))


async def test_invalid_return_target_redirects_home(browser, provider):
    """As if nothing had been asked for, before the login and after it."""
    response = await logged_in(browser, provider, initiate("//evil.test"))

    assert url_of(browser, "/ui/chat") == await location_of(response)
    for page in EVIL:
        assert url_of(browser, "/ui/chat") == await location_of(await browser.post(initiate(page)))


async def test_logged_in_user_is_redirected_at_once(browser, provider):
    """At once."""
    await browser.log_in(provider)

    response = await browser.post(initiate(REPORT))

    assert (200, url_of(browser, REPORT)) == (response.status, await location_of(response))


async def test_each_login_leads_to_its_own_page(browser, provider):
    """Two tabs, in either order: what belongs to a state stays with it."""
    begun = [await location_of(await browser.post(initiate(page))) for page in ("/a", "/b")]
    answers = [await provider.log_in_url(url) for url in begun]

    locations = [await location_of(await browser.finish(answer)) for answer in reversed(answers)]

    assert ["/b", "/a"] == [URL(location).path for location in locations]


async def test_several_return_targets_are_ignored(browser):
    """A name that comes twice is refused."""
    assert 400 == (await browser.post(initiate("/a", "/b"))).status


async def test_login_page_keeps_the_return_target(browser, provider):
    """In its form, so that it works without a script; the provider never sees it."""
    url = URL("/ui/login").with_query(return_to=REPORT)
    text = await (await browser.get(url, headers=HTML)).text()
    assert 'action="/ui/login?return_to=/reports/7?year=2026%26q=a%2526b"' in text

    begun = await browser.post(url, allow_redirects=False)
    assert "reports" not in begun.headers["Location"]
    answer = URL(await provider.log_in_url(begun.headers["Location"]))
    done = await browser.post("/ui/auth/callback", data=dict(answer.query), allow_redirects=False)

    assert (303, url_of(browser, REPORT)) == (done.status, done.headers["Location"])


async def test_login_page_ignores_foreign_return_targets(browser, provider):
    """Neither its text nor its redirects."""
    urls = [URL("/ui/login").with_query(return_to=page) for page in EVIL]
    for url in urls:
        assert 'action="/ui/login"' in await (await browser.get(url, headers=HTML)).text()
    await browser.log_in(provider)

    for url in urls:
        shown = await browser.get(url, headers=HTML, allow_redirects=False)
        pressed = await browser.post(url, allow_redirects=False)
        assert (200, 303, "/ui/chat") == (shown.status, pressed.status, pressed.headers["Location"])
        assert "evil" not in await shown.text()


async def test_login_page_redirects_logged_in_users(browser, provider):
    """Others see it, and so do those whose request is none for a page: the way could lead back here, without an end."""
    url = URL("/ui/login").with_query(return_to=REPORT)
    assert 200 == (await browser.get(url, headers=HTML, allow_redirects=False)).status
    await browser.log_in(provider)

    passed = await browser.get(url, headers=HTML, allow_redirects=False)
    assert (303, REPORT, "no-store") == (passed.status, passed.headers["Location"], passed.headers["Cache-Control"])

    shown = await browser.get(url, headers={**HTML, "Origin": "http://evil.test"}, allow_redirects=False)
    assert 200 == shown.status
    assert f'href="{REPORT.replace("&", "&amp;")}">Continue</a>' in await shown.text()


async def test_cross_site_link_is_bounced_once(browser, provider):
    """Without the cookie nobody knows them; the second time they come from here."""
    await browser.log_in(provider)
    headers = {**HTML, "Sec-Fetch-Site": "cross-site"}

    arrived = await browser.get(URL("/ui/login").with_query(return_to=REPORT), headers=headers, allow_redirects=False)
    text = await arrived.text()
    assert (200, True) == (arrived.status, "One moment" in text)
    onward = URL(text.partition("url=")[2].partition('"')[0].replace("&amp;", "&"), encoded=True)
    assert {"return_to": REPORT, "arrived": "1"} == dict(onward.query)

    still = await browser.get(onward, headers=headers, allow_redirects=False)
    assert (200, True) == (still.status, "Sign in to bodhi" in await still.text())
    from_here = await browser.get(onward, headers={**HTML, "Sec-Fetch-Site": "same-origin"}, allow_redirects=False)
    assert (303, REPORT) == (from_here.status, from_here.headers["Location"])


@pytest.mark.parametrize(
    "page", ["/%D9%85%DB%8C%E2%80%8C%D8%B1", "/a%C2%A0b%C2%AD", "/orders#/orders/7", "/\u0b95\u200d?q=\u00e9"]
)
async def test_unusual_page_survives_the_login(browser, provider, page):
    """In the page's form, the answer to it, and for somebody who is logged in already."""
    url = URL("/ui/login").with_query(return_to=page)
    begun = await browser.post(url, allow_redirects=False)
    answer = URL(await provider.log_in_url(begun.headers["Location"]))
    done = await browser.post("/ui/auth/callback", data=dict(answer.query), allow_redirects=False)

    expected = quote(page, safe=string.punctuation)
    assert (303, url_of(browser, expected)) == (done.status, done.headers["Location"])
    passed = await browser.get(url, headers=HTML, allow_redirects=False)
    assert (303, expected) == (passed.status, passed.headers["Location"])


@pytest.mark.parametrize("seconds", [601, 80_000])
@pytest.mark.parametrize("has_session", [False, True])
async def test_expired_login_keeps_its_page(start_server, open_browser, provider, monkeypatch, has_session, seconds):
    """For the next attempt: people leave the provider's page open for hours."""

    async def put(request):
        (await get_session(request))["cart"] = ["tea"]
        return web.Response()

    server = await start_server(web.get("/put", put))
    browser = await open_browser(server)
    if has_session:
        await browser.get("/put")
    url = await provider.log_in_url(await location_of(await browser.post(initiate(REPORT))))
    now_ms = time.time_ns() // 1_000_000
    monkeypatch.setattr(server.app[SESSIONS].get_session_store(), "_clock", lambda: now_ms + seconds * 1000)
    monkeypatch.setattr(server.app[LOGIN].begun, "_clock", lambda: now_ms / 1000 + seconds)

    for _ in range(2):
        error = (await (await browser.finish(url)).json())["error"]
        assert "login_error-session_info_not_found" == error["code"]
        assert REPORT == URL(error["param"]["login"]).query["return_to"]
    response = await browser.finish(await provider.log_in_url(await location_of(await browser.post(initiate(REPORT)))))
    assert url_of(browser, REPORT) == await location_of(response)


async def test_dropped_login_is_replaced_by_the_latest_page(browser, provider):
    """Where more were begun than are kept; and one in which nothing was begun leads home."""
    first = await provider.log_in_url(await location_of(await browser.post(initiate("/first"))))
    for number in range(5):
        await browser.post(initiate(f"/{number}"))

    error = (await (await browser.finish(first)).json())["error"]
    assert ("login_error-state_digest_mismatch", "/ui/login?return_to=/4") == (error["code"], error["param"]["login"])


QUESTIONS = [
    ({"X-Forwarded-Uri": REPORT}, REPORT),
    ({"X-Original-URI": REPORT}, REPORT),
    ({"X-Forwarded-Uri": "/a", "X-Original-URI": "/a"}, "/a"),
    ({"X-Forwarded-Uri": "/a", "X-Original-URI": "/b"}, None),
    ({"X-Forwarded-Uri": "/a", "X-Forwarded-Method": "POST"}, None),  # nobody comes back to that by a link
    ({"X-Forwarded-Uri": "/a", "X-Original-Method": "POST"}, None),
    *(({"X-Forwarded-Uri": page}, None) for page in EVIL),
]


@pytest.mark.parametrize("trusted", ["127.0.0.1/32", "192.0.2.1/32"])
async def test_verify_login_url_contains_the_return_target(start_server, open_browser, trusted):
    """As it says it, and only if it is one that is trusted."""
    browser = await open_browser(await start_server(BODHI_TRUSTED_PROXIES=trusted))

    for headers, page in QUESTIONS:
        response = await browser.get("/bodhi/v1/auth/verify", headers={**PROXIED, **headers}, allow_redirects=False)
        location = URL(response.headers["Location"])
        assert (401, "/ui/login") == (response.status, location.path)
        expected = {"return_to": page} if page and trusted == "127.0.0.1/32" else {}
        assert expected == dict(location.query), headers


async def test_many_logins_at_once_lead_to_their_own_pages(start_server, open_browser, provider):
    """Whichever is stored first, in a session that all of them share."""

    async def put(request):
        (await get_session(request))["cart"] = ["tea"]
        return web.Response()

    browser = await open_browser(await start_server(web.get("/put", put)))
    await browser.get("/put")
    begun = await asyncio.gather(*(browser.post(initiate(f"/{number}")) for number in range(4)))
    answers = [await provider.log_in_url(await location_of(response)) for response in begun]

    ends = [URL(await location_of(await browser.finish(answer))).path for answer in answers]

    assert ["/0", "/1", "/2", "/3"] == ends


@pytest.mark.parametrize("path", ["/ui/login", "/bodhi/v1/auth/initiate"])
async def test_cross_site_login_start_is_refused(browser, path):
    """Nor chooses where it leads: a form there is refused, a link shows the page and stores nothing."""
    url = URL(path).with_query(return_to=REPORT)
    for site in ("cross-site", "same-site", "none"):
        refused = await browser.post(url, headers={"Sec-Fetch-Site": site}, allow_redirects=False)
        assert (403, False) == (refused.status, "Set-Cookie" in refused.headers)
    opened = await browser.get(url, headers={**HTML, "Sec-Fetch-Site": "cross-site"}, allow_redirects=False)
    assert "Set-Cookie" not in opened.headers
    assert browser.session_cookie is None
