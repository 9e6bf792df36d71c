"""Two nodes behind a load balancer are restarted one after the other: no request is lost."""

import asyncio
import signal
from collections import Counter
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientError, ClientSession, TCPConnector

from support.ports import free_port
from support.proxies import balanced
from support.server_process import DEADLINE_SECONDS
from support.server_process import environ as environ  # noqa: PLC0414 - fixtures, which a test has by importing them
from support.server_process import launch as launch  # noqa: PLC0414

pytestmark = pytest.mark.proxies

CLIENTS = 6
REQUESTS = [("GET", "/bodhi/v1/user"), ("POST", "/bodhi/v1/logout"), ("GET", "/ping")]


async def until(is_true):
    """Returns when it is."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not is_true():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def load(url, results):
    """Requests of several clients inside the block, each on a connection of its own or on one that is kept."""
    is_over = False

    async def client(*, keeps):
        async with ClientSession(connector=TCPConnector(force_close=not keeps)) as session:
            while not is_over:
                for method, path in REQUESTS:
                    try:
                        async with session.request(method, url + path) as response:
                            await response.read()
                            results[method, response.status] += 1
                    except ClientError as error:
                        results[method, repr(error)] += 1

    clients = [asyncio.create_task(client(keeps=number % 2 == 0)) for number in range(CLIENTS)]
    try:
        yield
    finally:
        is_over = True
        await asyncio.gather(*clients)


@pytest.mark.parametrize("kind", ["haproxy", "nginx", "caddy"])
async def test_no_request_is_lost(kind, launch, database_url):
    """GET and POST, twice around."""
    ports = [free_port(), free_port()]
    settings = {
        "BODHI_SESSION_DB_URL": database_url,
        "BODHI_DATABASE_URL": database_url,
        "BODHI_SHUTDOWN_DELAY": "5",
        "BODHI_SHUTDOWN_TIMEOUT": "60",
    }

    def start(port):
        node = launch(BODHI_PORT=str(port), **settings)
        node.wait_until_ready()
        return node

    nodes = [await asyncio.to_thread(start, port) for port in ports]
    results = Counter()
    with balanced(kind, nodes=ports) as url:
        async with load(url, results):
            await until(lambda: all("/bodhi/v1/logout" in node.stderr for node in nodes))
            for number in [0, 1] * 2:
                nodes[number].popen.send_signal(signal.SIGTERM)
                assert 0 == await asyncio.to_thread(nodes[number].popen.wait, DEADLINE_SECONDS)
                nodes[number] = await asyncio.to_thread(start, ports[number])
                # It is in use again.
                await until(lambda node=nodes[number]: "/bodhi/v1/logout" in node.stderr)

    assert {("GET", 200), ("POST", 200)} == set(results), results
    assert min(results.values()) > CLIENTS
