"""nginx in front of bodhi, configured as on the deployment page."""

import asyncio

import pytest

from proxy.conftest import Visitor
from proxy.test_protected_application import QUESTIONS
from support import proxies

pytestmark = pytest.mark.proxies


@pytest.fixture
async def proxy(start_server):
    """The URL of an nginx in front of bodhi."""
    bodhi = await start_server(BODHI_TRUSTED_PROXIES="127.0.0.1/32", BODHI_VERIFY_ACCESS_TOKEN="true")
    start = proxies.nginx_for_bodhi_alone(bodhi=bodhi.port)
    yield await asyncio.to_thread(start.__enter__)
    await asyncio.to_thread(start.__exit__, None, None, None)


async def test_forwarded_headers_from_the_client_are_ignored(cookieless_client: Visitor, proxy):
    """Neither its host nor its scheme: bodhi takes its own pages for its own, and those of another host for foreign."""
    for claims in [
        {"X-Forwarded-Host": "evil.test"},
        {"X-Forwarded-Host": "localhost:1"},
        {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "localhost"},
        {"X-Forwarded-Scheme": "https", "X-Forwarded-For": "127.0.0.1, 127.0.0.1", "X-Forwarded-Host": "evil.test"},
    ]:
        foreign = f"{claims.get('X-Forwarded-Proto', 'http')}://{claims['X-Forwarded-Host']}"
        for origin, status in [(proxy, 201), (foreign, 403)]:
            headers = {**claims, "Origin": origin}
            answer = await cookieless_client.request("POST", "/bodhi/v1/auth/initiate", headers=headers)
            assert status == answer.status, headers


async def test_verify_endpoint_is_not_reachable_from_outside(visitor: Visitor, provider):
    """Who somebody is, and the access token, are for proxies."""
    await visitor.log_in(provider)
    for question in QUESTIONS:
        answer = await visitor.get(f"/bodhi/v1/auth/{question}")
        assert not any(name.lower().startswith("x-bodhiapp") for name in answer.headers), question
