"""Refresh tokens: rotated, single-use, and invalid after the session ends."""

import pytest

from bodhi.server.access.scopes import Role


async def test_a_refresh_gives_a_new_pair(provider, refresh, clock):
    """Of the same session and scope, and with the role as it is now."""
    before = provider.issue_tokens("user", nonce="n")
    provider.set_role("user", Role.ADMIN)
    clock.advance(1_000)

    status, after = await refresh(before["refresh_token"])

    assert (200, before["session_state"], before["scope"]) == (status, after["session_state"], after["scope"])
    assert all(before[name] != after[name] for name in ("access_token", "refresh_token", "id_token"))
    claims = provider.realm.read_access_token(after["access_token"])
    assert {"bodhi": {"roles": ["resource_admin"]}} == claims["resource_access"]
    assert 1 == provider.counts["refresh"]


async def test_a_replayed_refresh_token_ends_the_family(provider, refresh):
    """The token that came from it is refused as well; another login is untouched."""
    first, other = provider.issue_tokens(), provider.issue_tokens()
    _, second = await refresh(first["refresh_token"])

    assert (400, "invalid_grant") == await _error(refresh(first["refresh_token"]))
    assert (400, "invalid_grant") == await _error(refresh(second["refresh_token"]))
    assert 200 == (await refresh(other["refresh_token"]))[0]


async def test_reuse_can_be_allowed(provider, refresh):
    """As providers do that know of clients which lose answers."""
    provider.realm.grants.reuse_allowed = True
    tokens = provider.issue_tokens()

    assert [200, 200] == [(await refresh(tokens["refresh_token"]))[0] for _ in range(2)]


async def test_rotation_can_be_switched_off(provider, refresh):
    """The answer has no refresh token then, and the one that was used stays good."""
    provider.realm.rotates_refresh_tokens = False
    tokens = provider.issue_tokens()

    for _ in range(2):
        status, answer = await refresh(tokens["refresh_token"])
        assert (200, False) == (status, "refresh_token" in answer)


async def test_a_refresh_token_expires(provider, refresh, clock):
    """The end of a login that nobody used for long."""
    provider.realm.grants.refresh_token_seconds = 60
    tokens = provider.issue_tokens()
    clock.advance(60_001)

    assert (400, "invalid_grant") == await _error(refresh(tokens["refresh_token"]))


async def test_a_refresh_token_ends_with_its_session(provider, refresh):
    """A logout at the provider is the end of all tokens."""
    tokens = provider.issue_tokens("user")

    await provider.end_sessions("user")

    assert (400, "invalid_grant") == await _error(refresh(tokens["refresh_token"]))


@pytest.mark.parametrize("token", ["refresh", "access"])
async def test_revoked_token_is_refused_everywhere(provider, post, refresh, manage, token):
    """With the refresh token its family ends; an access token ends alone."""
    tokens = provider.issue_tokens("admin")

    assert (200, None) == await post("revoke", token=tokens[f"{token}_token"])

    assert (400 if token == "refresh" else 200) == (await refresh(tokens["refresh_token"]))[0]
    assert (200 if token == "refresh" else 401) == (await manage("GET", "resources/users", tokens["access_token"]))[0]


async def test_revoking_an_unknown_token_succeeds(provider, post):
    """RFC 7009, section 2.2; but a client has to be one."""
    assert 200 == (await post("revoke", token="unknown"))[0]
    assert 200 == (await post("revoke"))[0]
    assert 401 == (await post("revoke", token="unknown", client_secret="wrong"))[0]


async def test_one_client_cannot_use_or_revoke_the_tokens_of_another(provider, refresh, post):
    """A refresh token is bound to its client."""
    provider.add_client("app", secret="app-secret")
    tokens = provider.issue_tokens()

    stranger = {"client_id": "app", "client_secret": "app-secret"}
    assert (400, "invalid_grant") == await _error(refresh(tokens["refresh_token"], **stranger))
    await post("revoke", token=tokens["refresh_token"], **stranger)
    assert 200 == (await refresh(tokens["refresh_token"]))[0]


async def _error(asking):
    status, body = await asking
    return status, body["error"]
