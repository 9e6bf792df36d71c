"""bodhi's provider client works with an independent provider."""

import asyncio

import aiohttp
import pytest
from aiohttp import web

from bodhi.oidc.client import IdentityProvider, pkce_challenge
from bodhi.oidc.errors import MalformedToken, ProviderRefused, TokenError
from bodhi.oidc.responses import ClientCredentials
from e2e.running import Realm
from e2e.visitor import SCOPE, Client, Visitor

REDIRECT_URI = "http://localhost:1/ui/auth/callback"
VERIFIER = "v" * 43


@pytest.fixture(scope="module")
def realm(tmp_path_factory):
    """One realm for all tests; each has separate clients and cookies."""
    with Realm(tmp_path_factory.mktemp("realm")) as realm:
        yield realm


@pytest.fixture
async def provider(realm):
    """The client under test."""
    async with aiohttp.ClientSession() as http:
        provider = IdentityProvider(realm.issuer, http=lambda: http, version="test")
        yield provider
        await provider.close()


@pytest.fixture
async def visitor(realm):
    """A user without a session at the realm."""
    async with Visitor(realm.issuer) as visitor:
        yield visitor


@pytest.fixture
def bodhi(realm):
    """A resource server with the default roles."""
    registered = realm.new_resource([REDIRECT_URI])
    return ClientCredentials(registered["client_id"], registered["client_secret"])


async def log_in(provider, visitor, bodhi, username, redirect_uri=REDIRECT_URI):
    """Log in with the client under test; return the tokens."""
    url = await provider.authorization_url(
        bodhi.client_id,
        redirect_uri=redirect_uri,
        state="state-1",
        nonce="nonce-1",
        challenge=pkce_challenge(VERIFIER),
    )
    answer = await visitor.follow(url, redirect_uri, username)
    assert (provider.issuer, "state-1") == (answer["iss"], answer["state"])
    return await provider.grants.redeem_code(bodhi, code=answer["code"], redirect_uri=redirect_uri, verifier=VERIFIER)


async def test_the_client_logs_users_in(provider, visitor, bodhi, realm):
    """Both tokens are what it takes for genuine, and say who it is."""
    tokens = await log_in(provider, visitor, bodhi, "manager")
    claims = await provider.verifier.access_token(tokens.access_token)
    named = await provider.verifier.id_token(
        tokens.id_token, client_id=bodhi.client_id, nonce="nonce-1", access_token=tokens.access_token
    )

    assert await provider.announces_issuer()
    assert (realm.id_of("manager"), "manager", "Grace") == (claims.subject, claims.username, claims.first_name)
    assert (realm.issuer, bodhi.client_id) == (claims.issuer, claims.authorized_party)
    assert "resource_manager" in claims.at(("resource_access", bodhi.client_id, "roles"))
    assert (claims.subject, claims.at(["sid"])) == (named.subject, named.sid)


async def test_the_client_distinguishes_the_kinds_of_tokens(provider, visitor, bodhi):
    """Neither token passes for the other."""
    tokens = await log_in(provider, visitor, bodhi, "user")

    with pytest.raises(MalformedToken):
        await provider.verifier.access_token(tokens.id_token)
    with pytest.raises(TokenError):
        await provider.verifier.id_token(
            tokens.access_token, client_id=bodhi.client_id, nonce="nonce-1", access_token=None
        )


async def test_the_client_refreshes_and_revokes_tokens(provider, visitor, bodhi):
    """A refresh token works once, and not after it was revoked; what the realm says then is that it is dead."""
    first = await log_in(provider, visitor, bodhi, "user")
    second = await provider.grants.refresh(bodhi, first.refresh_token)
    assert first.refresh_token != second.refresh_token
    assert "user" == (await provider.verifier.access_token(second.access_token)).username

    await provider.grants.revoke(bodhi, second.refresh_token)
    with pytest.raises(ProviderRefused) as refused:
        await provider.grants.refresh(bodhi, second.refresh_token)
    assert "invalid_grant" == refused.value.error


async def test_the_client_exchanges_tokens_of_applications(provider, visitor, bodhi, realm):
    """What the application got for bodhi becomes bodhi's own, with the consent that the person gave."""
    redirect_uri = "http://localhost:2/callback"
    app = Client(realm.issuer, redirect_uri=redirect_uri, **realm.new_app([redirect_uri], name="Notes"))
    person = await log_in(provider, visitor, bodhi, "user")
    told = await provider.management.app_info(person.access_token, app.client_id)
    consent = await provider.management.consent(
        person.access_token, app_client_id=app.client_id, access_request_id="request-1", description="Notes"
    )
    assert ("Notes", "request-1") == (told.name, consent.access_request_id)
    assert consent.scope == await provider.management.register_app_access(bodhi, app_client_id=app.client_id)

    scope = f"openid {consent.scope} {consent.access_request_scope} scope_user_user"
    presented = (await visitor.log_in(app, scope=scope))["access_token"]
    received = await provider.verifier.access_token(presented)
    assert (app.client_id, True) == (received.authorized_party, bodhi.client_id in received.audience)
    exchanged = await provider.verifier.access_token(
        await provider.grants.exchange(
            bodhi, presented, scope=f"{SCOPE} {consent.access_request_scope} scope_user_user"
        )
    )
    assert (received.subject, "request-1") == (exchanged.subject, exchanged.access_request_id)
    assert "scope_user_user" in exchanged.scope.split()


async def test_the_client_manages_users(provider, visitor, bodhi, realm):
    """Roles and the list of people, with the token of somebody who may."""
    token = (await log_in(provider, visitor, bodhi, "admin")).access_token
    await provider.management.assign_role(token, realm.id_of("nobody"), "resource_power_user")
    await provider.management.remove_user(token, realm.id_of("user"))

    users = (await provider.management.list_users(token, page=1, page_size=30))["users"]
    assert ["admin", "manager", "power", "nobody"] == [user["username"] for user in users]
    assert "resource_power_user" == users[-1]["role"]


async def test_the_client_registers_itself(provider, realm):
    """And makes somebody the first administrator."""
    made = await provider.management.register_client(name="a new one", description="", redirect_uris=[REDIRECT_URI])
    await provider.management.make_resource_admin(made.credentials, realm.id_of("user"))

    assert "resource_admin" == realm.roles(made.client_id)["user"]


async def test_the_client_accepts_logout_tokens_of_the_realm(provider, visitor, realm):
    """They name the session that the ID token named."""
    received = asyncio.get_running_loop().create_future()

    async def listen(request):
        received.set_result((await request.post())["logout_token"])
        return web.Response()

    app = web.Application()
    app.add_routes([web.post("/bodhi/v1/auth/backchannel-logout", listen)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    redirect_uri = f"http://127.0.0.1:{runner.addresses[0][1]}/ui/auth/callback"
    registered = realm.new_resource([redirect_uri])
    client = ClientCredentials(registered["client_id"], registered["client_secret"])
    tokens = await log_in(provider, visitor, client, "user", redirect_uri)
    await asyncio.to_thread(realm.end_sessions, "user")

    told = await provider.verifier.logout_token(await received, client_id=client.client_id)
    named = await provider.verifier.id_token(
        tokens.id_token, client_id=client.client_id, nonce="nonce-1", access_token=tokens.access_token
    )
    assert (named.subject, named.sid) == (told.subject, told.sid)
    await runner.cleanup()
