import asyncio
import logging

import pytest
from aiohttp import web

from bodhi.logs import REQUEST_ID

log = logging.getLogger("bodhi.test")
ID = "0123456789abcdef"


async def show_request_id(_):
    """Return the request id of the context."""
    return web.Response(text=REQUEST_ID.get())


@pytest.fixture
async def client(aiohttp_client, make_app):
    """A client of an application that returns its request id."""
    return await aiohttp_client(make_app(web.get("/try", show_request_id)))


async def test_request_id_is_generated_and_returned(client):
    """Another one for each request, the same in the answer and in the context."""
    answers = [await client.get("/try") for _ in range(2)]

    ids = [answer.headers["X-Request-ID"] for answer in answers]
    assert ids == [await answer.text() for answer in answers]
    assert 2 == len(set(ids))
    assert [32, 32] == [len(one) for one in ids]


@pytest.mark.parametrize("given", [ID, "a.b-c_d0", "x" * 64])
async def test_well_formed_request_id_is_accepted(client, given):
    """A proxy in front has made it."""
    response = await client.get("/try", headers={"X-Request-ID": given})

    assert (given, given) == (response.headers["X-Request-ID"], await response.text())


@pytest.mark.parametrize(
    "headers",
    [[("X-Request-ID", given)] for given in ("", "short", "x" * 65, f"{ID} {ID}", '"><script>', "\u00e4" * 9, "-" * 9)]
    + [[("X-Request-ID", ID), ("X-Request-ID", ID)]],
)
async def test_malformed_request_id_is_replaced(client, headers):
    """Neither headers nor the log repeat what a client makes up."""
    response = await client.get("/try", headers=headers)

    assert 32 == len(response.headers["X-Request-ID"])


@pytest.mark.parametrize(("method", "path"), [("GET", "/nowhere"), ("POST", "/ping")])
async def test_error_responses_have_the_request_id(client, method, path):
    """It is what a user can tell who asks for help."""
    response = await client.request(method, path, headers={"X-Request-ID": ID})

    assert ID == response.headers["X-Request-ID"]


async def test_request_refused_before_routing_has_a_request_id(client):
    """An unknown Expect, which aiohttp answers by itself."""
    response = await client.get("/try", headers={"Expect": "nothing"})

    assert (417, 32) == (response.status, len(response.headers["X-Request-ID"]))


async def test_concurrent_requests_keep_their_ids(aiohttp_client, make_app):
    """Also when they wait for one another."""
    both = asyncio.Barrier(2)

    async def waits(_):
        await both.wait()
        return web.Response(text=REQUEST_ID.get())

    client = await aiohttp_client(make_app(web.get("/try", waits)))

    async def ask(request_id):
        async with client.get("/try", headers={"X-Request-ID": request_id}) as response:
            return await response.text()

    assert ["a" * 8, "b" * 8] == list(await asyncio.gather(ask("a" * 8), ask("b" * 8)))
