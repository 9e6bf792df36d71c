"""A scripted provider, keys generated once, and a provider client that never sleeps."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import aiohttp
import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey

from bodhi.oidc import ClientCredentials, IdentityProvider
from oidc.scripted import ScriptedProvider
from oidc.tokens import Clock, public

MakeProvider = Callable[..., IdentityProvider]


@dataclass(frozen=True)
class Keys:
    """Key pairs: two RSA keys, and one of each other kind."""

    rsa: RSAKey
    other_rsa: RSAKey
    ec: ECKey
    ed25519: OKPKey


@pytest.fixture(scope="session")
def keys() -> Keys:
    """The keys of this run; generating them is slow."""
    return Keys(
        rsa=RSAKey.generate_key(2048, {"kid": "rsa-1"}),
        other_rsa=RSAKey.generate_key(2048, {"kid": "rsa-2"}),
        ec=ECKey.generate_key("P-256", {"kid": "ec-1"}),
        ed25519=OKPKey.generate_key("Ed25519", {"kid": "ed-1"}),
    )


@pytest.fixture
def clock() -> Clock:
    """The clock of the client."""
    return Clock()


@pytest.fixture
async def scripted(keys: Keys) -> AsyncIterator[ScriptedProvider]:
    """A provider with discovery and one published RSA key."""
    provider = ScriptedProvider()
    await provider.start()
    provider.describe()
    provider.publish(public(keys.rsa))
    yield provider
    await provider.close()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """The client's HTTP session."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


@pytest.fixture
def slept() -> list[float]:
    """The pauses that the client would have made between attempts."""
    return []


@pytest.fixture
async def make_provider(
    scripted: ScriptedProvider, http: aiohttp.ClientSession, clock: Clock, slept: list[float]
) -> AsyncIterator[MakeProvider]:
    """Creates clients of the scripted provider."""
    made: list[IdentityProvider] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    def make(issuer: str | None = None, **options: object) -> IdentityProvider:
        defaults: dict[str, object] = {"http": lambda: http, "version": "1.2.3", "clock": clock, "sleep": sleep}
        provider = IdentityProvider(issuer or scripted.issuer, **{**defaults, **options})
        made.append(provider)
        return provider

    yield make
    for provider in made:
        await provider.close()


@pytest.fixture
def provider(make_provider: MakeProvider) -> IdentityProvider:
    """A client with default limits."""
    return make_provider()


@pytest.fixture
def client() -> ClientCredentials:
    """Client credentials with characters that must be encoded."""
    return ClientCredentials("resource-bodhi", "p:s %&+ä")
