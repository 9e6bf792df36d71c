"""The canonical redirect behind the proxies of the how-to pages, on ports that no scheme implies."""

import asyncio
import ssl
from functools import partial

import pytest
from aiohttp import ClientSession, TCPConnector
from aiohttp.test_utils import TestServer

from support import proxies
from support.certificates import write_certificate
from support.ports import free_port

pytestmark = pytest.mark.proxies


def balanced(kind, *, bodhi, port, **_):
    """Start a load balancer whose nodes are one."""
    return proxies.balanced(kind, nodes=[bodhi, bodhi], port=port)


def deployed(*, bodhi, port, certificate, **_):
    """Start the nginx of the deployment page, with TLS."""
    return proxies.nginx_for_bodhi_alone(bodhi=bodhi, port=port, certificate=certificate)


def deployed_without_tls(*, bodhi, port, **_):
    """Start the nginx of the deployment page."""
    return proxies.nginx_for_bodhi_alone(bodhi=bodhi, port=port)


def protecting(kind, *, certificate, **ports):
    """Start a proxy that also protects an application."""
    return proxies.PROXIES[kind](**ports)


STARTS: dict[str, tuple[str, str, proxies.Start]] = {
    "deploy page, TLS": ("https", "localhost", deployed),
    "deploy page": ("http", "127.0.0.1", deployed_without_tls),
    **{f"{kind}, protecting": ("http", "127.0.0.1", partial(protecting, kind)) for kind in proxies.PROXIES},
    **{f"{kind}, balancing": ("http", "127.0.0.1", partial(balanced, kind)) for kind in ("nginx", "caddy", "haproxy")},
}


@pytest.mark.parametrize("name", STARTS)
async def test_public_url_on_any_port_is_not_redirected_to_itself(name, start_server, application, tmp_path):
    """Whatever the proxy makes of the host; a request for another port is sent there, and arrives."""
    scheme, host, start = STARTS[name]
    port = free_port()
    bodhi: TestServer = await start_server(
        BODHI_TRUSTED_PROXIES="127.0.0.1/32",
        BODHI_PUBLIC_SCHEME=scheme,
        BODHI_PUBLIC_HOST=host,
        BODHI_PUBLIC_PORT=str(port),
    )
    certificate = write_certificate(tmp_path / "certificate.pem")
    proxy = start(bodhi=bodhi.port, application=application.server.port, port=port, certificate=certificate)
    url = await asyncio.to_thread(proxy.__enter__)
    try:
        assert f"{scheme}://{host}:{port}" == url
        context = ssl.create_default_context(cafile=certificate)
        async with ClientSession(connector=TCPConnector(ssl=context)) as browser:
            async with browser.get(f"{url}/ui/login", allow_redirects=False) as here:
                assert 200 == here.status, here.headers
            other = {"Host": f"{host}:{port - 1}"}
            async with browser.get(f"{url}/ui/login?a=b", headers=other, allow_redirects=False) as elsewhere:
                assert (301, f"{url}/ui/login?a=b") == (elsewhere.status, elsewhere.headers["Location"])
    finally:
        await asyncio.to_thread(proxy.__exit__, None, None, None)
