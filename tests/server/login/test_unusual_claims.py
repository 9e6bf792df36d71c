"""Logins with claims of unusual types."""

import base64
import json

import pytest

from bodhi.server.authentication.login_data import DEEPEST
from bodhi.session import SESSIONS
from bodhi.session.handles import digest_of

PROTECTED = "/bodhi/v1/tokens"  # needs a power user

ODD = [
    {"scope": ["openid", "profile"]},
    {"given_name": ["Ann"], "family_name": None},
    {"preferred_username": 4711},
    {"preferred_username": {"value": "power"}},
    {"jti": 17, "iat": "now", "nbf": "never", "azp": ["bodhi"], "iss": 5, "aud": {"bodhi": True}},
    {"email_verified": "true", "email": 5, "groups": {"a": [{}]}},
    {"exp": "1800000000"},
    {"exp": None, "scope": None, "jti": None, "sub": None},
    {"sub": ["power"]},
]


@pytest.fixture
def odd_token(provider):
    """Return an access token of a power user with changed claims."""

    def make(claims, **options):
        return provider.issue_access_token("power", **options, **claims)

    return make


async def log_in(browser, provider):
    """Log in a power user; return the response."""
    return await browser.finish(await provider.log_in_url(await browser.begin(), user="power"))


def replaced(token):
    """Replace the access token in a token response, and unbind the ID token."""

    def change(answer):
        answer["access_token"] = token
        del answer["id_token"]

    return change


@pytest.mark.parametrize("claims", ODD, ids=repr)
async def test_unusual_claims_are_accepted_at_login(browser, provider, odd_token, claims):
    """And are of no hindrance to the next requests, nor to a refresh."""

    def odd(answer):
        answer["access_token"] = odd_token(claims)
        answer["id_token"] = provider.sign({**_claims_in(answer["id_token"]), **_for_id_tokens(claims)})

    provider.alter("code", odd)
    response = await log_in(browser, provider)

    assert 200 == response.status, await response.text()
    for _ in range(2):
        assert 200 == (await browser.get(PROTECTED)).status
        assert provider.person("power").user_id == (await browser.user())["user_id"]


@pytest.mark.parametrize("claims", ODD, ids=repr)
async def test_a_stored_session_with_odd_claims_works(browser, server, provider, odd_token, claims):
    """What an earlier version stored, or a refresh brought."""
    assert 200 == (await log_in(browser, provider)).status
    service = server.app[SESSIONS]
    expired = provider.issue_access_token("power", expires_in=-5)
    await service.atomically(digest_of(browser.session_cookie), lambda data, _: data.update(access_token=expired))
    provider.alter("refresh", replaced(odd_token(claims)))

    assert [200, 200] == [(await browser.get(PROTECTED)).status for _ in range(2)]
    assert 1 == provider.counts["refresh"]


async def test_unambiguous_names_are_read_from_unusual_claims(browser, provider, odd_token):
    """A number as its digits, a list as its names."""
    assert 200 == (await log_in(browser, provider)).status
    token = odd_token({"preferred_username": 4711, "given_name": ["Ann"], "family_name": ["von", "Hof"]})
    await browser.server.app[SESSIONS].atomically(
        digest_of(browser.session_cookie), lambda data, _: data.update(access_token=token)
    )

    user = await browser.user()

    assert ("4711", "Ann", "von Hof") == (user["username"], user["first_name"], user["last_name"])


def nested(levels, inner="x"):
    """Return lists within lists."""
    for _ in range(levels):
        inner = [inner]
    return inner


@pytest.mark.parametrize("where", ["id_token_claims", "access_token_claims", "userinfo_claims"])
@pytest.mark.parametrize("claim", [nested(900), {"a": nested(250)}, [{"b": {"c": nested(DEEPEST)}}]], ids=len)
async def test_deeply_nested_claims_are_left_out(start_server, open_browser, provider, claim, where):
    """A session stores fewer levels than JSON may have; nothing that is read from claims is so deep."""
    setattr(provider.shape, where, {"org": claim, "teams": nested(DEEPEST)})
    browser = await open_browser(await start_server(BODHI_AUTH_USERINFO="always"))

    assert "power" == (await browser.log_in(provider, "power"))["username"]

    data = (await browser.server.app[SESSIONS].load(browser.session_cookie)).data
    stored = {**data["id_claims"], **data["userinfo"]}
    assert "org" not in stored
    assert ("teams" in stored) == (where != "access_token_claims")


@pytest.mark.parametrize("payload", ["[" * 3_000, '{"sub":' + "[" * 3_000 + "]" * 3_000 + "}", "{" * 3_000])
async def test_an_access_token_of_many_levels_is_opaque(browser, provider, payload):
    """As is any other that cannot be read."""
    token = f"e30.{base64.urlsafe_b64encode(payload.encode()).decode().rstrip('=')}.c2ln"

    def odd(answer):
        answer["access_token"] = token
        answer["id_token"] = provider.sign({**_claims_in(answer["id_token"]), "at_hash": None})

    provider.alter("code", odd)

    assert 200 == (await log_in(browser, provider)).status
    assert provider.person("power").user_id == (await browser.user())["user_id"]


@pytest.mark.parametrize("subject", ["x" * 1_025, "ü" * 513, "x" * 30_000], ids=len)
async def test_too_long_subject_is_named(browser, provider, caplog, subject):
    """A login that no session can hold is refused, not broken."""

    def odd(answer):
        answer["access_token"] = "opaque"
        answer["id_token"] = provider.sign({**_claims_in(answer["id_token"]), "sub": subject, "at_hash": None})

    provider.alter("code", odd)

    response = await log_in(browser, provider)

    assert (400, "login_error-o_auth_error") == (response.status, (await response.json())["error"]["code"])
    assert "ID token rejected: sub is longer than 1024 bytes" in caplog.text


@pytest.mark.parametrize("scope", [["openid", "scope_user_user"], ["openid scope_user_user"], "openid scope_user_user"])
async def test_another_application_s_scopes_may_be_a_list(browser, provider, scope, open_browser, server):
    """In the token that it presents, and in the one that this is exchanged for."""
    await (await open_browser(server)).log_in(provider)  # who has a role that the application can act with
    provider.add_client("notes", secret="a secret of the notes")
    token = provider.issue_access_token("user", client_id="notes", audience=["notes", "bodhi"], scope=scope, jti=5)
    exchanged = provider.issue_access_token("user", audience=["bodhi"], scope=scope, given_name=["Ann"])
    provider.fail("exchange", status=200, body={"access_token": exchanged, "token_type": "Bearer"})

    response = await browser.session.get(
        browser.make_url("/bodhi/v1/user"), headers={"Authorization": f"Bearer {token}"}
    )

    assert ("scope_user_user", "Ann") == ((user := await response.json())["role"], user["first_name"])


@pytest.mark.parametrize("claims", [{"nonce": 5}, {"aud": {}}, {"exp": "soon"}, {"sub": 4711}], ids=repr)
async def test_missing_required_claim_is_named(browser, provider, claims, caplog):
    """In the log, without its value; the login is refused as a client's error."""

    def odd(answer):
        answer["id_token"] = provider.sign({**_claims_in(answer["id_token"]), **claims})

    provider.alter("code", odd)
    response = await log_in(browser, provider)

    assert (400, "login_error-o_auth_error") == (response.status, (await response.json())["error"]["code"])
    (name,) = claims
    assert [f" {name}"] == [f" {name}" for record in caplog.records if f" {name}" in record.getMessage()]


def _claims_in(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def _for_id_tokens(claims):
    """Return the *claims* that are optional in an ID token, and nulls."""
    nulls = dict.fromkeys(("at_hash", "azp", "nbf", "typ", "acr"))
    needed = {"exp", "sub", "iat", "nbf", "azp", "iss", "aud"}
    return {**{name: value for name, value in claims.items() if name not in needed}, **nulls}
