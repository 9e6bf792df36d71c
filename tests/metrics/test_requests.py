"""Request durations by route."""

import asyncio

import pytest
from aiohttp import web
from multidict import CIMultiDict

from bodhi.metrics.requests import BOUNDS, RequestTimes
from bodhi.server.http import instrumentation as watching
from bodhi.server.http.instrumentation import UNMATCHED


@pytest.fixture
def times():
    """The recorded durations."""
    return RequestTimes()


@pytest.fixture
async def client(aiohttp_client, times):
    """A client of an application with a few routes."""

    async def item(_):
        return web.Response()

    async def moved(_):
        raise web.HTTPFound("/items/1")

    async def broken(_):
        raise ZeroDivisionError

    app = web.Application()
    watching.setup(app, times)
    app.add_routes([web.route("*", "/items/{id}", item), web.get("/moved", moved), web.get("/broken", broken)])
    return await aiohttp_client(app)


def test_duration_is_counted_in_the_right_bucket():
    """As Prometheus has it; the last place is for what took longer than all of them."""
    times = RequestTimes()
    for seconds in (0, BOUNDS[0], BOUNDS[0] * 1.001, BOUNDS[-1], BOUNDS[-1] + 1):
        times.observe("/", "GET", "2xx", seconds)

    (*counts, total) = times.by_labels["/", "GET", "2xx"]
    assert [2, 1, *[0] * 10, 1, 1] == counts
    assert pytest.approx(21.002001) == total


async def test_requests_are_labelled_by_route_method_and_status_class(client, times):
    """Whatever they come to."""
    for path in ("/items/1", "/items/2", "/moved", "/broken"):
        await client.get(path, allow_redirects=False)
    await client.post("/items/1")

    assert {
        ("/items/{id}", "GET", "2xx"): 2,
        ("/items/{id}", "POST", "2xx"): 1,
        ("/moved", "GET", "3xx"): 1,
        ("/broken", "GET", "5xx"): 1,
    } == {labels: sum(row[:-1]) for labels, row in times.by_labels.items()}


async def test_clients_cannot_create_labels(client, times):
    """Neither with paths nor with methods: there would be no end of them."""
    for method in ("PURGE", "LOCK", "PROPFIND"):
        await client.get(f"/secret-{method}")
        await client.request(method, "/items/1")

    assert {(UNMATCHED, "GET", "4xx"), ("/items/{id}", "other", "2xx")} == set(times.by_labels)


async def test_aborted_request_has_its_own_status_class(times):
    """It is neither a success nor a failure of the server's."""

    class Request:
        match_info = type("Match", (), {"route": type("Route", (), {"resource": None})})
        method = "GET"
        headers = CIMultiDict()

    async def cut(_):
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await watching.time_middleware(times)(Request, cut)

    assert [(UNMATCHED, "GET", "cut")] == list(times.by_labels)
