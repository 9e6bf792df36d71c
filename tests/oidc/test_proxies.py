"""Calls go through the proxy that the environment names."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from yarl import URL

from bodhi.oidc import ProviderUnavailable
from bodhi.oidc.transport import proxy_for
from oidc.scripted import DISCOVERY, TOKEN, Reply

NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    """Proxies of the machine that runs the tests do not count."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@asynccontextmanager
async def proxy_that(answer):
    """Run a proxy that calls *answer* with the head of each request; yield its URL and the heads."""
    heads = []

    async def serve(reader, writer):
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", heads


def response(body):
    """Return a JSON response."""
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n" + body.encode()


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy"])
async def test_every_call_goes_through_the_proxy(make_provider, client, monkeypatch, name):
    """Discovery first; the proxy resolves the host name, and gets its password, which goes nowhere else."""
    async with proxy_that(response('{"issuer": "http://login.invalid/other"}')) as (url, heads):
        monkeypatch.setenv(name, url.replace("//", "//ann:secret@"))

        with pytest.raises(ProviderUnavailable, match=r"http://login.invalid/other, but BODHI_AUTH_ISSUER"):
            await make_provider(issuer="http://login.invalid").grants.service_token(client)

    assert heads[0].startswith("GET http://login.invalid/.well-known/openid-configuration HTTP/1.1\r\n")
    assert "Proxy-Authorization: Basic YW5uOnNlY3JldA==" in heads[0]


async def test_https_goes_through_a_tunnel(make_provider, monkeypatch):
    """What the proxy refuses is called the proxy's."""
    async with proxy_that(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n") as (url, heads):
        monkeypatch.setenv("HTTPS_PROXY", url)

        with pytest.raises(ProviderUnavailable, match="HTTPS_PROXY answered with status 407"):
            await make_provider(issuer="https://login.invalid").announces_issuer()

    assert heads[0].startswith("CONNECT login.invalid:443 HTTP/1.1\r\n")


async def test_proxy_that_is_away_is_named(make_provider, monkeypatch):
    """The provider may be fine."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")

    with pytest.raises(ProviderUnavailable, match="the proxy of HTTP_PROXY or HTTPS_PROXY: connection refused"):
        await make_provider(issuer="http://login.invalid").announces_issuer()


async def test_no_proxy_is_heeded_by_all_calls(provider, scripted, client, monkeypatch):
    """Keys, tokens and management calls as well; passwords of ~/.netrc are not sent."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "other.example, 127.0.0.1")
    scripted.reply(TOKEN, Reply(200, {"access_token": "t"}))

    await provider.grants.service_token(client)

    assert (1, 1) == (scripted.count(DISCOVERY), scripted.count(TOKEN))


async def test_netrc_is_not_read(provider, scripted, client, monkeypatch, tmp_path):
    """A client that authenticates in the form would get a header that somebody else wrote."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ann password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    scripted.reply(TOKEN, Reply(200, {"access_token": "t"}))

    await provider.grants.service_token(client)

    assert not any("Authorization" in request.headers for request in scripted.requests)


@pytest.mark.parametrize(
    ("no_proxy", "url", "is_direct"),
    [
        ("login.example", "https://login.example/x", True),
        ("login.example", "https://a.login.example:8443/x", True),
        (".example", "https://login.example/x", True),
        ("*", "https://login.example/x", True),
        ("login.example:8443", "https://login.example:8443/x", True),
        ("login.example:8443", "https://login.example/x", False),
        ("ogin.example", "https://login.example/x", False),
        ("10.0.0.1,LOGIN.example", "https://login.example/x", True),
        ("::1", "https://[::1]:8443/x", True),
        ("[::1]", "https://[::1]:8443/x", True),
        ("", "https://login.example/x", False),
    ],
)
def test_no_proxy_names_hosts_and_suffixes(monkeypatch, no_proxy, url, is_direct):
    """As the standard library reads it, and with IPv6 addresses."""
    monkeypatch.setenv("https_proxy", "proxy.example:3128")
    monkeypatch.setenv("no_proxy", no_proxy)

    assert (None if is_direct else URL("http://proxy.example:3128")) == proxy_for(url)


@pytest.mark.parametrize("value", ["socks5://proxy:1080", "http://", "http://[", "ftp://proxy"])
async def test_unusable_proxy_is_an_error_that_names_the_variable(make_provider, monkeypatch, value):
    """Rather than a call past it."""
    monkeypatch.setenv("HTTP_PROXY", value)

    with pytest.raises(ProviderUnavailable, match=r"^HTTP_PROXY "):
        await make_provider(issuer="http://login.invalid").announces_issuer()


def test_a_scheme_has_its_own_proxy(monkeypatch):
    """The other one is not used for it."""
    monkeypatch.setenv("HTTP_PROXY", "http://proxy")

    assert proxy_for("https://login.example") is None


async def test_development_provider_is_called_directly(make_provider, monkeypatch):
    """It is on this machine, whose loopback addresses no proxy reaches."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")

    assert not await make_provider(uses_proxy=False).announces_issuer()
