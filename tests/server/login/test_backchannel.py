"""``POST /bodhi/v1/auth/backchannel-logout``: the provider ends sessions."""

import base64
import json
import secrets

import pytest

from bodhi.server.login.api import LOGIN
from bodhi.session import SESSIONS, SessionUnavailable
from bodhi.session.handles import digest_of, handle_of

PATH = "/bodhi/v1/auth/backchannel-logout"
EVENT = "http://schemas.openid.net/event/backchannel-logout"


@pytest.fixture
def logout_token(provider):
    """Creates logout tokens, valid by default."""

    def make(**changes):
        now = int(provider.realm.now())
        payload = {
            "iss": provider.issuer,
            "aud": provider.client_id,
            "iat": now,
            "exp": now + 120,
            "jti": secrets.token_hex(8),
            "sub": provider.person("user").user_id,
            "events": {EVENT: {}},
            **changes,
        }
        return provider.sign({name: value for name, value in payload.items() if value is not None})

    return make


def claims_of(token):
    """Return the claims of a JWT."""
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


async def post(client, token):
    """Post a logout token; return status and code."""
    response = await client.session.post(client.make_url(PATH), data={"logout_token": token})
    return response.status, (await response.json())["error"]["code"] if response.status >= 400 else None


async def sid_of(server, browser):
    """Return the provider session id of the browser's login."""
    return (await server.app[SESSIONS].load(browser.session_cookie)).data["id_claims"]["sid"]


async def test_logout_token_with_a_subject_ends_all_sessions_of_the_user(
    browser, server, provider, open_browser, logout_token
):
    """And nobody else's."""
    other_device, somebody_else = await open_browser(server), await open_browser(server)
    for one, user in ((browser, "user"), (other_device, "user"), (somebody_else, "admin")):
        await one.log_in(provider, user)

    assert (200, None) == await post(browser, logout_token())

    assert {"auth_status": "logged_out"} == await browser.user() == await other_device.user()
    assert "admin" == (await somebody_else.user())["username"]


async def test_logout_token_with_a_sid_ends_that_session(browser, server, provider, open_browser, logout_token):
    """With or without the subject beside it."""
    other_device = await open_browser(server)
    for one in (browser, other_device):
        await one.log_in(provider)
    sid = await sid_of(server, browser)

    assert (200, None) == await post(browser, logout_token(sid=sid, sub=None))

    assert {"auth_status": "logged_out"} == await browser.user()
    assert "user" == (await other_device.user())["username"]


@pytest.fixture
def without_sid(provider):
    """Lets the provider leave the session's id out of ID tokens."""

    def leave_out(body):
        body["id_token"] = provider.sign(
            {name: value for name, value in claims_of(body["id_token"]).items() if name != "sid"}
        )

    return lambda: provider.alter("code", leave_out)


@pytest.mark.parametrize("sid", ["unknown", "", "none of somebody"])
async def test_unknown_sid_beside_a_subject_ends_no_session_of_another_sid(
    browser, server, provider, open_browser, logout_token, without_sid, sid
):
    """It is about a session that is not here; one that has no sid may be it, and ends."""
    unknown, somebody_else = await open_browser(server), await open_browser(server)
    await browser.log_in(provider)
    for one, user in ((unknown, "user"), (somebody_else, "admin")):
        without_sid()
        await one.log_in(provider, user)

    assert (200, None) == await post(browser, logout_token(sid=sid or "x" * 300))

    assert {"auth_status": "logged_out"} == await unknown.user()
    assert ["user", "admin"] == [(await one.user())["username"] for one in (browser, somebody_else)]


@pytest.mark.parametrize("has_subject", [True, False])
async def test_known_sid_ends_its_session_and_those_without_one(
    browser, server, provider, open_browser, logout_token, without_sid, has_subject
):
    """With and without the subject beside it."""
    other_device, unknown = await open_browser(server), await open_browser(server)
    for one in (browser, other_device):
        await one.log_in(provider)
    without_sid()
    await unknown.log_in(provider)
    changes = {} if has_subject else {"sub": None}

    assert (200, None) == await post(browser, logout_token(sid=await sid_of(server, browser), **changes))

    assert {"auth_status": "logged_out"} == await browser.user() == await unknown.user()
    assert "user" == (await other_device.user())["username"]


async def test_sid_of_another_user_ends_none_of_the_subjects(browser, server, provider, open_browser, logout_token):
    """Each session is its own user's."""
    admin = await open_browser(server)
    await browser.log_in(provider)
    await admin.log_in(provider, "admin")

    assert (200, None) == await post(browser, logout_token(sid=await sid_of(server, admin)))

    assert "user" == (await browser.user())["username"]
    assert {"auth_status": "logged_out"} == await admin.user()


async def test_logout_token_after_a_local_logout_ends_nothing_else(
    browser, server, provider, open_browser, logout_token
):
    """A logout here goes on at the provider, which then sends a token for the session that is over already."""
    other_device = await open_browser(server)
    for one in (browser, other_device):
        await one.log_in(provider)
    sid = await sid_of(server, browser)
    await browser.post("/bodhi/v1/logout")

    assert (200, None) == await post(browser, logout_token(sid=sid))
    assert "user" == (await other_device.user())["username"]


async def test_a_backchannel_logout_holds_on_every_node(start_server, open_browser, provider, logout_token):
    """The next request of another node finds the session gone."""
    one, other = [await start_server() for _ in range(2)]
    browser, provider_side = await open_browser(one), await open_browser(other)
    await browser.log_in(provider)

    assert (200, None) == await post(provider_side, logout_token())
    assert {"auth_status": "logged_out"} == await browser.user()


async def test_backchannel_logout_token_is_accepted_once(browser, provider, logout_token):
    """A copy of it does not end what was begun since."""
    token = logout_token()
    await browser.log_in(provider)
    assert (200, None) == await post(browser, token)
    await browser.log_in(provider)

    assert (400, "auth_error-invalid_logout_token") == await post(browser, token)
    assert "user" == (await browser.user())["username"]


@pytest.mark.parametrize("length", [2_000, 2_001, 10_000])
async def test_ids_of_any_length_are_found_again(browser, provider, logout_token, length):
    """PostgreSQL limits what an index holds, after compression: the text is random."""
    sid, jti = (secrets.token_hex(length)[:length] for _ in range(2))
    provider.shape.id_token_claims = {"sid": sid}
    await browser.log_in(provider)
    assert (200, None) == await post(browser, logout_token(sid=f"{sid[:-1]}x", sub=None))
    assert "user" == (await browser.user())["username"]

    token = logout_token(sid=sid, sub=None, jti=jti)

    assert (200, None) == await post(browser, token)
    assert {"auth_status": "logged_out"} == await browser.user()
    assert (400, "auth_error-invalid_logout_token") == await post(browser, token)


async def test_failed_backchannel_logout_can_be_repeated(browser, provider, server, monkeypatch, logout_token):
    """The same token is good until it was heeded."""
    token = logout_token()
    await browser.log_in(provider)
    with monkeypatch.context() as broken:

        async def fail(*_, **__):
            raise SessionUnavailable

        broken.setattr(server.app[SESSIONS].get_session_store(), "clear_user", fail)
        assert (503, "auth_error-session_store") == await post(browser, token)
    assert "user" == (await browser.user())["username"]

    assert (200, None) == await post(browser, token)
    assert {"auth_status": "logged_out"} == await browser.user()


async def test_backchannel_logout_in_an_outage_can_be_repeated(server, browser, provider, logout_token):
    """Without the provider's keys the token can be neither accepted nor refused."""
    provider.fail("certs", status=503)
    token = logout_token()

    assert (503, "auth_error-idp_unavailable") == await post(browser, token)
    server.app[LOGIN].provider._keys._min_interval_seconds = 0

    assert (200, None) == await post(browser, token)


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"},
        {"aud": "somebody-else"},
        {"events": None},
        {"events": {"something": {}}},
        {"events": "logout"},
        {"nonce": "n"},
        {"sub": None},
        {"jti": None},
        {"iat": None},
        {"exp": 1_000_000},
    ],
    ids=str,
)
async def test_a_wrong_token_ends_nothing(browser, provider, logout_token, changes):
    """400, as the specification of back-channel logout says."""
    await browser.log_in(provider)

    assert (400, "auth_error-invalid_logout_token") == await post(browser, logout_token(**changes))
    assert "user" == (await browser.user())["username"]


async def test_a_foreign_signature_ends_nothing(browser, provider, logout_token):
    """A token from somebody else, or none at all."""
    await browser.log_in(provider)
    head, payload, _ = logout_token().split(".")

    for token in (f"{head}.{payload}.{'A' * 342}", f"{head}.{payload}.", "nonsense"):
        assert (400, "auth_error-invalid_logout_token") == await post(browser, token)
    assert (400, "json_rejection_error") == await post(browser, ["a", "b"])
    response = await browser.session.post(browser.make_url(PATH), json={"logout_token": "x"})
    assert 400 == response.status
    assert "user" == (await browser.user())["username"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/x-www-form-urlencoded; charset=punycode"},
        {"Content-Type": "application/x-www-form-urlencoded; charset=nonsense"},
        {"Content-Type": "application/x-www-form-urlencoded", "Content-Encoding": "gzip"},
    ],
    ids=["a codec that is slow", "none", "not packed"],
)
async def test_a_form_is_utf_8(browser, headers):
    """Other codecs are not even tried: of some, anybody could make a megabyte that takes half a minute to decode."""
    # With each of them ignored or undone, it would be a form with a wrong token.
    response = await browser.session.post(browser.make_url(PATH), data=b"logout_token=x-", headers=headers)

    assert (400, "json_rejection_error") == (response.status, (await response.json())["error"]["code"])


async def test_a_form_may_say_that_it_is_utf_8(browser, logout_token):
    """In any case of letters."""
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}

    response = await browser.session.post(
        browser.make_url(PATH), data=f"logout_token={logout_token()}", headers=headers
    )

    assert 200 == response.status


async def test_an_access_token_is_no_logout_token(browser, provider):
    """Though the same key signed it."""
    await browser.log_in(provider)

    assert (400, "auth_error-invalid_logout_token") == await post(browser, provider.issue_access_token("user"))


@pytest.mark.parametrize("named_by", ["subject", "session"])
async def test_backchannel_logout_is_logged_once(
    named_by, browser, server, provider, open_browser, logout_token, caplog
):
    """Whose sessions, how many, and by whom: in one record."""
    other_device = await open_browser(server)
    for one in (browser, other_device):
        await one.log_in(provider)
    sid = None
    if named_by == "session":  # both devices are in one of the provider's, as two tabs of a browser may be
        sid = await sid_of(server, browser)
        other = handle_of(digest_of(other_device.session_cookie))
        known = server.app[LOGIN].provider_sessions
        await known.remember(sid, other, provider.person("user").user_id, lifetime_seconds=60)
    caplog.set_level("INFO")
    caplog.clear()

    assert (200, None) == await post(browser, logout_token(sid=sid))

    told = [record.fields for record in caplog.records if "ended" in getattr(record, "fields", {})]
    whose = provider.person("user").user_id
    facts = {"reason": "backchannel_logout", "ended": 2, "user_id": whose, "by": "the identity provider"}
    assert [{"event": "sessions_ended", **facts}] == told
