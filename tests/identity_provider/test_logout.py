"""Logout at the provider, and back-channel logout of clients."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bodhi.testing.identity_provider.realm import LOGOUT_EVENT
from support.provider import authorization_url

BACK = "http://localhost:1135/ui/login"


@pytest.fixture
def log_out(provider, http):
    """Requests the logout endpoint; returns the status and the redirect URL."""

    async def log_out(**query):
        url = f"{provider.issuer}/protocol/openid-connect/logout"
        async with http.get(url, params=query, allow_redirects=False) as response:
            return response.status, response.headers.get("Location")

    return log_out


async def test_a_logout_ends_the_session_of_the_browser(provider, http, log_out):
    """The way back has the state, and the next request asks again."""
    await provider.log_in_url(authorization_url(provider), browser=http)

    answer = await log_out(client_id="bodhi", post_logout_redirect_uri=BACK, state="s")

    assert (303, f"{BACK}?state=s") == answer
    assert (0, 0) == (len(provider.realm.sessions), len(http.cookie_jar))
    await provider.log_in_url(authorization_url(provider), browser=http)
    assert 2 == provider.counts["log_in"]


async def test_an_id_token_names_the_session(provider, log_out, refresh):
    """Without any cookie; there is a page where it leads nowhere."""
    tokens = provider.issue_tokens()

    assert (200, None) == await log_out(id_token_hint=tokens["id_token"])

    assert 400 == (await refresh(tokens["refresh_token"]))[0]


async def test_a_logout_leads_to_registered_places_alone(provider, log_out):
    """And does nothing when it would lead elsewhere."""
    provider.add_client("app", post_logout_redirect_uris=["https://app.example.org/bye"])
    tokens = provider.issue_tokens(client_id="app")

    assert (400, None) == await log_out(
        id_token_hint=tokens["id_token"], post_logout_redirect_uri="https://example.org/"
    )
    assert (400, None) == await log_out(post_logout_redirect_uri="https://app.example.org/bye")
    assert 1 == len(provider.realm.sessions)
    answer = await log_out(id_token_hint=tokens["id_token"], post_logout_redirect_uri="https://app.example.org/bye")
    assert (303, "https://app.example.org/bye") == answer


@pytest.fixture
async def backchannel(provider):
    """A client's back-channel logout URL, and the received logout tokens."""
    tokens = []

    async def take(request):
        tokens.append((await request.post())["logout_token"])
        return web.Response()

    app = web.Application()
    app.router.add_post("/backchannel-logout", take)
    async with TestServer(app) as server:
        provider.realm.clients["bodhi"].backchannel_logout_uri = str(server.make_url("/backchannel-logout"))
        yield tokens


async def test_clients_receive_a_logout_token_when_a_session_ends(provider, backchannel, log_out):
    """A logout token of OpenID Connect Back-Channel Logout 1.0, section 2.4."""
    tokens = provider.issue_tokens("user")
    provider.add_client("silent", any_loopback=True)
    provider.issue_tokens("user", client_id="silent")

    await log_out(id_token_hint=tokens["id_token"])

    [token] = backchannel
    claims = provider.realm.keys.read(token)
    expected = {
        "iss": provider.issuer,
        "aud": "bodhi",
        "sub": provider.person("user").user_id,
        "sid": tokens["session_state"],
        "events": {LOGOUT_EVENT: {}},
    }
    assert expected == {name: claims[name] for name in expected}
    assert {"exp", "iat", "jti"} < set(claims)
    assert "nonce" not in claims
    assert [("bodhi", token, 200)] == [
        (post.client_id, post.logout_token, post.status) for post in provider.backchannel_posts
    ]


async def test_a_test_can_send_any_logout_token(provider, backchannel):
    """And sees the status, or that there was no answer."""
    uri = provider.realm.clients["bodhi"].backchannel_logout_uri

    assert 200 == await provider.post_logout_token(provider.sign({"sub": "nobody"}), uri)
    assert None is await provider.post_logout_token("text", "http://127.0.0.1:1/nowhere")
    assert [200, None] == [post.status for post in provider.backchannel_posts]
