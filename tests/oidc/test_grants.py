import logging

import pytest

from bodhi.oidc import ProviderRefused, ProviderUnavailable, Tokens
from oidc.scripted import HANGS, RESETS, TOKEN, Reply

REVOKE = "/protocol/openid-connect/revoke"
GARBAGE = {
    "nothing": b"",
    "HTML": b"<html>Welcome</html>",
    "a list": [],
    "null": b"null",
    "an empty object": {},
    "no access token": {"refresh_token": "r"},
    "an empty access token": {"access_token": ""},
    "a blank one": {"access_token": " "},
    "a null one": {"access_token": None},
    "a number": {"access_token": 5},
    "one with a line break": {"access_token": "a\r\nSet-Cookie: b"},
    "one beyond ASCII": {"access_token": "ä"},
    "deep nesting": b'{"access_token":' * 50_000,
    "too much": b'{"access_token": "' + b"x" * 600_000 + b'"}',
}


async def ask(name, provider, client):
    """A call that uses the token endpoint."""
    calls = {
        "code": lambda: provider.grants.redeem_code(client, code="c", redirect_uri="http://b/", verifier="v"),
        "exchange": lambda: provider.grants.exchange(client, "subject", scope="openid"),
        "service": lambda: provider.grants.service_token(client),
    }
    return await calls[name]()


NOTHING, HOUR = (None, None, None), (None, None, 3_600)
GRANTS = pytest.mark.parametrize("grant", ["code", "exchange", "service"])


async def test_a_code_is_redeemed(provider, scripted, client):
    """Spec 17: the form has the code, the address, the verifier and the client; the answer's tokens are given."""
    body = {"access_token": "at", "refresh_token": "rt", "id_token": "it", "expires_in": 300, "token_type": "Bearer"}
    scripted.reply(TOKEN, Reply(200, body))

    tokens = await provider.grants.redeem_code(client, code="a b&c", redirect_uri="http://b/cb?x=1", verifier="v")

    assert Tokens("at", "rt", "it", 300) == tokens
    asked = scripted.requests[-1]
    assert "POST" == asked.method
    assert "1.2.3" == asked.headers["x-bodhi-app-version"]
    assert "Authorization" not in asked.headers
    assert {
        "grant_type": "authorization_code",
        "code": "a b&c",
        "redirect_uri": "http://b/cb?x=1",
        "code_verifier": "v",
        "client_id": client.client_id,
        "client_secret": client.client_secret,
    } == asked.form


async def test_a_token_is_exchanged(provider, scripted, client):
    """Spec 17 and RFC 8693: for ourselves as the audience."""
    scripted.reply(TOKEN, Reply(200, {"access_token": "exchanged"}))

    assert "exchanged" == await provider.grants.exchange(client, "presented", scope="openid scope_user_user")
    assert {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": "presented",
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "audience": client.client_id,
        "scope": "openid scope_user_user",
        "client_id": client.client_id,
        "client_secret": client.client_secret,
    } == scripted.requests[-1].form


async def test_a_service_account_has_a_token(provider, scripted, client):
    """Spec 17: client credentials."""
    scripted.reply(TOKEN, Reply(200, {"access_token": "service"}))

    assert "service" == await provider.grants.service_token(client)
    form = scripted.requests[-1].form
    assert ("client_credentials", "service_account") == (form["grant_type"], form["scope"])


async def test_a_refresh_token_is_revoked(provider, scripted, client):
    """RFC 7009, whatever the answer's body."""
    scripted.reply(REVOKE, Reply(200, b""))

    await provider.grants.revoke(client, "rt")

    form = scripted.requests[-1].form
    assert ("rt", "refresh_token", client.client_id) == (form["token"], form["token_type_hint"], form["client_id"])


async def test_provider_without_revocation_gets_no_request(provider, scripted, client):
    """Then there is nothing to be done."""
    scripted.describe(revocation_endpoint=None)

    await provider.grants.revoke(client, "rt")

    assert 1 == len(scripted.requests)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (None, None, None)),
        ({"refresh_token": None, "id_token": None, "expires_in": None}, (None, None, None)),
        ({"refresh_token": "", "id_token": 5, "expires_in": "soon"}, (None, None, None)),
        *(
            ({"expires_in": value}, (None, None, 3_600))
            for value in (3_600, "3600", 3_600.0, "3600.0", 3_600.9, " 3600 ")
        ),
        ({"expires_in": 0.5}, (None, None, 1)),
        *(({"expires_in": value}, NOTHING) for value in (0, "0", "-1", "", "1e3", "\u0663", [300], 10**400)),
        ({"expires_in": True}, (None, None, None)),
        ({"expires_in": -1}, (None, None, None)),
        ({"expires_in": 10**12}, (None, None, None)),
        ({"refresh_token": "r"}, ("r", None, None)),
    ],
)
async def test_only_the_access_token_is_needed(provider, scripted, client, body, expected):
    """H-36, SR-42: what else is missing, or is no token, is not there."""
    scripted.reply(TOKEN, Reply(200, {"access_token": "t", **body}))

    tokens = await ask("code", provider, client)

    assert expected == (tokens.refresh_token, tokens.id_token, tokens.expires_in)


@GRANTS
@pytest.mark.parametrize("body", GARBAGE.values(), ids=GARBAGE.keys())
async def test_garbage_is_an_outage(provider, scripted, client, grant, body):
    """SR-42: a 200 without an access token is no answer."""
    scripted.reply(TOKEN, Reply(200, body))

    with pytest.raises(ProviderUnavailable):
        await ask(grant, provider, client)
    assert 1 == scripted.count(TOKEN)


@GRANTS
@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(400, {"error": "invalid_grant", "error_description": "Code not valid"}), "invalid_grant"),
        (Reply(401, {"error": "invalid_client"}), "invalid_client"),
        (Reply(403, b"<html>no</html>"), ""),
        (Reply(400, b""), ""),
        (Reply(404, {"error": "Realm does not exist"}), ""),
        (Reply(400, {"error": ["x"]}), ""),
        (Reply(400, {"error": "x" * 100}), ""),
        (Reply(400, {"error": "a\r\nb"}), ""),
        (Reply(400, []), ""),
        (Reply(400, b"x" * 600_000), ""),
    ],
    ids=lambda value: str(getattr(value, "status", value))[:10],
)
async def test_a_refusal_has_status_and_code(provider, scripted, client, grant, reply, error):
    """4xx, with OAuth's code where it is one, and never the provider's text."""
    scripted.reply(TOKEN, reply)

    with pytest.raises(ProviderRefused) as refusal:
        await ask(grant, provider, client)

    assert (reply.status, error) == (refusal.value.status, refusal.value.error)
    assert "not valid" not in str(refusal.value)
    assert (2 if error == "invalid_client" else 1) == scripted.count(TOKEN)  # the other authentication is tried once


@GRANTS
@pytest.mark.parametrize(
    "reply",
    [
        Reply(500, {"error": "server_error"}),
        Reply(502, b"<html></html>"),
        Reply(503),
        Reply(429),
        RESETS,
        HANGS,
        Reply(302, headers={"Location": "/elsewhere"}),
        Reply(307, headers={"Location": "/elsewhere"}),
        Reply(304),
    ],
    ids=lambda reply: str(reply.status) + "-resets" * reply.resets + "-hangs" * reply.hangs,
)
async def test_an_outage_is_an_outage_and_no_refusal(make_provider, scripted, client, grant, reply):
    """Network, time, 5xx, 429 and redirects; none of these grants is tried again."""
    scripted.reply(TOKEN, reply)

    with pytest.raises(ProviderUnavailable):
        await ask(grant, make_provider(limit_seconds=0.1 if reply.hangs else 60), client)

    assert scripted.count(TOKEN) <= 1
    assert 0 == scripted.count("/elsewhere")


async def test_a_slow_body_is_cut_off(make_provider, scripted, client):
    """The limit is for all of an answer, not for its beginning."""
    scripted.reply(TOKEN, Reply(200, {"access_token": "t"}, hangs=True))

    with pytest.raises(ProviderUnavailable):
        await make_provider(limit_seconds=0.1).grants.service_token(client)


async def test_connection_refused_is_an_outage(make_provider, scripted, client):
    """Nothing listens any more."""
    provider = make_provider()
    await provider.announces_issuer()
    await scripted.close()

    with pytest.raises(ProviderUnavailable):
        await provider.grants.service_token(client)


@pytest.mark.parametrize("host", ["a..b", f"{'a' * 64}.example", f"{'ü' * 60}.example"])
async def test_endpoint_without_a_valid_host_is_named(provider, scripted, client, caplog, host):
    """It comes from the provider's metadata."""
    scripted.describe(token_endpoint=f"http://{host}/token")

    with pytest.raises(ProviderUnavailable, match="its URL is not valid"):
        await provider.grants.service_token(client)

    assert f"url=http://{host}/token error=its URL is not valid" in caplog.text


async def test_the_log_has_status_and_code_and_nothing_secret(provider, scripted, client, caplog):
    """SR-44: no code, verifier, token or secret, though the provider's description repeats one."""
    caplog.set_level(logging.DEBUG)
    scripted.reply(TOKEN, Reply(400, {"error": "invalid_grant", "error_description": "the code code-secret-1 is used"}))

    with pytest.raises(ProviderRefused) as refusal:
        await provider.grants.redeem_code(
            client, code="code-secret-1", redirect_uri="http://b/", verifier="verifier-secret-1"
        )

    assert (
        'identity provider call failed: code status=400 error=invalid_grant description="the code *** is used"'
        in caplog.text
    )
    for secret in ("code-secret-1", "verifier-secret-1", client.client_secret):
        assert secret not in caplog.text
        assert secret not in str(refusal.value)


def test_no_secret_is_printed(client):
    """SR-44: credentials and tokens show none of themselves."""
    shown = repr(client) + repr(Tokens("secret-at", "secret-rt", "secret-it", 300))

    assert client.client_secret not in shown
    assert "secret-" not in shown
