"""``POST /bodhi/v1/auth/callback``: the provider's answer."""

import asyncio
import hmac
import time
from urllib.parse import parse_qsl, urlsplit

import pytest
from aiohttp import web
from aiohttp_session import get_session
from yarl import URL

from bodhi.server.access.errors import DatabaseUnavailable
from bodhi.server.login.api import LOGIN
from bodhi.server.login.begun_logins import take_transaction
from bodhi.session import SESSIONS, SessionGone, SessionUnavailable
from bodhi.session.handles import digest_of
from bodhi.session.sql_store.locking import LockedRow
from support.raw_database import RawDatabase

JSON = {"Content-Type": "application/json"}


async def put(request):
    """Gives the browser a session."""
    (await get_session(request))["cart"] = ["tea"]
    return web.Response()


PUT = web.get("/put", put)


def home_of(browser):
    """Return the API's answer to a completed login: the home page, where the browser began."""
    return {"location": str(browser.make_url("/ui/chat"))}


def answer_in(url):
    """Return the parameters of the provider's redirect."""
    return dict(parse_qsl(urlsplit(url).query))


async def start_login(browser, provider, user="user"):
    """Start a login; return the provider's redirect."""
    return answer_in(await provider.log_in_url(await browser.begin(), user=user))


async def code_of(response):
    """Return status and code of an error response."""
    return response.status, (await response.json())["error"]["code"]


async def test_a_login_moves_the_session_to_a_new_id(browser, provider, open_browser, server):
    """The old one, which somebody may have planted, is nobody's any more."""
    answer = await start_login(browser, provider)
    before = browser.session_cookie
    response = await browser.finish(answer)

    assert (200, home_of(browser)) == (response.status, await response.json())
    assert before != browser.session_cookie
    stranger = await open_browser(server)
    old = await stranger.get("/bodhi/v1/user", headers={"Cookie": f"bodhiapp_session_id={before}"})
    assert {"auth_status": "logged_out"} == await old.json()


async def test_login_stores_tokens_and_claims(browser, provider, database_url):
    """One row, the person's; no token and no id in any column."""
    await browser.log_in(provider)

    async with RawDatabase(database_url) as raw:
        users = await raw.rows("SELECT user_id FROM bodhi_session")
    assert [{"user_id": provider.person("user").user_id}] == users


async def test_callback_is_accepted_once(browser, provider):
    """The same again leads home who is logged in by then, and changes nothing."""
    answer = await start_login(browser, provider)
    assert 200 == (await browser.finish(answer)).status
    cookie = browser.session_cookie

    again = await browser.finish(answer)

    assert (200, home_of(browser)) == (again.status, await again.json())
    assert (1, cookie) == (provider.counts["code"], browser.session_cookie)


async def test_of_concurrent_callbacks_one_exchanges_the_code(browser, provider):
    """Whichever comes first; the code is sent to the provider once."""
    answer = await start_login(browser, provider)

    responses = await asyncio.gather(*(browser.finish(answer) for _ in range(10)))

    assert 1 == provider.counts["code"]
    assert [200] + [400] * 9 == sorted(response.status for response in responses)


async def test_a_failed_exchange_is_not_tried_again(browser, provider):
    """One attempt for each state, even where the provider had a bad moment."""
    answer = await start_login(browser, provider)
    provider.fail("code", status=503)

    assert (503, "auth_error-idp_unavailable") == await code_of(await browser.finish(answer))
    assert (400, "login_error-session_info_not_found") == await code_of(await browser.finish(answer))
    assert {"auth_status": "logged_out"} == await browser.user()


async def test_callback_in_another_browser_is_refused(browser, provider, open_browser, server):
    """Neither one without a login of its own, nor one with."""
    answer = await start_login(browser, provider)
    other = await open_browser(server)

    assert (400, "login_error-session_info_not_found") == await code_of(await other.finish(answer))
    await other.begin()
    assert (400, "login_error-state_digest_mismatch") == await code_of(await other.finish(answer))
    assert 200 == (await browser.finish(answer)).status


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"state": None}, "login_error-missing_state"),
        ({"state": ""}, "login_error-state_digest_mismatch"),
        ({"state": "x" * 32}, "login_error-state_digest_mismatch"),
        ({"state": "é"}, "login_error-state_digest_mismatch"),
        ({"code": None}, "login_error-missing_code"),
        ({"code": ""}, "login_error-missing_code"),
        ({"code": "guessed"}, "login_error-o_auth_error"),
        ({"iss": "https://evil.example"}, "login_error-o_auth_error"),
        ({"iss": None}, "login_error-o_auth_error"),
        ({"code": None, "error": "access_denied"}, "login_error-o_auth_error"),
        ({"state": "x" * 32, "error": "access_denied"}, "login_error-o_auth_error"),
        ({"state": None, "error": "<script>\r\nSet-Cookie: a=b"}, "login_error-o_auth_error"),
    ],
)
async def test_invalid_callback_logs_in_no_user(browser, provider, changes, code):
    """Always 400, with a text of our own."""
    answer = await start_login(browser, provider)
    wrong = {name: value for name, value in {**answer, **changes}.items() if value is not None}

    response = await browser.post("/bodhi/v1/auth/callback", json=wrong)

    assert (400, code) == await code_of(response)
    text = await response.text()
    # A well-formed error code of the provider is the only value that is repeated.
    assert not any(value in text for value in wrong.values() if len(value) > 1 and value != "access_denied")
    assert {"auth_status": "logged_out"} == await browser.user()


async def test_error_callback_consumes_only_its_own_login(browser, provider):
    """One with another state, which anybody may send the browser, leaves it."""
    answer = await start_login(browser, provider)
    for state in ("x" * 32, "y" * 32):
        await browser.finish({"error": "access_denied", "state": state})
    assert 200 == (await browser.finish(answer)).status


async def test_an_error_with_the_state_ends_the_login(browser, provider):
    """What comes for it later is nobody's."""
    answer = await start_login(browser, provider)
    await browser.finish({"error": "access_denied", "state": answer["state"]})

    assert (400, "login_error-session_info_not_found") == await code_of(await browser.finish(answer))


@pytest.mark.parametrize(("seconds", "status"), [(590, 200), (601, 400)])
@pytest.mark.parametrize("has_session", [False, True])
async def test_login_expires_after_ten_minutes(
    start_server, open_browser, provider, monkeypatch, has_session, seconds, status
):
    """From its own beginning, also where it was begun in a session that lives on."""

    async def show(request):
        return web.json_response(dict(await get_session(request)).get("cart"))

    server = await start_server(PUT, web.get("/show", show))
    browser = await open_browser(server)
    if has_session:
        await browser.get("/put")
    answer = await start_login(browser, provider)
    now_ms = time.time_ns() // 1_000_000
    monkeypatch.setattr(server.app[SESSIONS].get_session_store(), "_clock", lambda: now_ms + seconds * 1000)
    monkeypatch.setattr(server.app[LOGIN].begun, "_clock", lambda: now_ms / 1000 + seconds)

    response = await browser.finish(answer)

    assert status == response.status, await response.text()
    if status == 400:
        assert "login_error-session_info_not_found" == (await response.json())["error"]["code"]
        assert (["tea"] if has_session else None) == await (await browser.get("/show")).json()


@pytest.mark.parametrize("given", ["b" * 32, "x" * 32, "b" * 31, ""])
def test_states_are_compared_in_constant_time(monkeypatch, given):
    """With each that is open, also after one that is equal: how long it takes says nothing of them."""
    compared = []
    compare_digest = hmac.compare_digest

    def compare(one, other):
        compared.append((one, other))
        return compare_digest(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    transactions = {letter * 32: {"verifier": letter} for letter in "abc"}

    taken = take_transaction(transactions, given)

    assert ({"verifier": "b"} if given == "b" * 32 else None) == taken
    assert [(letter.encode() * 32, given.encode()) for letter in "abc"] == compared


@pytest.mark.parametrize("first", [0, 1])
async def test_two_tabs_both_finish(browser, provider, first):
    """In either order."""
    answers = [await start_login(browser, provider) for _ in range(2)]

    one = await browser.finish(answers[first])
    other = await browser.finish(answers[1 - first])

    assert (200, 200) == (one.status, other.status)
    assert "user" == (await browser.user())["username"]


async def test_five_logins_are_open_at_most(browser, provider):
    """The oldest make place."""
    answers = [await start_login(browser, provider) for _ in range(7)]

    statuses = [(await browser.finish(answer)).status for answer in answers]

    assert [400, 400, 200, 200, 200, 200, 200] == statuses


async def test_unknown_callback_parameters_are_ignored(browser, provider):
    """Providers add their own, such as ``session_state``."""
    answer = await start_login(browser, provider)

    assert 200 == (await browser.finish({**answer, "session_state": "abc", "foo": "bar"})).status


@pytest.mark.parametrize(
    "body",
    [
        b'{"state": "\xff", "code": "c"}',
        b'{"state": "s", "code": "c", "session_state": "\xed\xa0\x80"}',
        b'{"state": "s", "code": "c", "scope": "\xe9t\xe9"}',
        b'{"state": "s", "code": "c", "\xc3": 1}',
        b'{"state": "s", "code": "c", "other": {"a": ["\xf8\x88\x80\x80\x80"]}}',
        '{"state": "s", "code": "c"}'.encode("utf-16"),
    ],
)
async def test_a_body_that_is_not_utf_8_is_malformed(browser, body):
    """Also where no member that is read has the bytes."""
    await browser.begin()
    response = await browser.post("/bodhi/v1/auth/callback", data=body, headers={"Content-Type": "application/json"})

    assert (400, "json_rejection_error") == await code_of(response)


@pytest.mark.parametrize("body", ["", "[]", "null", "{", '"code"', '{"code": 7}', '{"state": ["a"]}', "\xff"])
async def test_malformed_callback_body_is_refused(browser, body):
    """The one 400 of all malformed bodies."""
    response = await browser.post("/bodhi/v1/auth/callback", data=body, headers=JSON)

    assert (400, "json_rejection_error") == await code_of(response)


@pytest.mark.parametrize("path", ["/bodhi/v1/auth/callback", "/ui/auth/callback"])
@pytest.mark.parametrize("error", [False, True], ids=["a code", "an error"])
async def test_completed_login_ends_all_pending_ones(browser, provider, path, error):
    """What somebody planted before does not swap who is logged in: its answer leads home, as they are."""
    planted = await start_login(browser, provider, "power")
    await browser.begin()
    await browser.log_in(provider, "user")
    cookie = browser.session_cookie
    if error:
        planted = {"state": planted["state"], "error": "access_denied"}

    if path.startswith("/ui"):
        fields = {name: value for name, value in planted.items() if name != "session_state"}
        response = await browser.post(path, data=fields, allow_redirects=False)
        assert (303, home_of(browser)["location"]) == (response.status, response.headers["Location"])
    else:
        response = await browser.finish(planted)
        assert (200, home_of(browser)) == (response.status, await response.json())
    assert ("user", cookie, 1) == ((await browser.user())["username"], browser.session_cookie, provider.counts["code"])


@pytest.mark.parametrize(
    "query",
    [{}, {"code": "c"}, {"code": "c", "state": "s" * 32}, {"error": "access_denied"}, {"state": "", "code": "c"}],
)
@pytest.mark.parametrize("is_provider_away", [False, True])
async def test_stale_callback_leads_a_logged_in_user_home(browser, provider, server, query, is_provider_away):
    """Reloaded, bookmarked, or of another browser; also while the provider cannot renew the login."""
    await browser.log_in(provider)
    if is_provider_away:
        expired = provider.issue_access_token("user", expires_in=-5)
        digest = digest_of(browser.session_cookie)
        await server.app[SESSIONS].atomically(digest, lambda data, _: data.update(access_token=expired))
        provider.fail("refresh", status=503, times=None)

    answered = await browser.finish(query)
    assert (200, home_of(browser)) == (answered.status, await answered.json())
    if "state" in query or "error" in query:
        if query.get("state") != "":
            posted = await browser.post("/ui/auth/callback", data=query, allow_redirects=False)
            assert (303, home_of(browser)["location"]) == (posted.status, posted.headers["Location"])
    elif not is_provider_away:
        opened = await browser.get(URL("/ui/auth/callback").with_query(query), allow_redirects=False)
        assert (303, "/ui/chat") == (opened.status, opened.headers["Location"])


@pytest.fixture
def begin_logged_in(browser, server, provider):
    """Logs somebody in, and begins another login in their session, while the provider could not say who they are."""

    async def begin(user):
        await browser.log_in(provider, user)
        expired = provider.issue_access_token(user, expires_in=-5)
        digest = digest_of(browser.session_cookie)
        await server.app[SESSIONS].atomically(digest, lambda data, _: data.update(access_token=expired))
        provider.fail("refresh", status=503, times=None)
        begun = await browser.begin()
        provider.heal()
        return begun

    return begin


@pytest.mark.parametrize("path", ["/bodhi/v1/auth/callback", "/ui/auth/callback"])
async def test_callback_does_not_replace_another_users_session(browser, provider, begin_logged_in, path):
    """They are told who is logged in, and log out first; the session stays as it is."""
    answer = answer_in(await provider.log_in_url(await begin_logged_in("user"), user="power"))

    if path.startswith("/ui"):
        fields = {name: value for name, value in answer.items() if name != "session_state"}
        response = await browser.post(path, data=fields)
        assert (200, "/ui/login") == (response.status, response.url.path)
        text = await response.text()
        assert "Your account is <strong>user</strong>. To use another account, sign out first." in text
    else:
        assert (409, "login_error-other_user") == await code_of(await browser.finish(answer))

    assert "user" == (await browser.user())["username"]
    await browser.post("/bodhi/v1/logout")
    assert "power" == (await browser.log_in(provider, "power"))["username"]


async def test_logged_in_user_may_log_in_again(browser, provider, begin_logged_in):
    """Under a new id."""
    answer = answer_in(await provider.log_in_url(await begin_logged_in("user"), user="user"))
    cookie = browser.session_cookie

    assert (200, home_of(browser)) == ((response := await browser.finish(answer)).status, await response.json())
    assert "user" == (await browser.user())["username"]
    assert cookie != browser.session_cookie


async def test_login_started_during_another_ends_with_it(browser, provider, server, monkeypatch):
    """Though another request stored it after the answer was taken."""
    answer = await start_login(browser, provider)
    logins, genuine = server.app[LOGIN].logins, server.app[LOGIN].logins.complete
    late = []

    async def beside(*args):
        late.append(await browser.begin())
        return await genuine(*args)

    monkeypatch.setattr(logins, "complete", beside)
    assert 200 == (await browser.finish(answer)).status
    assert "user" == (await browser.user())["username"]
    data = (await server.app[SESSIONS].load(browser.session_cookie)).data
    assert "logins" not in data

    response = await browser.finish(await provider.log_in_url(late[0], user="power"))
    assert (200, home_of(browser)) == (response.status, await response.json())
    assert "user" == (await browser.user())["username"]


async def test_login_keeps_nothing_of_the_previous_user(browser, provider):
    """The second person on the same machine, after the first has logged out."""
    await browser.log_in(provider, "user")
    await browser.post("/bodhi/v1/logout")

    await browser.log_in(provider, "power")
    told = await browser.user()
    assert ("power", provider.person("power").user_id) == (told["username"], told["user_id"])


@pytest.mark.parametrize("has_session", [False, True])
async def test_a_login_whose_session_cannot_be_stored_fails(
    start_server, open_browser, provider, monkeypatch, database_url, has_session
):
    """Fails closed: nobody is logged in, under the old id or a new one."""
    server = await start_server(PUT)
    browser = await open_browser(server)
    if has_session:
        await browser.get("/put")
    answer = await start_login(browser, provider)

    async def fail(*_, **__):
        raise SessionUnavailable

    with monkeypatch.context() as broken:
        broken.setattr(LockedRow, "rotate", fail)
        broken.setattr(server.app[SESSIONS].get_session_store(), "create", fail)
        response = await browser.finish(answer)

    assert (503, "auth_error-session_store") == await code_of(response)
    assert {"auth_status": "logged_out"} == await browser.user()
    async with RawDatabase(database_url) as raw:
        assert [] == await raw.rows("SELECT 1 FROM bodhi_session WHERE user_id IS NOT NULL")


async def test_login_fails_if_its_provider_session_cannot_be_stored(
    browser, provider, server, monkeypatch, database_url
):
    """What back-channel logout needs is stored, or nobody is logged in."""
    answer = await start_login(browser, provider)

    async def fail(*_, **__):
        raise DatabaseUnavailable

    with monkeypatch.context() as broken:
        broken.setattr(server.app[LOGIN].provider_sessions, "remember", fail)
        response = await browser.finish(answer)

    assert (503, "auth_error-database_unavailable") == await code_of(response)
    async with RawDatabase(database_url) as raw:
        assert [] == await raw.rows("SELECT 1 FROM bodhi_session WHERE user_id IS NOT NULL")


async def test_login_cookie_is_secure_under_https(start_server, open_browser, provider):
    """Prefixed and Secure, without Domain: that of the begun login for a day, the session's without Max-Age."""
    server = await start_server(
        BODHI_PUBLIC_SCHEME="https", BODHI_PUBLIC_HOST="127.0.0.1", BODHI_CANONICAL_REDIRECT="no"
    )
    browser = await open_browser(server)

    response = await browser.post("/bodhi/v1/auth/initiate")
    begun, *attributes = response.headers["Set-Cookie"].split("; ")
    answer = answer_in(await provider.log_in_url((await response.json())["location"], user="user"))
    finished = await browser.post("/bodhi/v1/auth/callback", json=answer, headers={"Cookie": begun})

    assert begun.startswith("__Host-bodhi_login=")
    assert ["Max-Age=86400", "Path=/", "HttpOnly", "SameSite=Strict", "Secure"] == [attributes[0], *attributes[2:]]
    cookie, marker, removal = finished.headers.getall("Set-Cookie")
    assert "__Host-bodhiapp_session_id_exists=1; Path=/; HttpOnly; SameSite=None; Secure" == marker
    assert removal.startswith('__Host-bodhi_login=""; Max-Age=0; ')
    assert removal.endswith("; Path=/; HttpOnly; SameSite=Strict; Secure")
    name, _, attributes = cookie.partition("=")
    assert ("__Host-bodhiapp_session_id", "; Path=/; HttpOnly; SameSite=Strict; Secure") == (name, attributes[43:])


@pytest.mark.parametrize("path", ["/bodhi/v1/auth/callback", "/ui/auth/callback"])
async def test_callback_reports_a_session_rotated_meanwhile(start_server, open_browser, provider, monkeypatch, path):
    """A program is told; a page leads to the start, which shows whoever that tab has logged in."""
    browser = await open_browser(await start_server(PUT))
    await browser.get("/put")
    answer = await start_login(browser, provider)

    async def moved(*_, **__):
        raise SessionGone

    monkeypatch.setattr(LockedRow, "rotate", moved)
    if path.startswith("/ui"):
        response = await browser.post(path, data=answer, allow_redirects=False)
        assert (303, "/ui/chat") == (response.status, response.headers["Location"])
    else:
        assert (401, "auth_error-session_gone") == await code_of(await browser.finish(answer))
