from uuid import uuid4

import pytest
from yarl import URL

from bodhi.server.apps.service import APP_ACCESS_REQUESTS
from server.pages.browser import HTML

REVIEW = "/ui/apps/access-requests/review"
APP = "calendar"
BACK = "https://calendar.example.org/done?a=1"
WISH = {"notes": [{"id": "</pre><script>alert(1)</script>"}]}
HOSTILE = "<img src=x onerror=alert(1)>\"'"


@pytest.fixture
def create_request(server, provider):
    """Create a request as an application; return its id."""
    provider.add_client(APP, name="Team calendar", description="Shows who is where.")

    async def create_request(flow_type="redirect", **changes):
        asked = {"flow_type": flow_type, "redirect_url": BACK, "requested": WISH, "source": "test", **changes}
        return (await server.app[APP_ACCESS_REQUESTS].create(APP, **asked)).id

    return create_request


async def status_of(browser, request_id):
    """Return the status of the request, as polled by the application."""
    query = {"app_client_id": APP}
    async with browser.client.get(f"/bodhi/v1/apps/access-requests/{request_id}", params=query) as response:
        assert 200 == response.status
        return (await response.json())["status"]


async def test_review_shows_application_and_requested_access(browser, provider, create_request):
    """Names are text, the wish is readable, and the host to which one goes back is named."""
    await browser.log_in(provider)
    browser.form_targets.append("https://calendar.example.org")

    await browser.open(f"{REVIEW}?id={await create_request()}")

    assert 200 == browser.status
    assert "Team calendar requests access" == browser.page.one("h1").text
    names = [term.text for term in browser.page.all("dt")]
    values = dict(zip(names, [value.text for value in browser.page.all("dd")], strict=True))
    expected = {
        "Application": "Team calendar",
        "Description": "Shows who is where.",
        "Client ID": APP,
        "Your account": "user",
        "After your decision": "You return to calendar.example.org",
    }
    assert expected == values
    assert WISH["notes"][0]["id"] in browser.page.one("pre").text
    assert "'self'" in browser.headers["Content-Security-Policy"]


@pytest.mark.parametrize(("button", "status"), [("Approve", "approved"), ("Deny", "denied")])
async def test_decision_redirects_to_the_application(browser, provider, create_request, button, status):
    """With the id of the request at the end of the address."""
    await browser.log_in(provider)
    request_id = await create_request()
    browser.form_targets.append("https://calendar.example.org")
    await browser.open(f"{REVIEW}?id={request_id}")

    await browser.press(button)

    assert f"{BACK}&id={request_id}" == browser.left_for
    assert status == await status_of(browser, request_id)


@pytest.mark.parametrize(("button", "title"), [("Approve", "Access approved"), ("Deny", "Access denied")])
async def test_decision_in_a_popup_stays_there(browser, provider, create_request, button, title):
    """The person may close it."""
    await browser.log_in(provider)
    await browser.open(f"{REVIEW}?id={await create_request('popup', redirect_url=None)}")
    assert "You can close this window" in browser.page.one("main").text

    await browser.press(button)

    assert (REVIEW, title) == (browser.path, browser.page.one("h1").text)
    assert "You can close this window." in browser.page.one("main").text
    assert ["Sign out"] == [one.text for one in browser.page.all("button")]


async def test_approval_contains_the_requested_access(server, browser, provider, create_request):
    """Nothing less, as the page says."""
    await browser.log_in(provider)
    request_id = await create_request("popup", redirect_url=None)
    await browser.open(f"{REVIEW}?id={request_id}")

    await browser.press("Approve")

    request = await server.app[APP_ACCESS_REQUESTS].by_id(request_id)
    assert (request.requested, provider.person("user").user_id) == (request.approved, request.user_id)


async def test_second_decision_shows_an_error(browser, provider, create_request):
    """The first one stands."""
    await browser.log_in(provider)
    request_id = await create_request("popup", redirect_url=None)
    await browser.open(f"{REVIEW}?id={request_id}")
    other_tab = browser.page
    await browser.press("Deny")

    browser.page = other_tab
    await browser.press("Approve")

    assert (409, "Already decided") == (browser.status, browser.page.one("h1").text)
    assert "denied" == await status_of(browser, request_id)


async def test_anonymous_reviewer_returns_after_the_login(browser, provider, create_request):
    """From the application, over the login, to the decision."""
    request_id = await create_request("popup", redirect_url=None)

    await browser.open(f"{REVIEW}?id={request_id}", site="cross-site")
    assert "One moment" == browser.page.one("h1").text
    await browser.follow("Continue")
    assert "/ui/login" == browser.path
    assert "After that, you can review the application" in browser.page.one("main").text
    await browser.press("Sign in")
    answer = URL(await provider.log_in_url(browser.left_for, "user"))
    await browser.open(answer.path_qs, site="cross-site")
    await browser.press("Continue")

    assert (REVIEW, "Team calendar requests access") == (browser.path, browser.page.one("h1").text)
    await browser.open("/ui/chat")
    assert "/ui/chat" == browser.path  # once


COOP = "Cross-Origin-Opener-Policy"


async def test_popup_keeps_its_opener(browser, provider, create_request):
    """On the whole way, the login as well: with another policy its handle would say that the window is closed."""
    request_id = await create_request("popup", redirect_url=None)
    policies = []
    answer = browser.client.request

    def noting(*arguments, **options):
        return _Noting(answer(*arguments, **options), policies)

    browser.client.request = noting
    await browser.open(f"{REVIEW}?id={request_id}", site="cross-site")
    await browser.follow("Continue")
    await browser.press("Sign in")
    await browser.open(URL(await provider.log_in_url(browser.left_for, "user")).path_qs, site="cross-site")
    await browser.press("Continue")
    await browser.press("Approve")

    assert "Access approved" == browser.page.one("h1").text
    assert {"unsafe-none"} == set(policies)
    assert 10 == len(policies)


async def test_other_pages_drop_their_opener(browser, provider, create_request):
    """Nor does the same page, where the application's own window leads here."""
    await browser.open("/ui/login")
    assert "same-origin" == browser.headers[COOP]
    await browser.log_in(provider)
    assert "same-origin" == browser.headers[COOP]
    browser.form_targets.append("https://calendar.example.org")
    await browser.open(f"{REVIEW}?id={await create_request()}")
    assert "same-origin" == browser.headers[COOP]


class _Noting:
    """A request that records the policy of its response."""

    def __init__(self, request, policies):
        self.request, self.policies = request, policies

    async def __aenter__(self):
        response = await self.request.__aenter__()
        self.policies.append(response.headers[COOP])
        return response

    async def __aexit__(self, *error):
        await self.request.__aexit__(*error)


async def test_resume_cookie_is_same_site(client):
    """It holds the id, for as long as the request lives."""
    request_id = str(uuid4())

    response = await client.get(REVIEW, params={"id": request_id}, headers=HTML, allow_redirects=False)

    assert (303, "/ui/login") == (response.status, response.headers["Location"])
    cookie = response.cookies["bodhi_review"]
    expected = {"max-age": "600", "path": "/", "httponly": True, "samesite": "Strict", "secure": ""}
    assert expected == {name: cookie[name] for name in expected}
    assert request_id == cookie.value


async def test_resume_cookie_cannot_be_planted_under_https(serve, new_browser):
    """No other host of the domain can set a __Host- cookie."""
    server = await serve(BODHI_PUBLIC_SCHEME="https", BODHI_PUBLIC_HOST="example.org", BODHI_CANONICAL_REDIRECT="false")
    client = (await new_browser(server)).client

    response = await client.get(REVIEW, params={"id": str(uuid4())}, headers=HTML, allow_redirects=False)

    assert response.cookies["__Host-bodhi_review"]["secure"]


@pytest.mark.parametrize("value", ["https://evil.example", "//evil.example", "x", "../../bodhi/v1/logout", '"<script>'])
async def test_malformed_resume_cookie_is_ignored(browser, provider, value):
    """An id, or nothing."""
    await browser.log_in(provider)

    await browser.open("/ui/chat", Cookie=f"bodhi_review={value}; {_session_cookie(browser)}")

    assert ("/ui/chat", "Hello, Uma") == (browser.path, browser.page.one("h1").text)


async def test_reviewer_without_a_role_gets_instructions(browser, provider, create_request):
    """An application cannot act for somebody who may do nothing."""
    await browser.log_in(provider, "nobody")
    request_id = await create_request()

    await browser.open(f"{REVIEW}?id={request_id}")
    assert (403, "Role required") == (browser.status, browser.page.one("h1").text)

    headers = {**HTML, "Sec-Fetch-Site": "same-origin"}
    response = await browser.client.post(f"/ui/apps/access-requests/{request_id}/approve", headers=headers)
    assert 401 == response.status
    assert "draft" == await status_of(browser, request_id)


async def test_unknown_request_is_a_404_page(browser, provider):
    """A page says so, and repeats nothing."""
    await browser.log_in(provider)
    for query, status in ((f"id={uuid4()}", 404), ("id=x", 400), ("", 400), ("id=%3Cscript%3E", 400)):
        await browser.open(f"{REVIEW}?{query}")

        assert status == browser.status
        assert "script" not in browser.page.one("main").text


async def test_application_name_is_escaped(browser, provider, create_request):
    """It comes from whoever registered it."""
    provider.add_client(APP, name=HOSTILE, description=HOSTILE)
    await browser.log_in(provider)

    await browser.open(f"{REVIEW}?id={await create_request('popup', redirect_url=None)}")

    assert f"{HOSTILE} requests access" == browser.page.one("h1").text


def _session_cookie(browser):
    (cookie,) = [cookie for cookie in browser.client.session.cookie_jar if cookie.key.endswith("session_id")]
    return f"{cookie.key}={cookie.value}"
